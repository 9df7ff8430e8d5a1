import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { PinfoldError } from '../../src/errors.js'
import { allocateCoreSync } from '../../src/memory/allocate.js'

// Locks memory, prints what came of it, and tries again when it is told to.

const size = Number(process.argv[2])

function attempt(): void {
  try {
    allocateCoreSync('locked', { size, pages: 'base', lock: true }).close()
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
