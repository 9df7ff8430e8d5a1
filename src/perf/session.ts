import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { later, list, optionsObject, text } from '../options.js'
import type { CompletionQueue } from '../rdma/completion-queue.js'
import { descriptionSchema } from '../rdma/connection.js'
import type { Access } from '../rdma/contract/access-flags.js'
import { whole } from '../rdma/contract/number-options.js'
import type { Device } from '../rdma/device.js'
import { openDevice } from '../rdma/devices/open-device.js'
import type { ProtectionDomain } from '../rdma/protection-domain.js'
import type { QueuePair } from '../rdma/queue-pair.js'
import type { Registration } from '../rdma/registration.js'
import { type RemoteMemory, remoteMemoryOf, remoteMemorySchema } from '../rdma/remote-memory.js'
import type { DatagramReceiver } from '../rdma/send-request.js'
import type { MemoryRegistry } from '../registry/memory-registry.js'
import { openRegistry } from '../registry/open-registry.js'
import type { Region } from '../registry/region.js'
import type { Control } from './control.js'
import { hostFacts, memoryFacts } from './host-facts.js'
import { headerBytes, layoutOf } from './layout.js'
import type { LocalOptions } from './local-options.js'
import type { Plan } from './plan.js'
import type { HostFacts } from './report.js'

const mostQueuePairs = 128
const connectedSchema = later(() =>
  optionsObject({
    queuePairs: list(descriptionSchema, { most: mostQueuePairs, expected: 'expected queue pairs' }),
    memory: remoteMemorySchema,
  }),
)
const listeningSchema = later(() => optionsObject({ address: text(255), port: whole(1, 65_535) }))
const readySchema = later(() => optionsObject({ connected: z.literal(true) }))

/** What one side measures with: a device, registered memory, and queue pairs that are connected to those of the peer. */
export interface Session {
  readonly device: Device
  readonly region: Region
  readonly registration: Registration
  readonly queue: CompletionQueue
  readonly lanes: readonly QueuePair[]
  /** The memory of the peer, which has the same layout. */
  readonly remote: RemoteMemory
  /** UD: the peer's queue pairs, one for each of ours. */
  readonly receivers: readonly DatagramReceiver[]
  readonly facts: HostFacts
  close(): void
}

/**
 * Opens a device and connects to the peer, which does the same.
 *
 * @throws the signal's reason; PinfoldError of the device, of the memory and of the peer
 */
export async function openSession(
  plan: Plan,
  local: LocalOptions,
  control: Control,
  side: 'server' | 'client',
  signal: AbortSignal,
): Promise<Session> {
  const memory = await openRegistry({ regions: {} })
  let device: Device | undefined
  const close = () => {
    device?.close({ force: true })
    memory.close()
  }
  try {
    device = openDevice(local.device === 'loopback' ? { loopback: true } : local.device)
    return { ...(await connected({ plan, local, control, side, signal, memory, device })), close }
  } catch (error) {
    close()
    throw error
  }
}

interface Parts {
  readonly plan: Plan
  readonly local: LocalOptions
  readonly control: Control
  readonly side: 'server' | 'client'
  readonly signal: AbortSignal
  readonly memory: MemoryRegistry
  readonly device: Device
}

async function connected(parts: Parts): Promise<Omit<Session, 'close'>> {
  const { plan, local, memory, device, control, signal } = parts
  const { port = 1, gidIndex, node, pages } = local
  requireFitting(plan, device, port)
  const size = layoutOf(plan).total
  const numa = node === undefined ? undefined : ({ policy: 'bind', nodes: [node] } as const)
  const region = await memory.allocate('perf', { size, pages, numa })
  const domain = device.createDomain()
  const registration = await memory.register(region, domain, rightsOfMemory(plan, device))
  const own = plan.sendDepth + plan.receiveDepth
  const queue = device.createCompletionQueue({ entries: own * plan.queuePairs })
  const lanes = Array.from({ length: plan.queuePairs }, () => newLane(plan, domain, queue))
  if (plan.connectionManager) await connectByManager(parts, lanes)
  else for (const lane of lanes) lane.initialize({ port })
  control.send({
    queuePairs: lanes.map((lane) => lane.describe({ port, gidIndex })),
    memory: registration.describe(),
  })
  const theirs = await control.receive(connectedSchema, signal)
  if (theirs.queuePairs.length !== lanes.length) throw wrongCount(theirs.queuePairs.length, lanes.length)
  if (!plan.connectionManager) connectDirectly(parts, lanes, theirs.queuePairs)
  control.send({ connected: true })
  await control.receive(readySchema, signal)
  const facts = hostFacts(device, { port, gidIndex, pinned: local.isPinned, memory: memoryFacts(region) })
  const receivers = plan.type === 'UD' ? theirs.queuePairs.map((peer) => receiverOf(domain, port, gidIndex, peer)) : []
  return { device, region, registration, queue, lanes, remote: remoteMemoryOf(theirs.memory), receivers, facts }
}

