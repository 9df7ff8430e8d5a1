import { createRing, openRegistrySync, ringBytes } from '../../../dist/index.js'
import { growthOf } from './growth.mjs'

// Passes values through a ring many times, and prints the growth of V8's heap in bytes, as JSON. Arguments: the way,
// the threads on a side, rounds. Needs --expose-gc.

const [way, side, rounds] = process.argv.slice(2)
const memory = openRegistrySync({ leaks: 'off' })
const region = memory.allocateSync('ring', { size: ringBytes(1024), pages: 'base' })
const ring = createRing(region, { count: 1024, producers: side, consumers: side })
const burst = ring.burst(32)
const own = new Uint32Array(32)
let passed = 0

const ways = {
  singly(count) {
    for (let round = 0; round < count; round++) {
      ring.enqueue(round)
      if (ring.dequeue() === round) passed++
    }
  },
  bulk(count) {
    for (let round = 0; round < count; round += 32) passed += ring.enqueueBulk(burst, 32) && ring.dequeueBulk(burst, 32)
  },
  burst(count) {
    for (let round = 0; round < count; round += 7) passed += ring.enqueueBurst(burst, 7, 1) && ring.dequeueBurst(burst)
  },
  copied(count) {
    for (let round = 0; round < count; round += 7) passed += ring.enqueueBurst(own, 7, 1) && ring.dequeueBurst(own)
  },
  reserve(count) {
    for (let round = 0; round < count; round += 8) {
      const { first, length, rest } = ring.reserveEnqueueBulk(8)
      for (let index = 0; index < length; index++) ring.slots[first + index] = index
      for (let index = 0; index < rest; index++) ring.slots[index] = index
      ring.commitEnqueue()
      const there = ring.reserveDequeueBurst(8)
      passed += there.length + there.rest
      ring.commitDequeue()
    }
  },
}

const growth = growthOf(ways[way], Number(rounds))
console.log(JSON.stringify({ growth, passed }))
