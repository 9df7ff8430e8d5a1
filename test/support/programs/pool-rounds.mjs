import { bufferPoolBytes, createBufferPool, openRegistrySync } from '../../../dist/index.js'
import { growthOf } from './growth.mjs'

// Takes elements from a buffer pool and gives them back many times, and prints the growth of V8's heap in bytes, as
// JSON. Arguments: the way, rounds. Needs --expose-gc.

const [way, rounds] = process.argv.slice(2)
const options = { elementSize: 64, count: 4096 }
const memory = openRegistrySync({ leaks: 'off' })
const pool = createBufferPool(memory.allocateSync('pool', { size: bufferPoolBytes(options) }), options)
// These are more than a cache holds, so that magazines are exchanged.
const kept = new Uint32Array(1024)
let passed = 0

const ways = {
  singly(count) {
    for (let round = 0; round < count; round += kept.length) {
      for (let at = 0; at < kept.length; at++) kept[at] = pool.get()
      for (let at = 0; at < kept.length; at++) pool.put(kept[at])
      passed += kept.length
    }
  },
  bulk(count) {
    for (let round = 0; round < count; round += kept.length) {
      for (let at = 0; at < kept.length; at += 32) pool.getBulk(kept, 32, at)
      for (let at = 0; at < kept.length; at += 32) pool.putBulk(kept, 32, at)
      passed += kept.length
    }
  },
  odd(count) {
    for (let round = 0; round < count; round += 7 * 128) {
      for (let at = 0; at < 7 * 128; at += 7) pool.getBulk(kept, 7, at)
      for (let at = 0; at < 7 * 128; at += 7) pool.putBulk(kept, 7, at)
      passed += 7 * 128
    }
  },
  spans(count) {
    const { spans } = pool
    for (let round = 0; round < count; round += kept.length) {
      for (let at = 0; at < kept.length; at += 32) {
        const place = pool.take(32)
        for (let of = 0; of < 32; of++) kept[at + of] = spans[place + of]
      }
      for (let at = 0; at < kept.length; at += 32) {
        const place = pool.room(32)
        for (let of = 0; of < 32; of++) spans[place + of] = kept[at + of]
        pool.give(32)
      }
      passed += kept.length
    }
  },
}

const growth = growthOf(ways[way], Number(rounds))
if (pool.available !== pool.capacity) throw new Error(`${pool.available} elements are there`)
console.log(JSON.stringify({ growth, passed }))
