import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { attachBufferPool, attachRegion } from '../../../dist/index.js'
import { randomNumbers } from '../random.mjs'

// One of several threads that use a buffer pool. It writes its name into its elements, and checks the name before it
// gives them back: another owner would have overwritten it.

const { handle, work, name, operations, holds } = workerData
const region = attachRegion(handle)
const pool = attachBufferPool(region, { patience: 60_000 })
const words = Array.from({ length: pool.capacity }, (_, index) => {
  const { buffer, byteOffset } = region.view(pool.offset(index), 4)
  return new Int32Array(buffer, byteOffset, 1)
})

const random = randomNumbers(name * 2654435761)
const held = []
const burst = new Uint32Array(64)
let done = 0
let wrong = 0

function took(index) {
  words[index][0] = name
  held.push(index)
  done += 1
}

function give() {
  const [index] = held.splice(random(held.length), 1)
  if (words[index][0] !== name) wrong += 1
  words[index][0] = 0
  return index
}

function step() {
  const count = 1 + random(32)
  if (held.length < holds && random(2) === 0) {
    const way = random(3)
    if (way === 0) {
      const index = pool.get()
      if (index >= 0) took(index)
    } else if (way === 1) {
      const some = Math.min(count, pool.magazineSize)
      const place = pool.take(some)
      for (let at = 0; place >= 0 && at < some; at++) took(pool.spans[place + at])
    } else if (pool.getBulk(burst, count) > 0) {
      for (const index of burst.subarray(0, count)) took(index)
    }
  } else if (held.length >= count) {
    for (let at = 0; at < count; at++) burst[at] = give()
    if (random(2) === 0 && count <= pool.magazineSize) {
      pool.spans.set(burst.subarray(0, count), pool.room(count))
      pool.give(count)
    } else pool.putBulk(burst, count)
  } else if (held.length > 0) {
    pool.put(give())
  }
}

parentPort.postMessage('ready')
await once(parentPort, 'message') // all threads begin together
if (work === 'wait') {
  for (let round = 0; round < operations; round++) {
    took(await pool.wait())
    // The event loop turns before the element is given back.
    await new Promise(setImmediate)
    pool.put(give())
  }
} else {
  // The thread works to the end, or until it is killed.
  while (done < operations) step()
}
while (held.length > 0) pool.put(give())
pool.close()
parentPort.postMessage({ done, wrong })
parentPort.unref()
