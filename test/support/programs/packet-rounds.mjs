import { createPackets, openRegistrySync } from '../../../dist/index.js'
import { growthOf } from './growth.mjs'

// Allocates and frees packets many times, and prints the growth of V8's heap in bytes, as JSON.
// Argument: rounds. Needs --expose-gc.

const rounds = Number(process.argv[2])
const memory = openRegistrySync({ leaks: 'off' })
const packets = createPackets(memory.allocateSync('packets', { size: '8MiB', pages: 'base' }), { count: 1000 })
const kept = new Uint32Array(256)
const burst = new Uint32Array(32)
let passed = 0

function exchange(count) {
  for (let round = 0; round < count; round += 288) {
    for (let at = 0; at < 256; at++) kept[at] = packets.allocate()
    packets.allocateBulk(burst, 32)
    for (let at = 0; at < 256; at++) packets.free(kept[at])
    packets.freeBulk(burst, 32)
    passed += 288
  }
}

const growth = growthOf(exchange, rounds)
if (packets.available !== 1000) throw new Error(`${packets.available} packets are there`)
console.log(JSON.stringify({ growth, passed }))
