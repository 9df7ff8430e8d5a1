import { createHeap, openRegistrySync } from '../../../dist/index.js'
import { randomNumbers } from '../random.mjs'
import { growthOf } from './growth.mjs'

// Allocates and frees in a heap many times, and prints the growth of V8's heap in bytes, as JSON.
// Argument: rounds. Needs --expose-gc.

const rounds = Number(process.argv[2])
const memory = openRegistrySync({ leaks: 'off' })
const heap = createHeap(memory.allocateSync('heap', { size: '4MiB', pages: 'base' }))
const offsets = Int32Array.from({ length: 256 }, () => heap.allocate(64))

function exchange(count) {
  const random = randomNumbers(2463534242)
  for (let round = 0; round < count; round++) {
    const which = random(256)
    heap.free(offsets[which])
    offsets[which] = heap.allocate(16 + random(4096), 16 << random(4))
  }
}

const growth = growthOf(exchange, rounds)
heap.check()
console.log(JSON.stringify({ growth, passed: heap.stats().allocations }))
