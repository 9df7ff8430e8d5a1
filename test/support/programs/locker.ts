import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { PinfoldError } from '../../../src/errors.js'
import { allocateCoreSync } from '../region-cores.js'

// Locks memory, prints the outcome, and tries again when it is told to. Other memory may be locked all the time.

const [size, before] = process.argv.slice(2).map(Number)
if (before) allocateCoreSync('before', { size: before, pages: 'base', lock: true })

function attempt(): void {
  try {
    allocateCoreSync('locked', { size: size ?? 0, pages: 'base', lock: true }).close()
    console.log('locked')
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    const { code, syscall, values, hint } = error
    console.log(JSON.stringify({ code, syscall, values, hint }))
  }
}

attempt()
await once(createInterface({ input: process.stdin }), 'line')
attempt()
process.exit(0)
