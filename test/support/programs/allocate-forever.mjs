import { once } from 'node:events'
import { openRegistrySync } from '../../../dist/index.js'

// Waits for a line, then allocates and closes until it is killed.

const [pages, backing, how] = process.argv.slice(2)
const options = { size: Number(pages) * 2 ** 21, pages: '2MiB', backing }
const memory = openRegistrySync({ leaks: 'off' })
console.log('ready')
await once(process.stdin, 'data')
for (;;) {
  const region = how === 'sync' ? memory.allocateSync('rx', options) : await memory.allocate('rx', options)
  region.view(0, 1)[0] = 1
  region.close()
}
