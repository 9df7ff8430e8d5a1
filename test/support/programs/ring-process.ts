import { openSync } from 'node:fs'
import { attachRing, openRegistrySync, PinfoldError } from '../../../src/index.js'

// Another process on a ring in memory that its parent has. It does one thing until it is killed: counts up in the ring,
// holds both sides of it, copies bursts so large that it nearly always is in the middle of one, or calls once and waits;
// or it calls once, and prints what came of it.

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
