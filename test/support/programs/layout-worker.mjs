import { parentPort, workerData } from 'node:worker_threads'
import { attachLayout, attachRegion } from '../../../dist/index.js'

// A thread that attaches a layout of its parent, and uses the things in it.

const region = attachRegion(workerData.handle)
const all = attachLayout(region, workerData.parts)
let value = -1
while (value < 0) value = all.ring.dequeue()
all.free.enqueue(9)
parentPort.postMessage({ ring: value, packets: all.packets.capacity, pool: all.pool.capacity })
all[Symbol.dispose]?.()
for (const thing of [all.pool, all.free, all.ring, all.packets]) thing.close()
region.close()
