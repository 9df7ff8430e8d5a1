import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mergedRuns, type Run, RunList, runsOf } from '../../src/translate/runs.js'
import { arbitraryRuns, stretchesOf } from '../support/arbitrary-translations.js'

/** Pages of 8 bytes are small enough to compare runs byte by byte. */
const pageSize = 8
const arbitraryPages = fc
  .array(fc.oneof(fc.nat({ max: 20 }), fc.constant('next' as const)), { minLength: 1, maxLength: 24 })
  .map((places) => {
    const pages = new Float64Array(places.length)
    places.forEach((place, index) => {
      pages[index] = place === 'next' ? (pages[index - 1] ?? 2 ** 40) + pageSize : place * pageSize
    })
    return pages
  })
const arbitraryRange = (bytes: number) =>
  fc.tuple(fc.nat({ max: bytes }), fc.nat({ max: bytes })).map(([one, other]) => ({
    offset: Math.min(one, other),
    length: Math.abs(one - other),
  }))

/** The address of every byte of the range, directly from the pages. */
function bytesOf(pages: Float64Array, { offset, length }: { offset: number; length: number }): number[] {
  return Array.from({ length }, (_, index) => {
    const byte = offset + index
    return (pages[Math.floor(byte / pageSize)] ?? -1) + (byte % pageSize)
  })
}

function bytesOfRuns(runs: readonly Run[]): number[] {
  return runs.flatMap(({ physicalAddress, length }) => Array.from({ length }, (_, index) => physicalAddress + index))
}

describe('a list of runs', () => {
  test('that is cut as its pages come is the same as one that is cut at its end, and each step makes few runs', () => {
    const pages = Float64Array.of(8, 9, 10, 20, 21, 22, 23, 40).map((page) => page * 2 ** 21)
    for (const maxLength of [4096, 3 * 4096, 2 ** 21, 5 * 2 ** 20, undefined]) {
      const [begin, end] = [12_345, 8 * 2 ** 21 - 777]
      const list = new RunList(2 ** 21, begin, end, maxLength)
      let most = 0
      for (let page = 0; page < pages.length; page++) {
        list.add(page * 2 ** 21, pages.subarray(page, page + 1))
        let steps = 1
        for (const _ of list.cut()) steps += 1
        most = Math.max(most, steps)
      }
      expect(most).toBe(1) // a page of 2 MiB is 512 runs of 4 KiB
      expect(list.end()).toEqual(runsOf(pages, 2 ** 21, { offset: begin, length: end - begin }, maxLength))
    }
    const large = new RunList(2 ** 30, 0, 2 ** 30, 4096)
    large.add(0, Float64Array.of(2 ** 30))
    expect([...large.cut()]).toHaveLength(2 ** 18 / 4096)
    expect(large.end()).toHaveLength(2 ** 18)
  })
})

