import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  type MemoryMap,
  openRegistrySync,
  type PageTableLeaf,
  type PageTableNode,
  type RegionOptions,
} from '../../src/index.js'
import { GiB, MiB } from '../../src/sizes.js'
import { basePageSize, transparentPageSize } from '../../src/system/page-sizes.js'
import { mapProcess } from '../../src/translate/memory-map/memory-map.js'
import { asNobody, Program } from '../support/child-process.js'
import { readDump, whyNotDump } from '../support/page-table-dump.js'
import { needs, whyNotNobody, whyNotPages, whyNotPhysical, whyNotTransparent } from '../support/requirements.js'

const memory = openRegistrySync()
afterAll(() => memory.close())

function allocate(options: RegionOptions) {
  const region = memory.allocateSync('mapped', options)
  onTestFinished(() => region.close())
  return region
}

function tablesIn(table: PageTableNode): PageTableNode[] {
  return [table, ...table.tables.flatMap(tablesIn)]
}

function leavesIn(map: MemoryMap): (PageTableLeaf & { readonly level: string })[] {
  return tablesIn(map.pageTables)
    .flatMap(({ leaves, level }) => leaves.map((leaf) => ({ ...leaf, level })))
    .sort((one, other) => (one.address < other.address ? -1 : 1))
}

const kinds: {
  readonly name: string
  readonly options: RegionOptions
  readonly pages: string
  readonly missing?: () => string | undefined
}[] = [
  { name: '2 MiB pages', options: { size: '8MiB', pages: '2MiB' }, pages: 'hugetlb', missing: () => whyNotPages(4) },
  {
    name: 'a 1 GiB page',
    options: { size: '1GiB', pages: '1GiB' },
    pages: 'hugetlb',
    missing: () => whyNotPages(1, GiB),
  },
  { name: 'base pages', options: { size: '3MiB', pages: 'base' }, pages: 'base' },
]

describe('the map of a region', () => {
  describe.each(kinds)('of $name', ({ options, pages, missing }) => {
    test('contains the runs of its translation, and their node', (context) => {
      needs(context, whyNotPhysical, missing?.())
      const region = allocate(options)
      // The kernel may move base pages at any time.
      const translation = region.translate()
      const map = region.map()
      if (!translation.verify().intact) context.skip('the kernel moved pages during the test')
      const found = map.runs
        .map(({ physicalAddress, address, length }) => {
          return { offset: Number(address - region.address), physicalAddress, length }
        })
        .sort((one, other) => one.offset - other.offset)
      expect(found).toEqual(translation.runs())
      for (const { node } of map.runs) expect(region.nodes).toContain(node)
      expect(map.bytes).toEqual({ present: region.size, hidden: 0, swapped: 0 })
      expect(map.fragmentation.runs).toBe(found.length)
      for (const { physicalAddress, length } of map.runs) {
        const isInMemory = map.memory.some(({ start, length: bytes }) => {
          return start <= physicalAddress && physicalAddress + length <= start + bytes
        })
        expect(isInMemory).toBe(true)
      }
    })

    test('has an entry for each page, all on one level', (context) => {
      needs(context, missing?.())
      const region = allocate(options)
      const map = region.map()
      const level = { [basePageSize]: 'PTE', [2 * MiB]: 'PMD', [GiB]: 'PUD' }[region.pageSize]
      const entries = region.size / region.pageSize
      expect(map.entries).toEqual([{ pages, pageSize: region.pageSize, level, entries, bytes: region.size }])
      const leaves = leavesIn(map)
      expect(leaves.reduce((sum, leaf) => sum + leaf.entries, 0)).toBe(entries)
      expect(new Set(leaves.map((leaf) => leaf.level))).toEqual(new Set([level]))
      expect(leaves[0]?.address).toBe(region.address)
      expect(map.mappings).toMatchObject([{ start: region.address, permissions: 'rw-s' }])
    })

    test('agrees with the levels of the kernel’s own dump', (context) => {
      needs(context, whyNotDump(), missing?.())
      const region = allocate(options)
      const dumped = readDump(region.address, region.address + BigInt(region.size))
      expect(joined(dumped)).toEqual(
        joined(
          leavesIn(region.map()).map(({ address, length, level }) => {
            return { start: address, end: address + BigInt(length), level: level.toLowerCase() }
          }),
        ),
      )
    })
  })

  test('of transparent pages has a huge entry for each byte that smaps counts as huge', (context) => {
    needs(context, whyNotTransparent)
    const region = allocate({ size: '16MiB', pages: 'transparent', backing: 'anonymous' })
    const map = region.map()
    const bytesOf = (kind: string) => map.entries.find(({ pages }) => pages === kind)?.bytes ?? 0
    expect(bytesOf('transparent')).toBe(region.inspect().transparent)
    expect(bytesOf('transparent') + bytesOf('base')).toBe(region.size)
    expect(map.areHugeEntriesKnown).toBe(true)
  })

  test('does without PAGEMAP_SCAN, as before Linux 6.7', (context) => {
    needs(context, whyNotPhysical, whyNotTransparent, whyNotPages(4))
    const options: RegionOptions[] = [
      { size: '16MiB', pages: 'transparent', backing: 'anonymous' },
      { size: '8MiB', pages: '2MiB' },
      { size: '1MiB', pages: 'base' },
    ]
    for (const one of options) {
      const region = allocate(one)
      const range = { address: region.address, length: region.size }
      const translation = region.translate()
      const maps = [region.map(), mapProcess(process.pid, range, false)]
      if (!translation.verify().intact) context.skip('the kernel moved pages during the test')
      expect(maps[1]).toEqual(maps[0])
      region.close()
    }
  })

  test('of a closed region is an error', () => {
    const region = memory.allocateSync('closed', { size: '1MiB', pages: 'base' })
    region.close()
    expect(() => region.map()).toThrowCode('ERR_REGION_CLOSED')
  })
})

