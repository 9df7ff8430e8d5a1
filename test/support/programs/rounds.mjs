import { readdirSync, readFileSync } from 'node:fs'
import { openRegistrySync } from '../../../dist/index.js'
import { native } from '../../../dist/native.js'

// Allocates and closes many times, and prints the counts of this process before, at most, and after, as JSON.
// Arguments: how ('turns': each round in a turn of the event loop; 'tick': all rounds in one), rounds, pages. Needs
// --expose-gc.

const [how, rounds, pages] = process.argv.slice(2)
const options = { size: pages === 'base' ? '64KiB' : '2MiB', pages }
const memory = openRegistrySync({ leaks: 'off' })

const mappings = () => readFileSync('/proc/self/maps', 'latin1').split('\n').length - 1

function counts() {
  return {
    rss: process.memoryUsage.rss(),
    descriptors: readdirSync('/proc/self/fd').length,
    mappings: mappings(),
    table: native.tableCounts(),
  }
}

/** Collects all garbage. Finalizers run in turns of the event loop, and some need more than one collection. */
async function collect() {
  for (let turn = 0; turn < 20 || (native.tableCounts().buffers > 0 && turn < 1000); turn++) {
    globalThis.gc()
    await new Promise(setImmediate)
  }
}

async function inTurns(rounds) {
  for (let round = 0; round < rounds; round++) {
    const region = await memory.allocate('rx', options)
    region.view(0, 64).fill(1)
    region.close()
  }
}

/** Runs all rounds in one tick. Returns the most mappings that it has seen. */
function inOneTick(rounds) {
  let most = 0
  for (let round = 1; round <= rounds; round++) {
    const region = memory.allocateSync('rx', options)
    region.view(0, 64).fill(1)
    region.close()
    if (round % (rounds / 20) === 0) most = Math.max(most, mappings())
  }
  return most
}

// After these rounds, V8's heap has nearly reached its size.
if (how === 'turns') await inTurns(5000)
else inOneTick(1000)
await collect()
const before = counts()
const most = how === 'turns' ? await inTurns(Number(rounds)) : inOneTick(Number(rounds))
const atOnce = counts()
await collect()
console.log(JSON.stringify({ before, most, atOnce, after: counts(), stats: memory.stats() }))