describe('runsOf', () => {
  test('contains every byte of the range, in order, and no other byte', () => {
    fc.assert(
      fc.property(
        arbitraryPages.chain((pages) => fc.tuple(fc.constant(pages), arbitraryRange(pages.length * pageSize))),
        ([pages, within]) => {
          const runs = runsOf(pages, pageSize, within)
          expect(bytesOfRuns(runs)).toEqual(bytesOf(pages, within))
          let next = within.offset
          for (const run of runs) {
            expect(run.offset).toBe(next)
            next += run.length
          }
        },
      ),
    )
  })

  test('leaves no two neighbours that could be one run', () => {
    fc.assert(
      fc.property(arbitraryPages, (pages) => {
        const runs = runsOf(pages, pageSize)
        expect(runs.length).toBe(stretchesOf(runs).length)
      }),
    )
  })

  test('cuts runs at maxLength, as few times as possible', () => {
    fc.assert(
      fc.property(arbitraryPages, fc.integer({ min: 1, max: 40 }), (pages, maxLength) => {
        const whole = runsOf(pages, pageSize)
        const cut = runsOf(pages, pageSize, undefined, maxLength)
        expect(stretchesOf(cut)).toEqual(stretchesOf(whole))
        expect(Math.max(...cut.map(({ length }) => length))).toBeLessThanOrEqual(maxLength)
        expect(cut.length).toBe(whole.reduce((sum, { length }) => sum + Math.ceil(length / maxLength), 0))
      }),
    )
  })

  test('cuts the first and the last run to the range', () => {
    const pages = Float64Array.of(0x10000, 0x11000, 0x40000)
    expect(runsOf(pages, 4096, { offset: 100, length: 8192 })).toEqual([
      { offset: 100, physicalAddress: 0x10064, length: 8092 },
      { offset: 8192, physicalAddress: 0x40000, length: 100 },
    ])
  })

  test('gives no runs for an empty range, also at the very end', () => {
    const pages = Float64Array.of(0x10000)
    expect(runsOf(pages, 4096, { offset: 0, length: 0 })).toEqual([])
    expect(runsOf(pages, 4096, { offset: 4096, length: 0 })).toEqual([])
    expect(runsOf(new Float64Array(0), 4096)).toEqual([])
  })

  test('refuses an unknown page anywhere in the range, and ignores an unknown page outside of it', () => {
    for (const unknown of [0, 1, 2]) {
      // Each page begins at the end of the page before, so that only the sign marks the unknown page.
      const pages = Float64Array.of(0, 4096, 8192)
      pages[unknown] = -1
      expect(() => runsOf(pages, 4096)).toThrowCode('ERR_PAGE_ABSENT', { values: { page: unknown } })
      expect(runsOf(pages, 4096, { offset: unknown === 0 ? 4096 : 0, length: 4096 })).toHaveLength(1)
    }
  })

  test('refuses unknown pages, even if they look contiguous', () => {
    expect(() => runsOf(Float64Array.of(0, -8192, -4096), 4096)).toThrowCode('ERR_PAGE_ABSENT', { values: { page: 1 } })
  })
})

describe('mergedRuns', () => {
  test('joins runs that touch, and changes nothing else', () => {
    fc.assert(
      fc.property(arbitraryRuns(4096), (runs) => {
        const merged = mergedRuns(runs)
        expect(merged.map(({ physicalAddress, length }) => ({ address: physicalAddress, length }))).toEqual(
          stretchesOf(runs),
        )
        expect(merged.at(0)?.offset).toBe(runs.at(0)?.offset)
        for (const [index, { offset }] of merged.entries()) {
          const before = merged[index - 1]
          if (before !== undefined) expect(offset).toBe(before.offset + before.length)
        }
      }),
    )
  })

  test('does not change its argument', () => {
    const runs = [
      Object.freeze({ offset: 0, physicalAddress: 0, length: 4096 }),
      Object.freeze({ offset: 4096, physicalAddress: 4096, length: 4096 }),
    ]
    expect(mergedRuns(Object.freeze(runs))).toEqual([{ offset: 0, physicalAddress: 0, length: 8192 }])
  })

  const good = { offset: 0, physicalAddress: 0x1000, length: 4096 }
  test.each([
    ['no runs', []],
    ['no list', undefined],
    ['no run', [undefined]],
    ['a negative address', [{ ...good, physicalAddress: -4096 }]],
    ['a fractional length', [{ ...good, length: 0.5 }]],
    ['an empty run', [{ ...good, length: 0 }]],
    ['a bigint', [{ ...good, physicalAddress: 4096n }]],
    ['NaN', [{ ...good, offset: Number.NaN }]],
    ['an end beyond what a number holds', [{ ...good, physicalAddress: Number.MAX_SAFE_INTEGER }]],
    ['a gap', [good, { ...good, offset: 8192 }]],
    ['an overlap', [good, { ...good, offset: 2048 }]],
    ['the wrong order', [{ ...good, offset: 4096 }, good]],
  ])('refuses %s', (_, runs) => {
    expect(() => mergedRuns(runs as never)).toThrowCode('ERR_INVALID_ARGUMENT')
  })
})
