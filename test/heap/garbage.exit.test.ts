import { test } from 'vitest'
import { expectNoGarbage } from '../support/garbage-program.js'

test('10 million rounds of allocate and free in a heap make no garbage', async () => {
  await expectNoGarbage(10_000_000, 'heap-rounds.mjs')
})
