import { parentPort, workerData } from 'node:worker_threads'
import { attachPackets, attachRegion } from '../../../dist/index.js'

// One of several threads that clone and free the same packet. Then it frees the packets that were handed to it.

const { handle, index, rounds, mine } = workerData
const packets = attachPackets(attachRegion(handle))
let done = 0
for (let round = 0; round < rounds; round++) {
  const one = packets.clone(index)
  if (one < 0) continue
  const other = packets.clone(one)
  packets.free(one)
  if (other >= 0) packets.free(other)
  done += 1
}
for (const one of mine) packets.free(one)
packets.close()
parentPort.postMessage(done)
