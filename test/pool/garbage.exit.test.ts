import { test } from 'vitest'
import { expectNoGarbage } from '../support/garbage-program.js'

test.for(['singly', 'bulk', 'odd', 'spans'])('10 million elements out of a pool and back make no garbage: %s', (way) =>
  expectNoGarbage(10_000_000, 'pool-rounds.mjs', [way]),
)
