import { openSync } from 'node:fs'
import { attachRing, openRegistrySync, PinfoldError } from '../../../src/index.js'

// Another process on a ring in memory of its parent. Until it is killed, it enqueues ascending numbers, or reserves
// both sides. With
// 'try', it calls once and prints the outcome.

const [path = '', size = '0', work = ''] = process.argv.slice(2)
const backing = { descriptor: openSync(path, 'r+'), mayShrink: true }
const region = openRegistrySync().allocateSync('adopted', { size: Number(size), backing })
const ring = attachRing(region, { patience: work === 'try' ? 5 : 1000 })
if (work === 'reserve') {
  ring.reserveEnqueueBulk(3)
  ring.reserveDequeueBurst(1)
  console.log('reserved')
  setInterval(() => {}, 1000)
} else if (work === 'try') {
  try {
    console.log(JSON.stringify({ enqueued: ring.enqueue(1) }))
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    console.log(JSON.stringify({ code: error.code, ...error.values }))
  }
} else {
  const first = Number(work)
  console.log('counting')
  const burst = new Uint32Array(7)
  for (let next = first; ; ) {
    for (let index = 0; index < burst.length; index++) burst[index] = next + index
    next += ring.enqueueBurst(burst)
  }
}
