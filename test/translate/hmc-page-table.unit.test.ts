import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeHmcPageDescriptor,
  decodeHmcSegmentDescriptor,
  type HmcPageTable,
  hmcPageTable,
} from '../../src/translate/page-tables/index.js'
import { mergedRuns, type Run } from '../../src/translate/runs.js'
import { arbitraryRuns, runsFrom } from '../support/arbitrary-translations.js'

const KiB4 = 4096
const MiB2 = 2 ** 21

/** The address at which an adapter finds byte `offset` of private memory, from the two kinds of words alone. */
function readByAdapter(table: HmcPageTable, offset: number): number | undefined {
  const word = table.segmentDescriptors?.[Math.floor(offset / MiB2)] ?? 0n
  if ((word & 1n) === 0n) return undefined
  const backing = Number(word >> 12n) * 4096
  if ((word & 2n) !== 0n) return backing + (offset % MiB2)
  const page = table.segments.find((segment) => segment.type === 'paged' && segment.address === backing)
  if (page?.type !== 'paged') throw new Error(`the adapter read ${backing}, where no page descriptors are`)
  const descriptor = page.pageDescriptors[Math.floor((offset % MiB2) / KiB4)] ?? 0n
  return (descriptor & 1n) === 0n ? undefined : Number(descriptor >> 12n) * 4096 + (offset % KiB4)
}

function physicalOf(runs: readonly Run[], offset: number): number | undefined {
  const base = runs.at(0)?.offset ?? 0
  const run = runs.find((one) => offset >= one.offset - base && offset < one.offset - base + one.length)
  return run === undefined ? undefined : run.physicalAddress + (offset - (run.offset - base))
}

function pagesNeeded(runs: readonly Run[]): number[] {
  return Array.from({ length: hmcPageTable(runs).descriptorPagesNeeded }, (_, index) => 2 ** 40 + index * 8192)
}

/** Mixes of 4 KiB and 2 MiB pages, at addresses that are 2 MiB-aligned or nearly so. */
const arbitraryMemory = fc.oneof(
  arbitraryRuns(MiB2, { runs: 4, units: 3 }),
  arbitraryRuns(KiB4, { runs: 6, units: 1200, places: 8, align: 256 }),
)

