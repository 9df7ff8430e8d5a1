import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type NvmePrpList, nvmePrpList } from '../../src/translate/page-tables/index.js'
import type { Run } from '../../src/translate/runs.js'
import {
  arbitraryRuns,
  clipped,
  joined,
  runsFrom,
  type Stretch,
  stretchesOf,
} from '../support/arbitrary-translations.js'

/**
 * Reads a list as a controller does by the specification, from PRP1, PRP2, the transfer length and host memory alone.
 * Refuses everything that a controller may refuse.
 */
function readByController(table: NvmePrpList, memoryPageSize: number): Stretch[] {
  const memory = new Map<number, bigint>()
  for (const { address, words } of table.list) {
    for (const [index, word] of words.entries()) memory.set(address + index * 8, word)
  }
  const read = (address: number) => {
    const word = memory.get(address)
    if (word === undefined) throw new Error(`the controller read ${address}, where no list is`)
    memory.delete(address)
    return Number(word)
  }
  const offsetInvalid = (address: number) => {
    if (address % memoryPageSize !== 0) throw new Error(`PRP Offset Invalid: ${address}`)
    return address
  }

  const prp1 = Number(table.prp1)
  if (prp1 % 4 !== 0) throw new Error('PRP Offset Invalid: PRP1')
  const pages: Stretch[] = [{ address: prp1, length: Math.min(table.length, memoryPageSize - (prp1 % memoryPageSize)) }]
  let left = table.length - (pages[0]?.length ?? 0)
  const prp2 = Number(table.prp2)
  if (left > 0 && left <= memoryPageSize) {
    pages.push({ address: offsetInvalid(prp2), length: left })
    left = 0
  }
  if (left > 0 && prp2 % 8 !== 0) throw new Error('PRP Offset Invalid: list pointer')
  for (let at = prp2; left > 0; at += 8) {
    const lastOfPage = (at + 8) % memoryPageSize === 0
    if (lastOfPage && left > memoryPageSize) at = offsetInvalid(read(at))
    pages.push({ address: offsetInvalid(read(at)), length: Math.min(left, memoryPageSize) })
    left -= Math.min(left, memoryPageSize)
  }
  if (memory.size > 0) throw new Error(`${memory.size} words of the list were never read`)
  return pages
}

/** List pages that lie far from the data, apart from each other, and in descending order. */
function listPagesFor(count: number, memoryPageSize: number, offset: number): number[] {
  return Array.from({ length: count }, (_, index) => 2 ** 44 - index * 3 * memoryPageSize + (index === 0 ? offset : 0))
}

const aligned = (length: number, address = 0x10_0000) => runsFrom([{ address, length }])