describe('the map of a process', () => {
  test('has the page tables that the kernel counts', async () => {
    await using sleeper = await settled(['sleep', '600'])
    const map = mapProcess(sleeper.pid)
    // Since Linux 4.15, VmPTE counts the tables of all levels below the first. Each transparent page of anonymous memory
    // keeps one table back, for when it is split.
    const status = readFileSync(`/proc/${sleeper.pid}/status`, 'latin1')
    const counted = (Number(/^VmPTE:\s+(\d+) kB/m.exec(status)?.[1]) * 1024) / basePageSize
    const kept = map.entries.find(({ pages }) => pages === 'transparent')?.entries ?? 0
    expect(tablesIn(map.pageTables).length - 1 + kept).toBe(counted)
  })

  test('contains every resident page once, in the order of the addresses', () => {
    const map = mapProcess(process.pid)
    const leaves = leavesIn(map)
    expect(leaves.reduce((sum, { length }) => sum + length, 0)).toBe(map.bytes.present + map.bytes.hidden)
    for (const [at, leaf] of leaves.slice(1).entries()) {
      const before = leaves[at]
      expect((before?.address ?? 0n) + BigInt(before?.length ?? 0)).toBeLessThanOrEqual(leaf.address)
    }
    const huge = transparentPageSize()
    for (const { pages, pageSize } of map.entries) if (pages === 'transparent') expect(pageSize).toBe(huge)
  })

  test('that does not exist, or has nothing there, is an error', () => {
    expect(() => mapProcess(2 ** 22 + 1)).toThrowCode('ERR_PROCESS_UNKNOWN')
    expect(() => mapProcess(0)).toThrowCode('ERR_INVALID_ARGUMENT')
    expect(() => mapProcess(process.pid, { address: 0x1000n, length: 4096 })).toThrowCode('ERR_PAGE_ABSENT')
    expect(() => mapProcess(process.pid, { address: 2n ** 53n, length: 4096 })).toThrowCode('ERR_OUT_OF_RANGE')
    expect(() => mapProcess(2)).toThrowCode('ERR_PROCESS_UNKNOWN') // a kernel thread
  })

  test('shows page sizes, but no places, to a user without privileges', async (context) => {
    needs(context, whyNotNobody())
    const { code, stdout } = await runAsNobody()
    expect(code).toBe(0)
    const seen = JSON.parse(stdout)
    expect(seen).toMatchObject({ runs: 0, pages: ['base'] })
    expect(seen.hidden).toBe(MiB)
  })
})

/** A program that has begun: exec has replaced the memory of its process. */
async function settled(command: readonly string[]): Promise<Program> {
  const program = new Program(command)
  while (readFileSync(`/proc/${program.pid}/comm`, 'latin1').trim() !== command[0]) {
    await new Promise(setImmediate)
  }
  // It sleeps when it has loaded its libraries.
  while (!/^State:\s+S/m.test(readFileSync(`/proc/${program.pid}/status`, 'latin1'))) await new Promise(setImmediate)
  return program
}

async function runAsNobody(): Promise<{ code: number | null; stdout: string }> {
  const source = `
    const { openRegistrySync } = await import('./dist/index.js')
    const memory = openRegistrySync()
    const map = memory.allocateSync('x', { size: '1MiB', pages: 'base' }).map()
    const pages = map.entries.map(({ pages }) => pages)
    console.log(JSON.stringify({ runs: map.runs.length, pages, hidden: map.bytes.hidden }))
    memory.close()`
  await using program = new Program([...asNobody, process.execPath, '--input-type=module', '--eval', source])
  const stdout = await program.line()
  const { code } = await program.ended
  return { code, stdout }
}

/** Rows of entries that follow each other on one level, in one: the dump joins them if their attributes are equal. */
function joined(rows: readonly { start: bigint; end: bigint; level: string }[]) {
  const result: { start: bigint; end: bigint; level: string }[] = []
  for (const row of rows) {
    const last = result.at(-1)
    if (last !== undefined && last.end === row.start && last.level === row.level) last.end = row.end
    else result.push({ ...row })
  }
  return result
}
