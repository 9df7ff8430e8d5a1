import { openSync } from 'node:fs'
import { attachRing, openRegistrySync } from '../../src/index.js'

// Another process on a ring in memory that its parent has: counts up in it, or holds both sides of it, until it is killed.

const [path = '', size = '0', work = ''] = process.argv.slice(2)
const backing = { descriptor: openSync(path, 'r+') }
const ring = attachRing(openRegistrySync().allocateSync('adopted', { size: Number(size), backing }))
if (work === 'reserve') {
  ring.reserveEnqueueBulk(3)
  ring.reserveDequeueBurst(1)
  console.log('reserved')
  setInterval(() => {}, 1000)
} else {
  const first = Number(work)
  console.log('counting')
  const burst = new Uint32Array(7)
  for (let next = first; ; ) {
    for (let index = 0; index < burst.length; index++) burst[index] = next + index
    next += ring.enqueueBurst(burst)
  }
}
