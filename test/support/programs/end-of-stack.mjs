// Calls closeAsync and allocate at each distance from the end of the stack, and checks that nothing stays behind.
// Prints 'done'. Start it with a small stack.
import assert from 'node:assert/strict'
import { openRegistrySync } from '../../../dist/index.js'

const levels = 60
const options = { size: '4KiB', pages: 'base' }
const memory = openRegistrySync({ budget: '64MiB' })
// The calls that the stack cuts off may reject promises that nobody has got.
process.on('unhandledRejection', (reason) => assert.ok(reason instanceof RangeError, String(reason)))

/** Calls `act` with room for about `level` more frames. */
function near(level, act) {
  let ended = 0
  const down = () => {
    try {
      down()
    } catch {}
    if (ended++ !== level) return
    try {
      act()
    } catch {}
  }
  down()
}

let region
let made
const close = () => {
  made = region.closeAsync()
}
const allocate = () => {
  made = memory.allocate('made', options)
}

// What is compiled meanwhile would take more of the stack than the calls.
for (let round = 0; round < 5; round++) {
  region = memory.allocateSync('warm', options)
  close()
  await made
  allocate()
  await (await made).closeAsync()
}

for (let level = 0; level < levels; level++) {
  region = memory.allocateSync(`region-${level}`, options)
  region.view(0, 4096)
  near(level, close)
  await new Promise((resolve) => setTimeout(resolve, 5))
  await region.closeAsync()
  assert.equal(region.closed, true)

  made = undefined
  near(level, allocate)
  await made?.then(
    (region) => region.close(),
    () => {},
  )
  await new Promise(setImmediate)
  await (await memory.allocate('made', options)).closeAsync() // its name is free
  assert.deepEqual([memory.stats().regions, memory.stats().pending], [0, 0])
}
await memory.closeAsync()
assert.equal(memory.stats().budget.total.used, 0)
console.log('done')
