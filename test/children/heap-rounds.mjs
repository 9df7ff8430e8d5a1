import { createHeap, openRegistrySync } from '../../dist/index.js'

// Allocates and frees in a heap, many times, and prints by how many bytes V8's heap has grown in the meantime, without a
// collection in between, as JSON. Argument: rounds. Needs --expose-gc.

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

// First until V8 has compiled all of it; then several times, since what V8 notes for itself now and then counts, too.
for (let turn = 0; turn < 30; turn++) exchange(100_000)
globalThis.gc()
const growth = []
while (growth.length < 4) {
  const before = process.memoryUsage().heapUsed
  exchange(rounds)
  growth.push(process.memoryUsage().heapUsed - before)
}
heap.check()
console.log(JSON.stringify({ growth, allocations: heap.stats().allocations }))
