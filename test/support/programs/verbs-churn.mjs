// A worker with everything open on a device that does nothing, while events arrive and registrations are under way, until
// it is terminated.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, openDevice, openRegistrySync, parseRemoteMemory } from '../../../dist/index.js'

const region = attachRegion(workerData.handle)
const memory = openRegistrySync({ leaks: 'off' })
const device = openDevice('noop0')
const domain = device.createDomain()
const queue = device.createCompletionQueue({ entries: 512 })
const shared = domain.createSharedReceiveQueue()
const queuePair = domain.createQueuePair({ sendQueue: queue, sharedReceiveQueue: shared, inlineBytes: 64 })
queuePair.connect(queuePair.describe())
domain.allocateWindow()
const registration = memory.registerSync(region, domain, ['localWrite', 'remoteWrite'])
const remote = parseRemoteMemory(registration.describe())

const listen = async () => {
  for await (const _ of device.events()) void _
}
const registerForEver = async () => {
  for (;;) (await memory.register(region, domain, ['localWrite'])).close()
}
listen()
registerForEver()
parentPort.postMessage('ready')
for (;;) {
  queuePair.post({ operation: 'write', memory: registration.slice(0, 64), remote: remote.slice(0, 64), inline: true })
  await queue.wait()
}
