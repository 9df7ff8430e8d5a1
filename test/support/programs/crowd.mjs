import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { openRegistrySync } from '../../../dist/index.js'

// Allocates more than its cgroup allows, in the way that its argument names, and keeps all regions. Prints the outcome
// as JSON, with the bytes of private memory that the runtime itself uses: regions are shared memory. Without an error for the allocations that are too much, the kernel kills this process.

const MiB = 2 ** 20
const memory = openRegistrySync({ leaks: 'off' })
const refusals = {}
let regions = 0

const kept = () => {
  regions += 1
}
const refused = ({ code }) => {
  refusals[code] = (refusals[code] ?? 0) + 1
}

const allocate = (name) => {
  try {
    memory.allocateSync(name, { size: 16 * MiB, pages: 'base' })
    kept()
    return true
  } catch (error) {
    refused(error)
    return false
  }
}
/** Bytes of private memory, which regions of this program are not. */
const ownMemory = () => /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1] * 1024
let own

const ways = {
  // One thread allocates all regions at once.
  async together() {
    const names = Array.from({ length: 40 }, (_, number) => `r${number}`)
    await Promise.all(names.map((name) => memory.allocate(name, { size: 16 * MiB, pages: 'base' }).then(kept, refused)))
    own = ownMemory()
  },
  // Each region is too small to be checked.
  small() {
    while (refusals.ERR_CGROUP_LIMIT === undefined && regions < 4096) {
      try {
        memory.allocateSync(`r${regions}`, { size: MiB / 4, pages: 'base' })
        kept()
      } catch (error) {
        refused(error)
      }
    }
    own = ownMemory()
  },
  // Threads begin at the same moment. What one of them populates counts twice for a while, so some are refused memory
  // that is there: the main thread takes it at the end.
  async threads() {
    const start = new Int32Array(new SharedArrayBuffer(4))
    const workers = Array.from({ length: 4 }, () => new Worker(new URL(import.meta.url), { workerData: start }))
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    const ends = workers.map((worker) => once(worker, 'message'))
    Atomics.store(start, 0, 1)
    Atomics.notify(start, 0)
    for (const [told] of await Promise.all(ends)) {
      regions += told.regions
      for (const [code, times] of Object.entries(told.refusals)) refusals[code] = (refusals[code] ?? 0) + times
    }
    while (allocate(`r${regions}`));
    own = ownMemory()
    await Promise.all(workers.map((worker) => worker.terminate()))
  },
}

if (isMainThread) {
  await ways[process.argv[2]]()
  console.log(JSON.stringify({ regions, refusals, own }))
} else {
  parentPort.postMessage('ready')
  Atomics.wait(workerData, 0, 0)
  for (let number = 0; number < 10; number++) allocate(`r${number}`)
  parentPort.postMessage({ regions, refusals })
  Atomics.wait(workerData, 0, 1) // keeps the regions
}
