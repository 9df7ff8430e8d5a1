import { openSync } from 'node:fs'
import { attachRing, openRegistrySync, PinfoldError } from '../../../src/index.js'

// Another process on a ring in memory of its parent. Until it is killed, it enqueues ascending numbers, or reserves
// both sides, or copies bursts so large that it is nearly always in the middle of one, or waits in one call. With
// 'try', it calls once and prints the outcome.

const [path = '', size = '0', work = ''] = process.argv.slice(2)
const backing = { descriptor: openSync(path, 'r+') }
const region = openRegistrySync().allocateSync('adopted', { size: Number(size), backing })
const ring = attachRing(region, { patience: work === 'wait' ? 600_000 : work === 'try' ? 5 : 1000 })
if (work === 'reserve') {
  ring.reserveEnqueueBulk(3)
  ring.reserveDequeueBurst(1)
  console.log('reserved')
  setInterval(() => {}, 1000)
} else if (work === 'wait') {
  console.log('waiting')
  ring.enqueue(1)
} else if (work === 'try') {
  try {
    console.log(JSON.stringify({ enqueued: ring.enqueue(1) }))
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    console.log(JSON.stringify({ code: error.code, ...error.values }))
  }
} else if (work === 'bursts') {
  const burst = new Uint32Array(ring.capacity)
  console.log('copying')
  for (;;) {
    ring.enqueueBurst(burst)
    ring.dequeueBurst(burst)
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
