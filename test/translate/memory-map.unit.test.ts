import { describe, expect, test } from 'vitest'
import { GiB, KiB, MiB } from '../../src/sizes.js'
import { parseSystemRam } from '../../src/system/physical-memory.js'
import type { Extent, MappedPages } from '../../src/translate/memory-map/extents.js'
import { fragmentationOf } from '../../src/translate/memory-map/fragmentation.js'
import { levelOfPage, levelsOf } from '../../src/translate/memory-map/levels.js'
import { type PageTableNode, pageTableTree } from '../../src/translate/memory-map/page-table-tree.js'
import { parseDump } from '../support/page-table-dump.js'

describe('the levels of page tables', () => {
  test.each([
    { machine: 'x86-64', bits: 48, pageSize: 4 * KiB, names: ['PGD', 'PUD', 'PMD', 'PTE'] },
    { machine: 'x86-64 with LA57', bits: 57, pageSize: 4 * KiB, names: ['PGD', 'P4D', 'PUD', 'PMD', 'PTE'] },
    { machine: 'arm64 with 39 bits', bits: 39, pageSize: 4 * KiB, names: ['PGD', 'PMD', 'PTE'] },
    { machine: 'arm64 with 16 KiB pages', bits: 48, pageSize: 16 * KiB, names: ['PGD', 'PUD', 'PMD', 'PTE'] },
    { machine: 'arm64 with 64 KiB pages', bits: 48, pageSize: 64 * KiB, names: ['PGD', 'PMD', 'PTE'] },
  ])('of $machine are $names', ({ bits, pageSize, names }) => {
    const levels = levelsOf(bits, pageSize)
    expect(levels.map(({ name }) => name)).toEqual(names)
    expect(levels.at(-1)).toMatchObject({ entryBytes: pageSize, tableBytes: (pageSize * pageSize) / 8 })
  })

  test.each([
    [4 * KiB, 'PTE'],
    [64 * KiB, 'PTE'],
    [2 * MiB, 'PMD'],
    [32 * MiB, 'PMD'],
    [GiB, 'PUD'],
  ])('map a page of %i bytes in %s', (pageSize, name) => {
    expect(levelOfPage(pageSize, levelsOf(48, 4 * KiB))?.name).toBe(name)
  })
})

const extent = (address: number, length: number, pages: MappedPages, pageSize: number): Extent => {
  return { address, length, pages, pageSize, physicalAddress: undefined }
}

/** The path of levels and numbers to each row of entries. */
function paths(table: PageTableNode, above = ''): string[] {
  const path = `${above}${table.level}[${table.index}] `
  return [
    ...table.tables.flatMap((one) => paths(one, path)),
    ...table.leaves.map(({ index, entries, length, pages }) => `${path}${index}+${entries} ${length} ${pages}`),
  ]
}

describe('the tree of page tables', () => {
  const levels = levelsOf(48, 4 * KiB)

  test('cuts pages at the ends of tables, and joins entries that only lie apart physically', () => {
    const start = 0x7f0000000000 + 2 * MiB - 8 * KiB
    const tree = pageTableTree(
      [extent(start, 4 * KiB, 'base', 4 * KiB), extent(start + 4 * KiB, 12 * KiB, 'base', 4 * KiB)],
      levels,
    )
    expect(paths(tree)).toEqual([
      'PGD[0] PUD[254] PMD[0] PTE[0] 510+2 8192 base',
      'PGD[0] PUD[254] PMD[0] PTE[1] 0+2 8192 base',
    ])
    expect(tree.tables[0]?.tables[0]?.tables[1]).toMatchObject({ address: 0x7f0000200000n, entryBytes: 4096 })
  })

  test('has the entries of large pages at their own level', () => {
    const tree = pageTableTree(
      [
        extent(GiB, 2 * GiB, 'hugetlb', GiB),
        extent(3 * GiB, 4 * MiB, 'hugetlb', 2 * MiB),
        extent(3 * GiB + 4 * MiB, 2 * MiB, 'transparent', 2 * MiB),
        extent(3 * GiB + 6 * MiB, 128 * KiB, 'hugetlb', 64 * KiB),
      ],
      levels,
    )
    expect(paths(tree)).toEqual([
      'PGD[0] PUD[0] PMD[3] PTE[3] 0+32 131072 hugetlb',
      'PGD[0] PUD[0] PMD[3] 0+2 4194304 hugetlb',
      'PGD[0] PUD[0] PMD[3] 2+1 2097152 transparent',
      'PGD[0] PUD[0] 1+2 2147483648 hugetlb',
    ])
  })

  test('of no pages is one empty table', () => {
    expect(pageTableTree([], levels)).toMatchObject({ level: 'PGD', tables: [], leaves: [] })
  })
})

describe('fragmentation', () => {
  test('is 0 for one run, and 1 if no page follows its neighbour', () => {
    expect(fragmentationOf([{ length: 4 * MiB, pageSize: 4 * KiB }])).toMatchObject({ runs: 1, index: 0 })
    const apart = Array.from({ length: 5 }, () => ({ length: 4 * KiB, pageSize: 4 * KiB }))
    expect(fragmentationOf(apart)).toMatchObject({ runs: 5, index: 1, longest: 4 * KiB })
    expect(fragmentationOf([])).toEqual({ runs: 0, longest: 0, halfInRunsOf: 0, index: 0, lengths: [] })
  })

  test('tells half of the memory by the longest runs, and counts runs by powers of two', () => {
    const runs = [4, 4, 8, 12, 32].map((pages) => ({ length: pages * KiB, pageSize: 4 * KiB }))
    expect(fragmentationOf(runs)).toEqual({
      runs: 5,
      longest: 32 * KiB,
      halfInRunsOf: 32 * KiB,
      index: 4 / 14,
      lengths: [
        { from: 4 * KiB, runs: 2, bytes: 8 * KiB },
        { from: 8 * KiB, runs: 2, bytes: 20 * KiB },
        { from: 32 * KiB, runs: 1, bytes: 32 * KiB },
      ],
    })
  })
})

test('the memory of the machine is what /proc/iomem calls System RAM, and no memory for a user who sees zeros', () => {
  const text = '00001000-0009fbff : System RAM\n000f0000-000fffff : System ROM\n  00100000-001fffff : System RAM\n'
  expect(parseSystemRam(text)).toEqual([{ start: 0x1000, length: 0x9ec00 }])
  expect(parseSystemRam('00000000-00000000 : System RAM\n00000000-00000000 : Reserved\n')).toEqual([])
})

test('a dump of the kernel is read by entries and level, without its holes and headings', () => {
  const text = `---[ User Space ]---
0x0000000000000000-0x0000000000400000           4M                               pmd
0x0000000000400000-0x0000000000401000           4K USR ro                     x  pte
0x00007f5a40000000-0x00007f5a40400000           4M USR RW         PSE         NX pmd
---[ Kernel Space ]---
`
  expect(parseDump(text)).toEqual([
    { start: 0x400000n, end: 0x401000n, level: 'pte' },
    { start: 0x7f5a40000000n, end: 0x7f5a40400000n, level: 'pmd' },
  ])
})
