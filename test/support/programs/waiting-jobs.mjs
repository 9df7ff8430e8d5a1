// A worker whose calls are under way, or wait for their turn, when it ends.
import { parentPort, workerData } from 'node:worker_threads'
import { attachRegion, openRegistrySync } from '../../../dist/index.js'

const memory = openRegistrySync({ leaks: 'off' })
const names = Array.from({ length: 20 }, (_, index) => `r${index}`)
const options = { size: '8MiB', pages: 'base' }
const ignore = () => {} // no program waits for the outcome

function opened() {
  const regions = names.map((name) => memory.allocateSync(name, options))
  for (const region of regions.slice(0, 10)) region.bytes.fill(1)
  return regions
}

const tasks = {
  allocate() {
    for (const name of names) memory.allocate(name, options).catch(ignore)
  },
  closeAsync() {
    for (const region of opened()) region.closeAsync()
  },
  async 'closeAsync in turn'() {
    for (const region of opened()) {
      region.closeAsync()
      await new Promise(setImmediate)
    }
  },
  registry() {
    opened()
    for (const name of names) memory.allocate(`more-${name}`, options).catch(ignore)
    memory.closeAsync()
  },
  attached() {
    const region = attachRegion(workerData.handle)
    parentPort.once('message', async () => {
      const [first] = region.bytes
      await region.closeAsync()
      parentPort.postMessage(first)
    })
  },
}

tasks[workerData.task]()
parentPort.postMessage('under way')
if (workerData.exits) setImmediate(() => process.exit(0))
else setInterval(ignore, 1000)
