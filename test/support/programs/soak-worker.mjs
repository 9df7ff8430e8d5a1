// Attaches a region and its ring, takes values, and waits until it is told to end, or killed.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, attachRing, openRegistrySync } from '../../../dist/index.js'

const region = attachRegion(workerData.handle)
const ring = attachRing(region)
const memory = openRegistrySync({ leaks: 'off', regions: { own: { size: '64KiB', pages: 'base' } } })
parentPort.postMessage('ready')
parentPort.once('message', () => {
  while (ring.dequeue() >= 0);
  ring.close()
  region.close()
  memory.close()
  parentPort.close()
})
