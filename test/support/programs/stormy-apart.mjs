// A worker whose queue pair is connected to one of another thread, and which posts to it in bad weather. The test sends
// the description of its queue pair, and of its memory. The worker answers with its own, and then with what came of it.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { openDevice, openRegistrySync, parseRemoteMemory } from '../../../dist/index.js'
import { weather } from '../../../dist/testing.js'

const device = openDevice({ loopback: true })
const domain = device.createDomain()
const queue = device.createCompletionQueue({ entries: 64 })
const queuePair = domain.createQueuePair({ sendQueue: queue })
const registry = openRegistrySync({ regions: { near: { size: 4096, pages: 'base' } } })
const memory = registry.registerSync(registry.regions.near, domain, ['localWrite'])
queuePair.connect(workerData.peer)
const connected = once(parentPort, 'message')
parentPort.postMessage(queuePair.describe())
await connected

registry.regions.near.bytes.fill(7)
const remote = parseRemoteMemory(workerData.memory)
const storm = weather(device, { loss: 1, delay: 3 })
const post = (offset) =>
  queuePair.post({ operation: 'write', memory: memory.slice(offset, 8), remote: remote.slice(offset, 8), id: offset })
const statuses = []
const complete = async (count) => {
  while (statuses.length < count) {
    statuses.push(...(await queue.wait({ signal: AbortSignal.timeout(30_000) })).map(({ status }) => status))
  }
}
post(0)
await complete(1)
post(8)
queuePair.modify({ state: 'SQD' }) // which lets requests that are on their way arrive
await complete(2)
queuePair.modify({ state: 'RTS' })
storm.end()
post(16)
await complete(3)
parentPort.postMessage({ statuses, log: storm.log })
registry.close({ force: true })
device.close({ force: true })
