import { accessFlags } from '../contract/access-flags.js'
import { eventTypes } from '../contract/async-events.js'
import type { DeviceCalls, PathAttributes, QueuePairChange, QueuePairRequest } from '../contract/device-calls.js'
import { isGroup } from '../contract/gids.js'
import { refusedRequest } from '../contract/refusal-reasons.js'
import { queuePairStates, queuePairTypes } from '../contract/states.js'
import type { LoopbackContext } from './context.js'
import { limits } from './limits.js'
import { listen } from './network/listener.js'
import { RemoteSender } from './network/remote-sender.js'
import { loadReceive } from './receives.js'
import type { QueuePairEndpoint } from './records.js'
import { noGid, queueFull, refusal, unsupported } from './refusal.js'
import { enterError, flushReceives, postSends, resume } from './send-queue.js'
import { whyNotChange } from './state-table.js'
import { loopbackGid, wire } from './wire.js'

const { RESET, RTR, RTS, SQD, ERR } = queuePairStates.byName
const { zeroBased, hugePages } = accessFlags.byName

const noPath: PathAttributes = {
  gid: '',
  gidIndex: 0,
  hopLimit: 0,
  trafficClass: 0,
  flowLabel: 0,
  lid: 0,
  serviceLevel: 0,
  pathBits: 0,
  port: 0,
}

function noAttributes(): QueuePairEndpoint['attributes'] {
  return {
    access: 0,
    partitionKeyIndex: 0,
    port: 0,
    queueKey: 0,
    path: noPath,
    mtu: 0,
    timeout: 0,
    retryCount: 0,
    rnrRetry: 0,
    receivePsn: 0,
    sendPsn: 0,
    maxReadsStarted: 0,
    maxReadsServed: 0,
    minRnrTimer: 0,
    remoteQueuePair: 0,
  }
}

export function queuePairCalls(context: LoopbackContext) {
  const find = (verb: string, handle: number) => context.queuePairs.get(verb, handle)
  return {
    createQueuePair(request) {
      const queuePair = build(context, request)
      queuePair.handle = context.queuePairs.add(queuePair)
      for (const used of new Set([queuePair.domain, queuePair.sendCompletions, queuePair.receiveCompletions]))
        used.uses += 1
      if (queuePair.shared !== undefined) queuePair.shared.uses += 1
      wire.plug(queuePair)
      return { handle: queuePair.handle, number: queuePair.number, capacity: request.capacity }
    },
    modifyQueuePair(handle, change) {
      const queuePair = find('ibv_modify_qp', handle)
      const from = change.currentState ?? queuePair.state
      const refused = whyNotChange(queuePair.request.type, from, change) ?? whyNotValues(change)
      if (refused !== undefined) throw refusal('ibv_modify_qp', refused)
      const { gidIndex = 0, gid } = change.path ?? {}
      if (gidIndex !== 0) throw noGid('ibv_modify_qp', gidIndex)
      if (gid !== undefined) turnTo(queuePair, gid)
      apply(queuePair, change)
    },
    queryQueuePair(handle) {
      const { state, attributes, request } = find('ibv_query_qp', handle)
      return { ...attributes, state, capacity: request.capacity }
    },
    destroyQueuePair(handle) {
      const queuePair = context.queuePairs.remove('ibv_destroy_qp', handle)
      clearTimeout(queuePair.timer)
      queuePair.pending.length = 0
      queuePair.state = ERR
      queuePair.remote?.close()
      queuePair.remote = undefined
      wire.unplug(queuePair)
      for (const window of queuePair.windows ?? []) window.queuePair = undefined
      queuePair.windows = undefined
      for (const used of new Set([queuePair.domain, queuePair.sendCompletions, queuePair.receiveCompletions]))
        used.uses -= 1
      if (queuePair.shared !== undefined) queuePair.shared.uses -= 1
    },
    postSend(handle, words, stride, count) {
      postSends(find('ibv_post_send', handle), words, stride, count)
    },
    postReceive(handle, words, stride, count) {
      const queuePair = find('ibv_post_recv', handle)
      const { capacity } = queuePair.request
      if (queuePair.state === RESET || queuePair.shared !== undefined) {
        const reason = queuePair.state === RESET ? 'the queue pair is in RESET' : 'it receives from a shared queue'
        throw refusal('ibv_post_recv', reason, { posted: 0 })
      }
      for (let index = 0; index < count; index++) {
        const loaded = loadReceive(context, words, index * stride, stride, capacity.receiveEntries)
        if (typeof loaded === 'string') throw refusedRequest('ibv_post_recv', loaded, index)
        if (queuePair.receives.length >= capacity.receiveRequests) {
          throw queueFull('ibv_post_recv', `${capacity.receiveRequests} receives are posted`, { posted: index, index })
        }
        queuePair.receives.push(loaded)
        if (queuePair.state === ERR) flushReceives(queuePair)
      }
    },
    attachMulticast(handle, gid) {
      const queuePair = find('ibv_attach_mcast', handle)
      if (queuePair.request.type !== queuePairTypes.byName.UD || !isGroup(gid)) {
        throw refusal('ibv_attach_mcast', 'expected a queue pair of type UD, and the GID of a group (ff…)', { gid })
      }
      queuePair.groups.add(gid)
      wire.join(gid, queuePair)
    },
    detachMulticast(handle, gid) {
      const queuePair = find('ibv_detach_mcast', handle)
      if (!queuePair.groups.delete(gid)) {
        throw refusal('ibv_detach_mcast', 'the queue pair is not attached to the group', { gid })
      }
      wire.leave(gid, queuePair)
    },
  } satisfies Partial<DeviceCalls>
}

