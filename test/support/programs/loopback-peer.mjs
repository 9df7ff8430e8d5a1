// A thread or process with a loopback of its own. It describes its queue pairs, and stays until it is ended.
import { parentPort } from 'node:worker_threads'
import { openDevice } from '../../../dist/index.js'

const device = openDevice({ loopback: true })
const queue = device.createCompletionQueue({ entries: 128 })
const domain = device.createDomain()
const peers = ['RC', 'UC', 'UD'].map((type) => domain.createQueuePair({ type, sendQueue: queue }).describe())
const message = JSON.stringify(peers)
if (parentPort === null) process.send(message)
else parentPort.postMessage(message)
setInterval(() => {}, 2 ** 30)
