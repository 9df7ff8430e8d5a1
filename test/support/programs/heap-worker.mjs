// A worker with a heap in a slice of its parent's region. It fills blocks with its mark, reports their places, and
// stays.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, createHeap } from '../../../dist/index.js'

const { handle, offset, length, mark } = workerData
const region = attachRegion(handle)
const heap = createHeap(region.slice(offset, length))
const live = []
for (let round = 0; round < 20_000; round++) {
  if (live.length === 100) heap.free(live.splice((round * 7) % 100, 1)[0])
  const block = heap.allocate(16 + ((round * 37) % 500))
  heap.view(block).fill(mark)
  live.push(block)
}
heap.check()
parentPort.postMessage(live.map((block) => ({ offset: offset + block, size: heap.sizeOf(block) })))
setInterval(() => {}, 1000)
