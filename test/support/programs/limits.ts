import assert from 'node:assert/strict'
import { openRegistrySync, PinfoldError } from '../../../src/index.js'
import { assertNoPages, assertReleased } from './free-pages.js'

// Opens regions until the process has too many mappings, and goes on: it compiles code, takes memory, and collects garbage.

const memory = openRegistrySync({ leaks: 'off' })

function openAll(): unknown {
  try {
    for (let i = 0; i < 100_000; i++) {
      memory.allocateSync(`region-${i}`, { size: 65536, pages: 'base', backing: 'anonymous' }).bytes[0] = 1
    }
    return undefined
  } catch (error) {
    return error
  }
}

const refusal = openAll()
assert.ok(refusal instanceof PinfoldError)
assert.match(refusal.message, /vm\.max_map_count/)
assert.ok(refusal.hint)
// The runtime can still compile code and grow its memory.
new Function(`return [${'[1],'.repeat(100_000)}].length`)()
assert.equal(Array.from({ length: 2 ** 20 }, (_, i) => ({ i })).length, 2 ** 20)
memory.close()
assertNoPages()
await assertReleased()
