import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { firstFitting, listOf } from '../../src/heap/free-lists.js'

const largest = 2 ** 31 - 1
const size = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: largest }))

describe('the lists of a heap', () => {
  test('contain larger blocks, the later they come', () => {
    fc.assert(
      fc.property(size, size, (one, other) => {
        const [smaller, larger] = [Math.min(one, other), Math.max(one, other)]
        expect(listOf(smaller)).toBeLessThanOrEqual(listOf(larger))
      }),
    )
  })

  test('are found by a size, so that every block in them is at least as large', () => {
    fc.assert(
      fc.property(size, size, (wanted, has) => {
        if (listOf(has) >= firstFitting(wanted)) expect(has).toBeGreaterThanOrEqual(wanted)
      }),
    )
  })

  test('pass over no block that is a 32nd larger than the wanted size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 30 }), (wanted) => {
        expect(listOf(Math.ceil(wanted * (1 + 1 / 32)))).toBeGreaterThanOrEqual(firstFitting(wanted))
      }),
    )
  })

  test('contain one size each, up to 63', () => {
    const sizes = Array.from({ length: 63 }, (_, index) => index + 1)
    expect(sizes.map(listOf)).toEqual(sizes)
    expect(sizes.map(firstFitting)).toEqual(sizes)
  })

  test('contain no block for a size that an int32 cannot count', () => {
    for (const wanted of [2 ** 31, 2 ** 31 + 2 ** 26 - 1]) expect(firstFitting(wanted)).toBeGreaterThan(listOf(largest))
  })
})