describe('hmcPageTable', () => {
  test('leads an adapter to the right byte of every page, and nowhere past the end', () => {
    fc.assert(
      fc.property(arbitraryMemory, (runs) => {
        const table = hmcPageTable(runs, { descriptorPages: pagesNeeded(runs) })
        const end = Math.ceil(table.length / MiB2) * MiB2
        // Checks one byte of every 4 KiB page, at a different offset in each. A single comparison is faster.
        const offsets = Array.from({ length: end / KiB4 }, (_, page) => page * KiB4 + (page % KiB4))
        expect(offsets.map((offset) => readByAdapter(table, offset))).toEqual(
          offsets.map((offset) => physicalOf(runs, offset)),
        )
      }),
      { numRuns: 50 },
    )
  })

  test('is direct exactly if aligned, contiguous 2 MiB back the whole segment', () => {
    fc.assert(
      fc.property(arbitraryMemory, (runs) => {
        for (const { index, type } of hmcPageTable(runs).segments) {
          const begin = index * MiB2
          const first = physicalOf(runs, begin) ?? -1
          let isWhole = first % MiB2 === 0
          for (let at = 0; at < MiB2 && isWhole; at += KiB4) isWhole = physicalOf(runs, begin + at) === first + at
          expect(type).toBe(isWhole ? 'direct' : 'paged')
        }
      }),
      { numRuns: 50 },
    )
  })

  test('counts the entries and bytes of both levels', () => {
    fc.assert(
      fc.property(arbitraryMemory, (runs) => {
        const table = hmcPageTable(runs, { descriptorPages: pagesNeeded(runs) })
        const paged = table.segments.filter((segment) => segment.type === 'paged')
        const valid = paged.flatMap(({ pageDescriptors }) => [...pageDescriptors].filter((word) => word !== 0n))
        expect(table.entries).toBe((table.segmentDescriptors?.length ?? 0) + valid.length)
        expect(table.bytes).toBe(table.segments.length * 8 + paged.length * 4096)
        expect(table.descriptorPagesNeeded).toBe(paged.length)
      }),
      { numRuns: 50 },
    )
  })

  // 512 backing pages (0x800), direct (2), valid (1), as in irdma_set_sd_entry().
  test('writes the words that the irdma driver writes', () => {
    const direct = hmcPageTable(runsFrom([{ address: 0x4000_0000, length: MiB2 }]))
    expect(direct.segmentDescriptors).toEqual(BigUint64Array.of(0x4000_0803n))

    const paged = hmcPageTable(runsFrom([{ address: 0x12_3456_7000, length: 2 * KiB4 }]), { descriptorPages: [0x9000] })
    expect(paged.segmentDescriptors).toEqual(BigUint64Array.of(0x9801n))
    expect(paged.segments).toMatchObject([{ type: 'paged', index: 0, address: 0x9000, pages: 2 }])
    const words = paged.segments[0]?.type === 'paged' ? paged.segments[0].pageDescriptors : undefined
    expect(words).toHaveLength(512)
    expect(words?.slice(0, 3)).toEqual(BigUint64Array.of(0x12_3456_7001n, 0x12_3456_8001n, 0n))
  })

  test('decodes what it wrote, and an invalid word', () => {
    expect(decodeHmcSegmentDescriptor(0x4000_0803n)).toEqual({
      valid: true,
      type: 'direct',
      pages: 512,
      address: 0x4000_0000,
    })
    expect(decodeHmcSegmentDescriptor(0x9800n)).toEqual({ valid: false, type: 'paged', pages: 512, address: 0x9000 })
    expect(decodeHmcPageDescriptor(0x7001n)).toEqual({ valid: true, address: 0x7000 })
    expect(decodeHmcPageDescriptor(0n)).toEqual({ valid: false, address: 0 })
    expect(() => decodeHmcPageDescriptor(-1n)).toThrowCode('ERR_INVALID_ARGUMENT')
  })

  test('shows the gain of hugepages: 64 MiB takes 32 entries instead of 16,416', () => {
    const huge = runsFrom([{ address: 0, length: 64 * 2 ** 20 }])
    const scattered = runsFrom(Array.from({ length: 16384 }, (_, page) => ({ address: page * 2 * KiB4, length: KiB4 })))
    expect(hmcPageTable(huge)).toMatchObject({ entries: 32, bytes: 256, descriptorPagesNeeded: 0 })
    expect(hmcPageTable(scattered)).toMatchObject({ entries: 16416, bytes: 131_328, descriptorPagesNeeded: 32 })
    expect(mergedRuns(scattered)).toHaveLength(16384)
  })

  test('uses page descriptors for a last segment that is not full, so that the adapter gets no other memory', () => {
    const table = hmcPageTable(runsFrom([{ address: 0, length: 3 * 2 ** 20 }]))
    expect(table.segments.map(({ type }) => type)).toEqual(['direct', 'paged'])
    expect(table.segments[1]).toMatchObject({ pages: 256 })
  })

  test('contains no segment words without pages for the page descriptors', () => {
    const plan = hmcPageTable(runsFrom([{ address: KiB4, length: MiB2 }]))
    expect(plan.segmentDescriptors).toBeUndefined()
    expect(plan.descriptorPagesNeeded).toBe(1)
    expect(plan.segments).toMatchObject([{ type: 'paged', address: undefined, pages: 512 }])
  })

  test('counts segments from the start of the memory in private memory', () => {
    const table = hmcPageTable(runsFrom([{ address: 0, length: 2 * MiB2 }]), { firstSegment: 7 })
    expect(table.segments.map(({ index }) => index)).toEqual([7, 8])
  })

  const two = runsFrom([{ address: KiB4, length: 2 * MiB2 }])
  test.each([
    ['a run that is not in 4 KiB pages', runsFrom([{ address: 2048, length: KiB4 }]), {}, 'ERR_LAYOUT_IMPOSSIBLE'],
    ['a length that is not in 4 KiB pages', runsFrom([{ address: 0, length: 100 }]), {}, 'ERR_LAYOUT_IMPOSSIBLE'],
    ['segments beyond the last one', two, { firstSegment: 8191 }, 'ERR_OUT_OF_RANGE'],
    ['more segments than maxSegments', two, { maxSegments: 1 }, 'ERR_OUT_OF_RANGE'],
    ['a maxSegments beyond every function', two, { maxSegments: 8193 }, 'ERR_INVALID_ARGUMENT'],
    ['too few descriptor pages', two, { descriptorPages: [0] }, 'ERR_INVALID_ARGUMENT'],
    ['a misaligned descriptor page', two, { descriptorPages: [0, 8] }, 'ERR_INVALID_ARGUMENT'],
    ['the same descriptor page twice', two, { descriptorPages: [0, 0] }, 'ERR_INVALID_ARGUMENT'],
    ['an unknown option', two, { pages: [] }, 'ERR_INVALID_ARGUMENT'],
  ])('refuses %s', (_, runs, options, code) => {
    expect(() => hmcPageTable(runs, options as never)).toThrowCode(code, { name: 'PinfoldError' })
  })
})
