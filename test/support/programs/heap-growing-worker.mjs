// A worker that opens heaps, lets their tables grow, and closes them, until it is terminated.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, createHeap } from '../../../dist/index.js'

const region = attachRegion(workerData)
for (let round = 0; ; round++) {
  const heap = createHeap(region)
  for (let made = 0; made < 100_000; made++) heap.allocate(16)
  if (round === 1) parentPort.postMessage('growing')
  heap.close({ force: true })
}
