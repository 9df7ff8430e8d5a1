import { createHeap, openRegistrySync } from '../../../dist/index.js'
import { growthOf } from './growth.mjs'

// Allocates and frees in a heap, many times, and prints by how many bytes V8's heap has grown in the meantime, as JSON.
// Argument: rounds. Needs --expose-gc.

const rounds = Number(process.argv[2])
const memory = openRegistrySync({ leaks: 'off' })
const heap = createHeap(memory.allocateSync('heap', { size: '4MiB', pages: 'base' }))
const offsets = Int32Array.from({ length: 256 }, () => heap.allocate(64))

function exchange(count) {
  let word = 2463534242 | 0
  for (let round = 0; round < count; round++) {
    word ^= word << 13
    word ^= word >>> 17
    word ^= word << 5
    const which = word & 255
    heap.free(offsets[which])
    offsets[which] = heap.allocate(16 + ((word >>> 8) & 4095), 16 << ((word >>> 20) & 3))
  }
}

const growth = growthOf(exchange, rounds)
heap.check()
console.log(JSON.stringify({ growth, passed: heap.stats().allocations }))