/** Makes a queue pair after checking the objects that it uses, and its size. */
function build(context: LoopbackContext, request: QueuePairRequest): QueuePairEndpoint {
  const verb = 'ibv_create_qp'
  const { type, capacity } = request
  if (!isKnown(type)) throw unsupported(verb, `expected RC, UC or UD, received type ${type}`)
  const tooMuch =
    capacity.sendRequests > limits.requests ||
    capacity.receiveRequests > limits.requests ||
    capacity.sendEntries > limits.entries ||
    capacity.receiveEntries > limits.entries ||
    capacity.inlineBytes > limits.inlineBytes
  if (tooMuch) throw refusal(verb, 'more than the device can give', { ...capacity })
  return {
    handle: 0,
    context,
    number: wire.number(),
    domain: context.domains.get(verb, request.domain),
    request,
    sendCompletions: context.completionQueues.get(verb, request.sendQueue),
    receiveCompletions: context.completionQueues.get(verb, request.receiveQueue),
    shared: request.sharedReceiveQueue === 0 ? undefined : context.shared.get(verb, request.sharedReceiveQueue),
    state: RESET,
    attributes: noAttributes(),
    receives: [],
    pending: [],
    rnrLeft: 0,
    retriesLeft: 0,
    timer: undefined,
    groups: new Set(),
    windows: undefined,
    remote: undefined,
    inbound: undefined,
    isEstablished: false,
  }
}

/** The path names the peer's port, which may be one of another thread or process. It must be there now. */
function turnTo(queuePair: QueuePairEndpoint, gid: string): void {
  if (queuePair.remote !== undefined && gid === queuePair.attributes.path.gid) return
  const isHere = gid === loopbackGid() && !queuePair.context.isApart
  if (!isHere) listen() // the peer's requests come by a connection of its own
  const remote = isHere ? undefined : new RemoteSender(queuePair, gid)
  queuePair.remote?.close()
  queuePair.remote = remote
  queuePair.inbound = undefined
}

function isKnown(type: number): boolean {
  const { RC, UC, UD } = queuePairTypes.byName
  return type === RC || type === UC || type === UD
}

function whyNotValues({ port, path, partitionKeyIndex, access, ...rest }: QueuePairChange): string | undefined {
  const { maxReadsServed, maxReadsStarted, mtu } = rest
  if (port !== undefined && port !== 1) return `there is no port ${port}`
  if (path !== undefined && path.port !== 1) return 'the path names a port that this device does not have'
  if (path?.gid === '') return 'a path over Ethernet needs a GID'
  if (((access ?? 0) & (zeroBased | hugePages)) !== 0) return 'a queue pair cannot have zeroBased or hugePages'
  if (partitionKeyIndex !== undefined && partitionKeyIndex !== 0) return 'there is one partition key'
  if ((maxReadsServed ?? 0) > limits.reads || (maxReadsStarted ?? 0) > limits.reads) return 'too many reads and atomics'
  return mtu !== undefined && (mtu < 1 || mtu > 5) ? 'there is no such MTU' : undefined
}

function apply(queuePair: QueuePairEndpoint, change: QueuePairChange): void {
  const { state = queuePair.state, currentState: _, drainNotify: __, ...attributes } = change
  if (state === RESET) {
    clearTimeout(queuePair.timer)
    queuePair.pending.length = 0
    queuePair.receives.length = 0
    queuePair.remote?.close()
    queuePair.remote = undefined
    queuePair.inbound = undefined
    Object.assign(queuePair.attributes, noAttributes())
    queuePair.isEstablished = false
    queuePair.state = RESET
    return
  }
  Object.assign(queuePair.attributes, attributes)
  if (state === ERR) {
    enterError(queuePair)
    return
  }
  const wasDraining = queuePair.state === SQD
  const drains = state === SQD && !wasDraining && queuePair.remote?.drains() !== true
  if (queuePair.state === RTR && state === RTS) queuePair.remote?.start()
  queuePair.state = state
  if (drains) queuePair.context.tell(eventTypes.byName.SQ_DRAINED, queuePair.handle)
  if (state === RTS && wasDraining) resume(queuePair)
}
