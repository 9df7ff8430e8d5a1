import { openRegistrySync, PinfoldError } from '../../../src/index.js'

// A process that has changed its user is not dumpable: from then on, its files in /proc belong to root (prctl(2)). The
// program translates then, and prints the outcome.

const memory = openRegistrySync({ regions: { rx: { size: '64KiB', pages: 'base' } } })
process.setuid?.(65534)
try {
  memory.regions.rx.translate()
  console.log('translated')
} catch (error) {
  console.log(error instanceof PinfoldError ? error.code : String(error))
}
memory.close()
