import { openRegistrySync } from '../../src/index.js'
import { Completions } from '../../src/rdma/completion.js'
import { openDevice } from '../../src/rdma/devices/open-device.js'
import { parseRemoteMemory } from '../../src/rdma/remote-memory.js'

/** One object of each kind, on the loopback. */
export function rdmaObjects() {
  const memory = openRegistrySync({ regions: { rx: { size: '64KiB', pages: 'base' } } })
  const region = memory.regions.rx
  const device = openDevice({ loopback: true })
  const domain = device.createDomain()
  const channel = device.createCompletionChannel()
  const queue = device.createCompletionQueue({ entries: 512, channel })
  const shared = domain.createSharedReceiveQueue({ requests: 8 })
  const queuePair = domain.createQueuePair({ sendQueue: queue })
  queuePair.connect(queuePair.describe())
  const fresh = domain.createQueuePair({ sendQueue: queue })
  const freshDatagrams = domain.createQueuePair({ type: 'UD', sendQueue: queue })
  const datagrams = domain.createQueuePair({ type: 'UD', sendQueue: queue })
  datagrams.activate()
  const registration = memory.registerSync(region, domain, ['localWrite', 'remoteWrite', 'remoteRead', 'bindWindow'])
  const slice = registration.slice(16, 64)
  const description = registration.describe()
  const remote = parseRemoteMemory(description)
  const remoteSlice = remote.slice(0, 64)
  const window = domain.allocateWindow()
  const addressHandle = domain.createAddressHandle({ gid: device.bestGid(1).gid })
  const deviceMemory = device.allocateDeviceMemory({ size: 4096 })
  const implicit = domain.registerImplicit(['localWrite'])
  const completions = new Completions(4)
  const peer = queuePair.describe()
  return {
    memory,
    region,
    device,
    domain,
    channel,
    queue,
    shared,
    queuePair,
    fresh,
    freshDatagrams,
    datagrams,
    registration,
    slice,
    description,
    remote,
    remoteSlice,
    window,
    addressHandle,
    deviceMemory,
    implicit,
    completions,
    peer,
  }
}

export type RdmaObjects = ReturnType<typeof rdmaObjects>
