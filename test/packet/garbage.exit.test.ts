import { test } from 'vitest'
import { expectNoGarbage } from '../support/garbage-program.js'

test('10 million packets allocated and freed make no garbage', () => expectNoGarbage(10_000_000, 'packet-rounds.mjs'))