function rightsOfMemory({ type }: Plan, device: Device): Access[] {
  if (type === 'UD') return ['localWrite']
  return ['localWrite', ...rightsOfPeer(type, device)]
}

function rightsOfPeer(type: Plan['type'], { attributes }: Device): Access[] {
  if (type === 'UC') return ['remoteWrite']
  return ['remoteWrite', 'remoteRead', ...(attributes.atomics === 'NONE' ? [] : (['remoteAtomic'] as const))]
}

function newLane(plan: Plan, domain: ProtectionDomain, sendQueue: CompletionQueue): QueuePair {
  return domain.createQueuePair({
    type: plan.type,
    sendQueue,
    sendRequests: plan.sendDepth,
    receiveRequests: plan.receiveDepth,
    sendEntries: 1,
    receiveEntries: 1,
    inlineBytes: plan.inlineBytes,
  })
}

function connectDirectly(
  { plan, local, device }: Parts,
  lanes: readonly QueuePair[],
  peers: readonly { readonly type: string }[],
): void {
  const { port = 1, gidIndex } = local
  for (const [index, lane] of lanes.entries()) {
    if (plan.type === 'UD') lane.activate({ port })
    else {
      const mtu = plan.mtu ?? undefined
      lane.connect(peers[index], { port, gidIndex, mtu, access: rightsOfPeer(plan.type, device) })
    }
  }
}

/** The server tells where it listens. Its queue pairs and those of the client are connected in their order. */
async function connectByManager(parts: Parts, lanes: readonly QueuePair[]): Promise<void> {
  const { plan, device, control, signal, side } = parts
  const options = { access: rightsOfPeer(plan.type, device), mtu: plan.mtu ?? undefined, signal }
  if (side === 'client') {
    const place = await control.receive(listeningSchema, signal)
    for (const queuePair of lanes) await device.connect({ ...place, queuePair, ...options })
    return
  }
  const listener = device.listen({ address: control.addresses.local, port: 0, signal })
  try {
    const { place } = listener
    if ('name' in place) throw new Error('a listener on an address has a port')
    control.send({ address: control.addresses.local, port: place.port })
    for (const queuePair of lanes) await (await listener.next()).accept({ queuePair, ...options })
  } finally {
    await listener.close()
  }
}

function receiverOf(
  domain: ProtectionDomain,
  port: number,
  gidIndex: number | undefined,
  peer: { readonly gid: string; readonly lid: number; readonly number: number; readonly queueKey: number },
): DatagramReceiver {
  const addressHandle = domain.createAddressHandle({ gid: peer.gid, lid: peer.lid, gidIndex, port })
  return { addressHandle, queuePair: peer.number, queueKey: peer.queueKey }
}

/** @throws PinfoldError `ERR_OUT_OF_RANGE` for a plan that the device cannot carry out */
function requireFitting(plan: Plan, device: Device, port: number): void {
  const { activeMtu, maxMessageSize, state } = device.port(port)
  if (state !== 'ACTIVE') {
    throw new PinfoldError(`perf: port ${port} of ${device.name} is ${state}, not ACTIVE`, {
      code: 'ERR_DEVICE_REFUSED',
      values: { device: device.name, port, state },
    })
  }
  const most = plan.type === 'UD' ? activeMtu : maxMessageSize
  const largest = Math.max(...plan.sizes)
  if (largest <= most) return
  const why = plan.type === 'UD' ? 'a datagram is one packet, and the MTU is' : 'its port sends at most'
  throw new PinfoldError(`perf: ${device.name} cannot send messages of ${largest} bytes: ${why} ${most}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { device: device.name, bytes: largest, most, header: plan.type === 'UD' ? headerBytes : 0 },
  })
}

function wrongCount(found: number, expected: number): PinfoldError {
  return new PinfoldError(`perf: the peer has ${found} queue pairs, and ${expected} were agreed`, {
    code: 'ERR_PEER_PROTOCOL',
    values: { found, expected },
  })
}
