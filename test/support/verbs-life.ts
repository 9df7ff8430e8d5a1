import { type MemoryRegistry, openRegistrySync, type Region } from '../../src/index.js'
import type { Device } from '../../src/rdma/device.js'
import { openDevice } from '../../src/rdma/devices/open-device.js'
import { parseRemoteMemory } from '../../src/rdma/remote-memory.js'

/**
 * Runs a whole life on the first device: makes, connects, uses and closes every kind of object. Even if it throws, it
 * has closed its device and its regions before, as far as the device allows.
 */
export async function life(): Promise<void> {
  using memory = openRegistrySync({ regions: { rx: { size: '64KiB', pages: 'base' } } })
  const device = openDevice()
  try {
    await use(device, memory, memory.regions.rx)
  } finally {
    closeAll(device)
  }
}

async function use(device: Device, memory: MemoryRegistry, region: Region): Promise<void> {
  const rights = ['localWrite', 'remoteWrite', 'remoteRead', 'bindWindow'] as const
  const domain = device.createDomain()
  const registration = memory.registerSync(region, domain, rights)
  const beside = await memory.register(region, domain, ['localWrite'], { address: 0x10000n })
  const implicit = domain.registerImplicit(['localWrite'])
  const covered = implicit.cover(region)
  const onDevice = device.allocateDeviceMemory({ size: 64 })
  onDevice.write(0, new Uint8Array(64))
  onDevice.read(0, new Uint8Array(64))
  const ofDevice = domain.registerDeviceMemory(onDevice, ['localWrite'])
  const nothing = domain.registerNull()
  domain.advise('prefetch', [covered])
  const window = domain.allocateWindow({ type: 1 })
  const queue = device.createCompletionQueue({ entries: 512 })
  const extended = device.createCompletionQueue({ entries: 512, timestamps: true })
  queue.resize(128)
  const shared = domain.createSharedReceiveQueue({ requests: 8, limit: 2 })
  shared.query()
  shared.postReceive({ memory: registration.slice(0, 64) })
  const path = domain.createAddressHandle({ gid: device.bestGid(1).gid })
  const queuePair = domain.createQueuePair({ sendQueue: queue, inlineBytes: 64 })
  const other = domain.createQueuePair({ sendQueue: extended, sharedReceiveQueue: shared })
  queuePair.connect(other.describe(), { access: ['remoteWrite'] })
  other.connect(queuePair.describe())
  queuePair.query()
  const group = { gid: 'ff0e:0000:0000:0000:0000:0000:0000:0001' }
  queuePair.attachMulticast(group)
  queuePair.detachMulticast(group)
  queuePair.postReceive({ memory: [nothing, ofDevice.slice(0, 8)] })
  const remote = parseRemoteMemory(registration.describe())
  queuePair.post({ operation: 'bind', window, memory: registration, access: ['remoteWrite'] })
  queuePair.post({ operation: 'write', memory: beside.slice(0, 64), remote: remote.slice(0, 64), inline: true })
  other.post({ operation: 'send', memory: covered.slice(0, 8) })
  await queue.wait()
  extended.poll()
  device.query()
  for (const object of [path, window, queuePair, other, shared, extended, queue, ofDevice]) object.close()
  for (const object of [onDevice, nothing, covered, implicit, beside, registration, domain]) object.close()
}

/** Closes everything once more that a refusal has left open. Each fault comes only once. */
function closeAll(device: Device): void {
  for (let tries = 0; !device.closed; tries++) {
    try {
      device.close({ force: true })
    } catch (error) {
      if (tries > 2) throw error
    }
  }
}
