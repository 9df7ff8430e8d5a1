import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bestPageSize, pageList, pageTable } from '../../src/translate/page-tables/index.js'
import type { Run } from '../../src/translate/runs.js'
import { arbitraryRuns, clipped, joined, runsFrom, stretchesOf } from '../support/arbitrary-translations.js'

const sizes = [1, 2, 4, 8, 16, 32, 64]

/** Runs of units of 4 bytes at coarse addresses, so that large and small pages both occur. The first run is cut. */
const arbitraryRange = fc
  .record({
    runs: arbitraryRuns(4, { runs: 4, units: 16, places: 16, align: 4 }),
    front: fc.nat({ max: 3 }),
    iova: fc.option(fc.nat({ max: 256 }), { nil: undefined }),
    near: fc.option(fc.constantFrom(4, 8, 16, 32), { nil: undefined }),
  })
  .map(({ runs: whole, front, iova, near }) => {
    const runs = clipped(whole, front, 0)
    const start = runs[0]?.physicalAddress ?? 0
    // Some IOVAs are random. Most share a few low bits with the physical address, as real IOVAs do.
    return { runs, iova: near === undefined ? (iova ?? start) : (start % near) + near * (iova ?? 0) }
  })

/** True if pages of `size` can map every byte: each page of IOVAs must lie on one aligned physical page. */
function canMap(runs: readonly Run[], iova: number, size: number): boolean {
  const physicalPages = new Map<number, number>()
  let address = iova
  for (const { physicalAddress, length } of runs) {
    for (let byte = 0; byte < length; byte++, address++) {
      const physical = physicalAddress + byte
      if (physical % size !== address % size) return false
      const page = Math.floor(address / size)
      const mapped = physicalPages.get(page) ?? physical - (physical % size)
      if (mapped !== physical - (physical % size)) return false
      physicalPages.set(page, mapped)
    }
  }
  return true
}

function best(runs: readonly Run[], iova: number, supported: readonly number[]): number {
  const last = iova + runs.reduce((sum, { length }) => sum + length, 0) - 1
  const holdsAll = supported.filter((size) => Math.floor(iova / size) === Math.floor(last / size))
  const useful = supported.filter((size) => size <= Math.min(...holdsAll))
  return Math.max(0, ...useful.filter((size) => canMap(runs, iova, size)))
}

