import { openRegistrySync, PinfoldError } from '../../../src/index.js'

// A process that has changed its user is not dumpable: its files in /proc are root's from then on (prctl(2)). Prints what
// it is told when it translates.

const memory = openRegistrySync({ regions: { rx: { size: '64KiB', pages: 'base' } } })
process.setuid?.(65534)
try {
  memory.regions.rx.translate()
  console.log('translated')
} catch (error) {
  console.log(error instanceof PinfoldError ? error.code : String(error))
}
memory.close()
