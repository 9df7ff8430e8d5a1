import { describe, test } from 'vitest'
import { expectNoGarbage } from '../support/garbage-program.js'

describe.for(['one', 'many'])('10 million values through a ring (threads on a side: %s) make no garbage:', (side) => {
  test.for(['singly', 'bulk', 'burst', 'copied', 'reserve'])('%s', (way) =>
    expectNoGarbage(10_000_000, 'ring-rounds.mjs', [way, side]),
  )
})
