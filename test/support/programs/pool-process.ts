import { openSync } from 'node:fs'
import { attachBufferPool, openRegistrySync } from '../../../src/index.js'

// Another process on a buffer pool in memory of its parent. It takes and gives back in every way until it is killed,
// and never holds more than 32 elements. With 'hold', it takes 32 elements and keeps them.

const [path = '', size = '0', work = ''] = process.argv.slice(2)
const backing = { descriptor: openSync(path, 'r+'), mayShrink: true }
const region = openRegistrySync().allocateSync('adopted', { size: Number(size), backing })
const pool = attachBufferPool(region, { patience: 60_000 })
const burst = new Uint32Array(32)

if (work === 'hold') pool.getBulk(burst)
console.log('at work')
while (work === 'hold') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
for (let round = 0; ; round++) {
  const index = pool.get()
  if (index >= 0) pool.put(index)
  const count = 1 + (round % burst.length)
  if (pool.getBulk(burst, count) > 0) pool.putBulk(burst, count)
  const some = Math.min(count, pool.magazineSize)
  const place = pool.take(some)
  if (place < 0) continue
  burst.set(pool.spans.subarray(place, place + some))
  pool.spans.set(burst.subarray(0, some), pool.room(some))
  pool.give(some)
  if (round % 100 === 0) pool.flush()
}