describe('bestPageSize', () => {
  test('is the largest that maps every byte of the range, out of any set of sizes', () => {
    fc.assert(
      fc.property(arbitraryRange, fc.subarray(sizes, { minLength: 1 }), ({ runs, iova }, supported) => {
        expect(bestPageSize(runs, supported, { iova })).toBe(best(runs, iova, supported))
      }),
      { numRuns: 1000 },
    )
  })

  test('does not depend on the scale: bits above 2^32 count like bits below', () => {
    fc.assert(
      fc.property(
        arbitraryRuns(4, { runs: 4, units: 16, places: 16, align: 4 }).map((runs) =>
          runs.map((run) => ({ ...run, physicalAddress: run.physicalAddress % 2 ** 20 })),
        ),
        fc.nat({ max: 64 }),
        fc.integer({ min: 0, max: 40 }),
        (runs, iova, shift) => {
          const scale = 2 ** shift
          const scaled = runs.map(({ offset, physicalAddress, length }) => ({
            offset: offset * scale,
            physicalAddress: physicalAddress * scale,
            length: length * scale,
          }))
          const large = sizes.map((size) => size * scale)
          expect(bestPageSize(scaled, large, { iova: BigInt(iova * scale) })).toBe(
            bestPageSize(runs, sizes, { iova }) * scale,
          )
        },
      ),
    )
  })

  test('accepts a bitmap in the form of drivers', () => {
    const runs = runsFrom([{ address: 2 ** 30, length: 2 ** 21 }])
    expect(bestPageSize(runs, 0x4020_1000n)).toBe(2 ** 21)
    expect(bestPageSize(runs, 0x4000_1000n)).toBe(2 ** 30)
    expect(bestPageSize(runs, 0x1000n)).toBe(4096)
    // A bit beyond all physical addresses is never chosen.
    expect(bestPageSize(runs, 2n ** 63n)).toBe(0)
  })

  test('is 2 MiB on hugepages only if IOVA and memory have the same offset in their pages', () => {
    const runs = runsFrom(Array.from({ length: 32 }, (_, page) => ({ address: page * 2 ** 23, length: 2 ** 21 })))
    const supported = ['4KiB', '2MiB', '1GiB']
    expect(bestPageSize(runs, supported)).toBe(2 ** 21)
    expect(bestPageSize(runs, supported, { iova: 0x7f00_0020_0000n })).toBe(2 ** 21)
    expect(bestPageSize(runs, supported, { iova: 0x7f00_0010_0000n })).toBe(4096)
    expect(bestPageSize(runs, supported, { iova: 0x7f00_0000_0800n })).toBe(0)
  })

  test('is no larger than a page that contains the whole range', () => {
    const runs = runsFrom([{ address: 2 ** 30, length: 8192 }])
    expect(bestPageSize(runs, ['4KiB', '64KiB', '2MiB', '1GiB'])).toBe(65536)
    expect(bestPageSize(runs, ['1GiB', '4KiB', '2MiB'])).toBe(2 ** 21)
  })

  test('takes all high bits of an IOVA into account', () => {
    const runs = runsFrom([{ address: 0, length: 4096 }])
    expect(bestPageSize(runs, [4096], { iova: 0xffff_ffff_ffff_f000n })).toBe(4096)
    expect(() => bestPageSize(runs, [4096], { iova: 0xffff_ffff_ffff_f001n })).toThrowCode('ERR_OUT_OF_RANGE')
  })

  const runs = runsFrom([{ address: 0, length: 4096 }])
  test.each([
    ['no sizes', [], {}],
    ['an empty bitmap', 0n, {}],
    ['a size that is not a power of two', [3000], {}],
    ['a bitmap as a number', 0x1000, {}],
    ['a negative IOVA', [4096], { iova: -4096n }],
    ['an IOVA beyond 64 bits', [4096], { iova: 2n ** 64n }],
    ['an inexact IOVA', [4096], { iova: 2 ** 60 }],
    ['an unknown option', [4096], { virt: 0n }],
  ])('refuses %s', (_, supported, options) => {
    expect(() => bestPageSize(runs, supported as never, options as never)).toThrowCode('ERR_INVALID_ARGUMENT', {
      name: 'PinfoldError',
    })
  })
})

describe('pageList', () => {
  test('contains exactly the bytes of the range between its first and last page, at every possible size', () => {
    fc.assert(
      fc.property(arbitraryRange, ({ runs, iova }) => {
        for (const pageSize of sizes.filter((size) => canMap(runs, iova, size))) {
          const list = pageList(runs, { pageSize, iova })
          const bytes = Array.from(list.addresses, (address, index) => {
            const from = index === 0 ? list.firstPageOffset : 0
            const to = Math.min(pageSize, list.firstPageOffset + list.length - index * pageSize)
            return { address: address + from, length: to - from }
          })
          expect(joined(bytes)).toEqual(stretchesOf(runs))
          expect(list.firstPageOffset).toBe(iova % pageSize)
          expect(list.entries).toBe(list.addresses.length)
        }
      }),
    )
  })

  test('refuses every impossible size, and names a possible one', () => {
    fc.assert(
      fc.property(arbitraryRange, ({ runs, iova }) => {
        for (const pageSize of sizes.filter((size) => !canMap(runs, iova, size))) {
          try {
            pageList(runs, { pageSize, iova })
            expect.unreachable()
          } catch (error) {
            expect(error).toMatchObject({ code: 'ERR_LAYOUT_IMPOSSIBLE', values: { pageSize } })
            const { bestPageSize: named } = (error as { values: { bestPageSize: number } }).values
            expect(named).toBe(Math.max(...sizes.filter((size) => canMap(runs, iova, size))))
          }
        }
      }),
    )
  })

  test('keeps all 64 bits of an IOVA', () => {
    const iova = 0xffff_0000_0020_0123n
    const runs = runsFrom([{ address: 0x4000_0123, length: 5000 }])
    expect(pageList(runs, { pageSize: '4KiB', iova })).toMatchObject({ iova, firstPageOffset: 0x123, entries: 2 })
  })
})

