import { Worker } from 'node:worker_threads'
import { openRegistrySync } from '../../../dist/index.js'

// Makes views of regions, and ends by itself, in the way that its argument names.

const [way] = process.argv.slice(2)
const memory = openRegistrySync({ leaks: 'off' })
const region = memory.allocateSync('open', { size: '64KiB', pages: 'base' })
region.view(0, 8).fill(7)

switch (way) {
  case 'open':
    break
  case 'closed':
    memory.close()
    break
  case 'several':
    for (let index = 0; index < 20; index++) {
      const other = memory.allocateSync(`other-${index}`, { size: '64KiB', pages: 'base' })
      other.view(0, 8)
      if (index % 2 === 0) other.close()
    }
    break
  case 'moved':
    globalThis.moved = structuredClone(region.bytes.buffer, { transfer: [region.bytes.buffer] })
    break
  case 'worker':
    new Worker(new URL('view-in-worker.mjs', import.meta.url), { workerData: region.handle })
    break
  default:
    throw new Error(`no such way: ${way}`)
}
