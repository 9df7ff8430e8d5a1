import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AddressIndex } from '../../src/registry/address-index.js'

interface Placed {
  readonly address: bigint
  readonly size: number
}

/** Ranges that never overlap, since they are built of gaps and sizes, in any order. */
const placedRanges = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 4 })), { maxLength: 60 })
  .map((steps) => {
    let end = 0
    return steps.map(([gap, size]): Placed => {
      const address = end + gap
      end = address + size
      return { address: BigInt(address), size }
    })
  })
  .chain((ranges) => fc.shuffledSubarray(ranges, { minLength: ranges.length }))

test('every address leads to the range that contains it, after ranges were added and deleted in any order', () => {
  fc.assert(
    fc.property(placedRanges, fc.array(fc.boolean(), { maxLength: 60 }), (ranges, leave) => {
      const index = new AddressIndex<Placed>()
      for (const range of ranges) index.add(range.address, range.size, range)
      for (const [at, range] of ranges.entries()) {
        if (leave[at]) expect(index.delete(range.address)).toBe(true)
      }
      const left = ranges.filter((_, at) => !leave[at])

      expect(index.size).toBe(left.length)
      for (let address = 0n; address < 60n * 7n; address++) {
        const owner = left.find((range) => range.address <= address && address < range.address + BigInt(range.size))
        expect(index.find(address)).toBe(owner)
      }
    }),
    { numRuns: 60 },
  )
})

test('a range that overlaps another is refused and changes nothing', () => {
  fc.assert(
    fc.property(
      placedRanges.filter((ranges) => ranges.length > 0),
      fc.nat(),
      fc.integer({ min: 1, max: 9 }),
      (ranges, pick, size) => {
        const index = new AddressIndex<Placed>()
        for (const range of ranges) index.add(range.address, range.size, range)
        const hit = ranges[pick % ranges.length]
        if (hit === undefined) return
        const inside = hit.address + BigInt(pick % hit.size)

        expect(() => index.add(inside, size, { address: inside, size })).toThrowCode('ERR_OUT_OF_RANGE')
        expect(index.size).toBe(ranges.length)
        expect(index.find(inside)).toBe(hit)
      },
    ),
  )
})