describe('pageTable', () => {
  test('lists whole pages that are exactly the bytes of the runs', () => {
    fc.assert(
      fc.property(arbitraryRuns(4096), fc.constantFrom(512, 1024, 4096), (runs, pageSize) => {
        const table = pageTable(runs, pageSize)
        expect(joined(Array.from(table.addresses, (address) => ({ address, length: pageSize })))).toEqual(
          stretchesOf(runs),
        )
        expect(table).toMatchObject({ entries: table.length / pageSize, bytes: table.addresses.byteLength })
      }),
    )
  })

  test('accepts a size exactly if all runs start and end on its boundaries, and else names the largest', () => {
    fc.assert(
      fc.property(arbitraryRuns(4, { align: 2 }), fc.constantFrom(...sizes), (runs, pageSize) => {
        const fits = (size: number) =>
          stretchesOf(runs).every(({ address, length }) => address % size === 0 && length % size === 0)
        if (fits(pageSize)) {
          expect(pageTable(runs, pageSize).pageSize).toBe(pageSize)
          return
        }
        const largest = Math.max(...sizes.filter(fits))
        expect(() => pageTable(runs, pageSize)).toThrowCode('ERR_LAYOUT_IMPOSSIBLE', {
          values: expect.objectContaining({ pageSize, bestPageSize: largest }),
        })
      }),
    )
  })

  test('names the first run that prevents a page size', () => {
    const runs = runsFrom([
      { address: 2 ** 30, length: 2 ** 21 },
      { address: 2 ** 31 + 8192, length: 2 ** 21 },
      { address: 2 ** 32, length: 4096 },
    ])
    expect(() => pageTable(runs, '2MiB')).toThrow(
      'a page table cannot describe run 1 (offset 0x200000, address 0x80002000, 2MiB) in pages of 2MiB; ' +
        'the largest page size that fits all runs is 4KiB',
    )
  })

  test('refuses a page that the runs fill only in part, so that a device gets no other memory', () => {
    const runs = runsFrom([{ address: 2 ** 30, length: 2 ** 21 + 4096 }])
    expect(pageList(runs, { pageSize: '2MiB' }).entries).toBe(2)
    expect(() => pageTable(runs, '2MiB')).toThrowCode('ERR_LAYOUT_IMPOSSIBLE')
    const before = [{ address: 2 ** 32, length: 2 ** 21 }]
    const after = runsFrom([...before, { address: 2 ** 30, length: 4096 }])
    expect(() => pageTable(after, '2MiB')).toThrow(
      expect.objectContaining({ values: expect.objectContaining({ run: 1, bestPageSize: 4096 }) }),
    )
  })

  test.each([0, -4096, 1.5, 3000, Number.NaN, 2 ** 53, '3MiB', null])('refuses a page size of %s', (pageSize) => {
    expect(() => pageTable(runsFrom([{ address: 0, length: 4096 }]), pageSize as never)).toThrowCode(
      'ERR_INVALID_ARGUMENT',
    )
  })

  test('refuses more pages than pinfold builds', () => {
    expect(() => pageTable(runsFrom([{ address: 0, length: 2 ** 40 }]), 4096)).toThrowCode('ERR_OUT_OF_RANGE')
  })
})
