// Fills the table of a heap, and takes away the memory for a larger one. The argument is the limit that it sets itself:
// 'data' (see prlimit(1)) or 'none'. Prints the outcome as JSON.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createHeap, openRegistrySync } from '../../../dist/index.js'

const [limit] = process.argv.slice(2)
const blocks = 2 ** 19
const memory = openRegistrySync()
const heap = createHeap(memory.allocateSync('heap', { size: '16MiB', pages: 'base' }), { blocks })

/** Less than the table needs to become larger, and enough for all the rest. */
const left = 8 * 2 ** 20
function setLimit(bytes) {
  if (limit === 'data') execFileSync('prlimit', [`--pid=${process.pid}`, `--data=${bytes}:`])
}
function used() {
  const [, kibibytes] = /^VmData:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))
  return 1024 * kibibytes
}

let made = 0
const allocate = () => {
  heap.allocate(16)
  made += 1
}
while (made < blocks - 300) allocate()
setLimit(used() + left)
let code = 'none'
try {
  while (made < 2 * blocks) allocate()
} catch (error) {
  code = error.code
}
const atShortage = heap.stats().blocks === made
// Blocks that are freed leave lines for others.
for (let which = 0; which < 8; which++) heap.free(16 * which)
const again = [heap.allocate(48), heap.allocate(16)]
setLimit('unlimited')
heap.check()
for (const offset of again) heap.free(offset)
for (let which = 8; which < made; which++) heap.free(16 * which)
const walked = [...heap.walk()].length
heap.close()
memory.close()
console.log(JSON.stringify({ code, atShortage, walked }))
