import { readFileSync, writeSync } from 'node:fs'
import { openRegistrySync } from '../../../dist/index.js'

// Ends with regions open, in the way that its first argument names. The second argument is a size in bytes.

const [way, size] = process.argv.slice(2)
const hugepages = { size: '8MiB', pages: '2MiB' }
const memory = openRegistrySync({
  regions: { shared: hugepages, own: { ...hugepages, backing: 'anonymous' }, held: hugepages },
})
for (const region of memory.list()) region.bytes.fill(1)
memory.regions.held.hold('until the end')
memory.regions.shared.view(0, 64)

/** The bytes of shared memory that this process has touched. */
function populated() {
  const [, kibibytes = '0'] = /^RssShmem:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
  return Number(kibibytes) * 1024
}

/** Starts an allocation, and returns while it is being populated. */
async function populating(signal) {
  const before = populated()
  const settled = memory.allocate('large', { size: Number(size), pages: 'base', threads: 1, signal }).then(
    () => 'allocated',
    ({ name }) => name,
  )
  while (populated() < before + 2 ** 26) await new Promise(setImmediate)
  return { settled }
}

switch (way) {
  case 'exit':
    process.exit(7)
    break
  case 'throw':
    throw new Error('thrown on purpose')
  case 'wait':
    setInterval(() => {}, 2 ** 30)
    console.log('open')
    break
  case 'exit while populating':
    await populating()
    writeSync(1, 'exiting\n')
    process.exit(7)
    break
  case 'throw while populating':
    await populating()
    writeSync(1, 'exiting\n')
    throw new Error('thrown on purpose')
  case 'end after cancelling': {
    const stop = new AbortController()
    const { settled } = await populating(stop.signal)
    stop.abort()
    writeSync(1, 'exiting\n')
    console.log(await settled)
  }
}
