import { createPackets, openRegistrySync } from '../../dist/index.js'

// Allocates and frees packets, many times, and prints by how many bytes V8's heap has grown in the meantime, without a
// collection in between, as JSON. Argument: rounds. Needs --expose-gc.

const rounds = Number(process.argv[2])
const memory = openRegistrySync({ leaks: 'off' })
const packets = createPackets(memory.allocateSync('packets', { size: '8MiB', pages: 'base' }), { count: 1000 })
const kept = new Uint32Array(256)
const burst = new Uint32Array(32)

function exchange(count) {
  for (let round = 0; round < count; round += 288) {
    for (let at = 0; at < 256; at++) kept[at] = packets.allocate()
    packets.allocateBulk(burst, 32)
    for (let at = 0; at < 256; at++) packets.free(kept[at])
    packets.freeBulk(burst, 32)
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
console.log(JSON.stringify({ growth, available: packets.available }))
