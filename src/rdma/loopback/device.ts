import { constants } from 'node:os'
import { closingOrder, type ObjectKind } from '../contract/closing-order.js'
import type { DeviceCalls } from '../contract/device-calls.js'
import { isGroup } from '../contract/gids.js'
import { loopbackConnections } from './connections/index.js'
import { LoopbackContext } from './context.js'
import { deviceClosed, deviceOpened } from './network/listener.js'
import { linkTo } from './network/outgoing-links.js'
import { attributes, gids, port } from './port.js'
import { queuePairCalls } from './queue-pairs.js'
import { queueCalls } from './queues.js'
import { busy, noGid, refusal } from './refusal.js'
import { registrationCalls } from './registrations.js'
import { windowCalls } from './windows.js'
import { loopbackGid } from './wire.js'

const contexts = new WeakMap<DeviceCalls, LoopbackContext>()

/** The context behind the calls of a loopback device; undefined for another device. For tests (src/testing). */
export function loopbackContextOf(calls: DeviceCalls): LoopbackContext | undefined {
  return contexts.get(calls)
}

/**
 * Opens a loopback device. One wire joins all loopback devices of this thread, and sockets join it with those of other
 * threads and processes.
 *
 * @param isApart true for tests: the device uses the socket of its own thread, as if its peers were in another process
 */
export function openLoopback(isApart = false): DeviceCalls {
  const context = new LoopbackContext(isApart)
  deviceOpened()
  /** Only this context knows objects of the other kinds, so they end with it. */
  const closeAll = (kind: ObjectKind) => {
    if (kind === 'memory window') for (const { handle } of context.windows) calls.freeWindow(handle)
    if (kind === 'queue pair') for (const { handle } of context.queuePairs) calls.destroyQueuePair(handle)
    if (kind === 'registration') for (const { handle } of context.registrations) calls.deregister(handle)
  }
  const calls: DeviceCalls = {
    query: attributes,
    queryPort: port,
    queryGids: gids,
    queryPartitionKey(_port, index) {
      if (index === 0) return 0xffff // the default key, IBTA 10.9.1.2
      throw refusal(
        'ibv_query_pkey',
        'there is one partition key',
        { index },
        'ERR_DEVICE_REFUSED',
        constants.errno.ENOENT,
      )
    },
    // Nothing is pinned, and regions are never forked.
    forkStatus: () => 'unneeded',
    listen: (listener) => context.listen(listener),
    keepAlive: (wanted) => context.keepAlive(wanted),
    close() {
      for (const kind of closingOrder) closeAll(kind)
      if (context.closed) return
      context.close()
      deviceClosed()
    },
    allocateDomain() {
      const domain = { handle: 0, uses: 0 }
      domain.handle = context.domains.add(domain)
      return domain.handle
    },
    freeDomain(handle) {
      const domain = context.domains.get('ibv_dealloc_pd', handle)
      if (domain.uses > 0) throw busy('ibv_dealloc_pd', `${domain.uses} objects use the domain`)
      context.domains.remove('ibv_dealloc_pd', handle)
    },
    createAddressHandle(handle, path) {
      const domain = context.domains.get('ibv_create_ah', handle)
      if (path.port !== 1 || path.gid === '') throw refusal('ibv_create_ah', 'expected port 1 and a GID', { ...path })
      if (path.gidIndex !== 0) throw noGid('ibv_create_ah', path.gidIndex)
      const isHere = (path.gid === loopbackGid() && !isApart) || isGroup(path.gid)
      const link = isHere ? undefined : linkTo('ibv_create_ah', path.gid).use()
      const made = { handle: 0, domain, attributes: path, link }
      made.handle = context.paths.add(made)
      domain.uses += 1
      return made.handle
    },
    destroyAddressHandle(handle) {
      const { domain, link } = context.paths.remove('ibv_destroy_ah', handle)
      domain.uses -= 1
      link?.release()
    },
    connections: loopbackConnections,
    ...registrationCalls(context),
    ...windowCalls(context),
    ...queueCalls(context),
    ...queuePairCalls(context),
  }
  contexts.set(calls, context)
  return calls
}
