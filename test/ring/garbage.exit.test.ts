import { describe, test } from 'vitest'
import { expectNoGarbage } from '../support/garbage-program.js'

describe.for([
  ['one', 'kept'],
  ['many', 'kept'],
  ['many', 'turns'],
] as const)(
  '10 million values through a ring (threads on a side: %s, sides: %s) make no garbage:',
  ([side, keeping]) => {
    test.for(['singly', 'bulk', 'burst', 'reserve'])('%s', (way) =>
      expectNoGarbage(10_000_000, 'ring-rounds.mjs', [way, side, keeping]),
    )
  },
)