describe('nvmePrpList', () => {
  test('leads a controller to exactly the bytes of the runs, through lists of many pages', () => {
    const arbitrary = fc.record({
      runs: arbitraryRuns(4096, { runs: 4, units: 700, places: 4096 }),
      front: fc.nat({ max: 1023 }).map((dwords) => dwords * 4),
      back: fc.nat({ max: 4095 }),
      listOffset: fc.oneof(fc.nat({ max: 511 }), fc.integer({ min: 500, max: 511 })).map((qwords) => qwords * 8),
    })
    fc.assert(
      fc.property(arbitrary, ({ runs: whole, front, back, listOffset }) => {
        const onlyPage = whole.length === 1 && whole[0]?.length === 4096
        const runs = clipped(whole, front, onlyPage ? 0 : back)
        const listPages = listPagesFor(8, 4096, listOffset)
        const table = nvmePrpList(runs, { listPages })
        expect(joined(readByController(table, 4096))).toEqual(stretchesOf(runs))
        expect(table.list.map(({ address }) => address)).toEqual(listPages.slice(0, table.listPagesNeeded))
      }),
      { numRuns: 60 },
    )
  })

  test('needs as few list pages as possible, on both sides of every page boundary', () => {
    for (const listOffset of [0, 1, 509, 510, 511]) {
      const first = 512 - listOffset
      // Pages of data for which the list fills exactly 1, 2, 3 and 4 pages. PRP1 is one of them, and each pointer takes
      // an entry.
      const full = [first + 1, first + 512, first + 1023, first + 1534]
      for (const [index, most] of full.entries()) {
        for (const pages of [most - 1, most, most + 1]) {
          const needed = pages > most ? index + 2 : index + 1
          // PRP1 and PRP2 describe two pages without a list.
          if (pages <= 2) continue
          const table = nvmePrpList(aligned(pages * 4096), { listPages: listPagesFor(6, 4096, listOffset * 8) })
          expect(table.listPagesNeeded).toBe(needed)
          const sizes = table.list.map(({ words }) => words.length)
          // Only the last entry of a page may be a pointer to another page.
          expect(sizes.slice(0, -1)).toEqual(
            Array.from({ length: needed - 1 }, (_, page) => (page === 0 ? first : 512)),
          )
          expect(joined(readByController(table, 4096))).toEqual([{ address: 0x10_0000, length: pages * 4096 }])
        }
      }
    }
  })

  test('works with every memory page size of CC.MPS', () => {
    for (const memoryPageSize of [4096, 8192, 65536, 2 ** 20]) {
      const runs = runsFrom([
        { address: 7 * memoryPageSize + 512, length: 2 * memoryPageSize - 512 },
        { address: 3 * memoryPageSize, length: memoryPageSize + 16 },
      ])
      const table = nvmePrpList(runs, { memoryPageSize, listPages: [0x1000_0000_0000] })
      expect(table.entries).toBe(4)
      expect(joined(readByController(table, memoryPageSize))).toEqual(stretchesOf(runs))
    }
  })

  // The next tests are the examples of figure 92, field PRP2.
  test('PRP2 is reserved when no page boundary is crossed', () => {
    expect(nvmePrpList(aligned(4096))).toMatchObject({ entries: 1, prp1: 0x10_0000n, prp2: 0n, listPagesNeeded: 0 })
    expect(nvmePrpList(aligned(3584, 0x10_0200))).toMatchObject({ entries: 1, prp1: 0x10_0200n, prp2: 0n })
  })

  test('PRP2 is the second page: one page of data with an offset, or up to two pages without', () => {
    expect(nvmePrpList(aligned(4096, 0x10_0200))).toMatchObject({ entries: 2, prp1: 0x10_0200n, prp2: 0x10_1000n })
    expect(nvmePrpList(aligned(4097))).toMatchObject({ entries: 2, prp2: 0x10_1000n })
    expect(nvmePrpList(aligned(8192))).toMatchObject({ entries: 2, prp2: 0x10_1000n, listPagesNeeded: 0, bytes: 16 })
  })

  test('PRP2 is a list: two pages of data with an offset, or more than two pages without', () => {
    const listPages = [0x20_0000]
    const list = [{ address: 0x20_0000, words: BigUint64Array.of(0x10_1000n, 0x10_2000n) }]
    expect(nvmePrpList(aligned(8192, 0x10_0200), { listPages })).toMatchObject({ prp2: 0x20_0000n, list })
    expect(nvmePrpList(aligned(8193), { listPages })).toMatchObject({ prp2: 0x20_0000n, list, bytes: 16 + 2 * 8 })
  })

  test('uses the last entry of a page for data if the list ends there, and for a pointer if it continues', () => {
    const listPages = [0x20_0000, 0x30_0000]
    const full = nvmePrpList(aligned(513 * 4096), { listPages })
    expect(full.listPagesNeeded).toBe(1)
    expect(full.list[0]?.words.at(-1)).toBe(BigInt(0x10_0000 + 512 * 4096))

    const longer = nvmePrpList(aligned(514 * 4096), { listPages })
    expect(longer.listPagesNeeded).toBe(2)
    expect(longer.list[0]?.words.at(-1)).toBe(0x30_0000n)
    expect(longer.list[1]?.words).toEqual(
      BigUint64Array.of(BigInt(0x10_0000 + 512 * 4096), BigInt(0x10_0000 + 513 * 4096)),
    )
    expect(longer.bytes).toBe(16 + (513 + 1) * 8)
  })

  test('reports the number of list pages if none are given', () => {
    const plan = nvmePrpList(aligned(2 ** 26))
    expect(plan).toMatchObject({ entries: 16384, listPagesNeeded: 33, prp2: undefined, list: [] })
    const listPages = listPagesFor(plan.listPagesNeeded, 4096, 0)
    expect(joined(readByController(nvmePrpList(aligned(2 ** 26), { listPages }), 4096))).toEqual([
      { address: 0x10_0000, length: 2 ** 26 },
    ])
  })

  test('refuses too few list pages, and reports the number', () => {
    expect(() => nvmePrpList(aligned(514 * 4096), { listPages: [0x20_0000] })).toThrowCode('ERR_INVALID_ARGUMENT', {
      values: { listPagesNeeded: 2, listPages: 1, memoryPageSize: 4096 },
    })
  })

  test('refuses runs that meet inside a memory page, and names the run and a page size that works', () => {
    const runs: Run[] = runsFrom([
      { address: 0x10_0000, length: 8192 },
      { address: 0x30_2000, length: 8192 },
    ])
    expect(nvmePrpList(runs, { memoryPageSize: 8192, listPages: [0] }).entries).toBe(2)
    expect(() => nvmePrpList(runs, { memoryPageSize: '16KiB' })).toThrowCode('ERR_LAYOUT_IMPOSSIBLE', {
      values: { run: 1, offset: 8192, physicalAddress: 0x30_2000, length: 8192, pageSize: 16384, bestPageSize: 8192 },
    })
  })

  test.each([
    ['a first byte that is not dword aligned', aligned(4096, 0x10_0002), {}, 'ERR_LAYOUT_IMPOSSIBLE'],
    ['more pages than pinfold builds', aligned(2 ** 40), {}, 'ERR_OUT_OF_RANGE'],
    ['a list pointer that is not qword aligned', aligned(2 ** 20), { listPages: [4] }, 'ERR_INVALID_ARGUMENT'],
    [
      'a second list page with an offset',
      aligned(2 ** 23),
      { listPages: [0, 8, 4096, 8192, 12288] },
      'ERR_INVALID_ARGUMENT',
    ],
    ['the same list page twice', aligned(2 ** 20), { listPages: [4096, 4096] }, 'ERR_INVALID_ARGUMENT'],
    ['a page size below CC.MPS = 0', aligned(4096), { memoryPageSize: 2048 }, 'ERR_INVALID_ARGUMENT'],
    ['a page size beyond CC.MPS = 15', aligned(4096), { memoryPageSize: '256MiB' }, 'ERR_INVALID_ARGUMENT'],
    ['an unknown option', aligned(4096), { listAddress: 0 }, 'ERR_INVALID_ARGUMENT'],
  ])('refuses %s', (_, runs, options, code) => {
    expect(() => nvmePrpList(runs, options as never)).toThrowCode(code, { name: 'PinfoldError' })
  })
})
