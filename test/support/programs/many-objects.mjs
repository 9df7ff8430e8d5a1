// A worker that owns 10,000 regions, as many registrations and windows, and 1,000 queue pairs, and works on until it is
// terminated.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, openDevice, openRegistrySync } from '../../../dist/index.js'

const count = 10_000
const region = attachRegion(workerData.handle)
const memory = openRegistrySync({ leaks: 'off' })
const device = openDevice('loopback0')
const domain = device.createDomain()
const completions = device.createCompletionQueue({ entries: 2 ** 15 })
for (let made = 0; made < count; made++) {
  memory.allocateSync(`region-${made}`, { size: '4KiB', pages: 'base', backing: 'anonymous' })
  memory.registerSync(region, domain, ['localWrite', 'remoteWrite', 'bindWindow'])
  domain.allocateWindow({ type: 2 })
}
for (let made = 0; made < count / 10; made++) domain.createQueuePair({ sendQueue: completions })

parentPort.postMessage('ready')
for (;;) {
  memory.allocateSync('more', { size: '64KiB', pages: 'base' }).close()
  memory.registerSync(region, domain, []).close()
  await new Promise((resolve) => setImmediate(resolve))
}
