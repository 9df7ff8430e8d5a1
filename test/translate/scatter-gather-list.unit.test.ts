import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { scatterGatherList } from '../../src/translate/page-tables/index.js'
import { arbitraryRuns, joined, runsFrom, stretchesOf } from '../support/arbitrary-translations.js'

const arbitraryLimits = fc.record({
  maxSegmentLength: fc.integer({ min: 1, max: 20 }),
  boundary: fc.option(fc.constantFrom(1, 2, 4, 8, 16, 64), { nil: undefined }),
})

function segmentsOf({ addresses, lengths }: { addresses: Float64Array; lengths: Float64Array }) {
  return Array.from(addresses, (address, index) => ({ address, length: lengths[index] ?? 0 }))
}

/** The fewest segments for a contiguous stretch, found by trying every cut. `best[n]` is for the first n bytes. */
function fewest(address: number, length: number, maxSegmentLength: number, boundary = Number.POSITIVE_INFINITY) {
  const best = [0]
  for (let end = 1; end <= length; end++) {
    let fewestHere = Number.POSITIVE_INFINITY
    for (let begin = Math.max(0, end - maxSegmentLength); begin < end; begin++) {
      const crosses = Math.floor((address + begin) / boundary) !== Math.floor((address + end - 1) / boundary)
      if (!crosses) fewestHere = Math.min(fewestHere, (best[begin] ?? 0) + 1)
    }
    best.push(fewestHere)
  }
  return best[length] ?? 0
}

describe('scatterGatherList', () => {
  test('contains exactly the bytes of the runs, in order', () => {
    fc.assert(
      fc.property(arbitraryRuns(3), arbitraryLimits, (runs, limits) => {
        const list = scatterGatherList(runs, limits)
        expect(joined(segmentsOf(list))).toEqual(stretchesOf(runs))
        expect(list.length).toBe(runs.reduce((sum, { length }) => sum + length, 0))
      }),
    )
  })

  test('contains no segment that is empty, too long, or across a boundary', () => {
    fc.assert(
      fc.property(arbitraryRuns(3), arbitraryLimits, (runs, limits) => {
        const { maxSegmentLength, boundary = Number.POSITIVE_INFINITY } = limits
        for (const { address, length } of segmentsOf(scatterGatherList(runs, limits))) {
          expect(length).toBeGreaterThan(0)
          expect(length).toBeLessThanOrEqual(maxSegmentLength)
          expect(Math.floor((address + length - 1) / boundary)).toBe(Math.floor(address / boundary))
        }
      }),
    )
  })

  test('is as short as the limits allow', () => {
    fc.assert(
      fc.property(arbitraryRuns(3), arbitraryLimits, (runs, limits) => {
        const shortest = stretchesOf(runs).reduce(
          (sum, { address, length }) => sum + fewest(address, length, limits.maxSegmentLength, limits.boundary),
          0,
        )
        const list = scatterGatherList(runs, limits)
        expect(list.entries).toBe(shortest)
        expect(list.addresses.length).toBe(shortest)
        expect(list.bytes).toBe(16 * shortest)
      }),
    )
  })

  test('cuts where the Linux block layer cuts: 64 KiB segments, mask 0xffff', () => {
    const runs = runsFrom([{ address: 0x1_8000, length: 0x2_0000 }])
    const list = scatterGatherList(runs, { maxSegmentLength: '64KiB', boundary: '64KiB' })
    expect(segmentsOf(list)).toEqual([
      { address: 0x1_8000, length: 0x8000 },
      { address: 0x2_0000, length: 0x1_0000 },
      { address: 0x3_0000, length: 0x8000 },
    ])
  })

  test('shows the gain of hugepages: 64 MiB in 2 MiB pages, or in 4 KiB pages that are nowhere contiguous', () => {
    const pages = (count: number, size: number) =>
      runsFrom(Array.from({ length: count }, (_, index) => ({ address: index * 2 * size, length: size })))
    const limits = { maxSegmentLength: '2MiB' }
    expect(scatterGatherList(pages(32, 2 ** 21), limits)).toMatchObject({ entries: 32, bytes: 512 })
    expect(scatterGatherList(pages(16384, 4096), limits)).toMatchObject({ entries: 16384, bytes: 262144 })
  })

  test('joins runs that maxLength has cut', () => {
    const runs = runsFrom([
      { address: 0, length: 4096 },
      { address: 4096, length: 4096 },
    ])
    expect(scatterGatherList(runs, { maxSegmentLength: 65536 }).entries).toBe(1)
  })

  test('refuses a list that is too long for the device, and reports its length', () => {
    const runs = runsFrom([{ address: 0, length: 65536 }])
    expect(scatterGatherList(runs, { maxSegmentLength: 4096, maxSegments: 16 }).entries).toBe(16)
    expect(() => scatterGatherList(runs, { maxSegmentLength: 4096, maxSegments: 15 })).toThrowCode(
      'ERR_LAYOUT_IMPOSSIBLE',
      { values: { entries: 16, maxSegments: 15, maxSegmentLength: 4096, boundary: undefined } },
    )
  })

  test('refuses an extremely long list before it is built', () => {
    const runs = runsFrom([{ address: 0, length: 2 ** 40 }])
    expect(() => scatterGatherList(runs, { maxSegmentLength: 1 })).toThrowCode('ERR_OUT_OF_RANGE')
  })

  const runs = runsFrom([{ address: 0, length: 4096 }])
  test.each([
    ['no options', undefined],
    ['no maxSegmentLength', {}],
    ['an unknown option', { maxSegmentLength: 4096, maxSegmentSize: 1 }],
    ['a maxSegmentLength of 0', { maxSegmentLength: 0 }],
    ['a fractional maxSegmentLength', { maxSegmentLength: 1.5 }],
    ['a unit that does not exist', { maxSegmentLength: '4 pages' }],
    ['a boundary that is no power of two', { maxSegmentLength: 4096, boundary: 3000 }],
    ['a boundary given as a mask', { maxSegmentLength: 4096, boundary: 0xffff }],
    ['a negative maxSegments', { maxSegmentLength: 4096, maxSegments: -1 }],
  ])('refuses %s', (_, options) => {
    expect(() => scatterGatherList(runs, options as never)).toThrowCode('ERR_INVALID_ARGUMENT', {
      name: 'PinfoldError',
    })
  })

  test('names the wrong option, and the received value', () => {
    expect(() => scatterGatherList(runs, { maxSegmentLength: 4096, boundary: 0xffff })).toThrow(
      'scatter-gather list: boundary: expected a power of two of at most 2^52 bytes, received 65535 of type number',
    )
    expect(() => scatterGatherList(runs, { maxSegmentLength: '4 pages' })).toThrow(
      "maxSegmentLength: expected a size in bytes, or with a unit such as '64MiB', received '4 pages' of type string",
    )
  })
})
