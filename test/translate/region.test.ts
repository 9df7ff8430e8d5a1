import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readSync } from 'node:fs'
import { inspect } from 'node:util'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { basePageSize, type MemoryRegistry, openRegistrySync, type RegionOptions } from '../../src/index.js'
import { GiB, MiB } from '../../src/sizes.js'
import type { PageFlag } from '../../src/translate/kernel-page-flags.js'
import { MemoryProgram } from '../support/memory-program.js'
import { needs, whyNotPages, whyNotPhysical } from '../support/requirements.js'
import { SwapFile, whyNotOut } from '../support/swap.js'

const memory: MemoryRegistry = openRegistrySync({})
const program = new MemoryProgram()
afterAll(() => {
  memory.close()
  program[Symbol.dispose]()
})

function allocate(name: string, options: RegionOptions) {
  const region = memory.allocateSync(name, options)
  onTestFinished(() => region.close())
  return region
}

/** The physical address of the byte at `address`, read here from bits 0 to 54 of its pagemap entry. */
function physicalByHand(address: bigint): number {
  const pagemap = openSync('/proc/self/pagemap', 'r')
  try {
    const entry = Buffer.alloc(8)
    readSync(pagemap, entry, 0, 8, (address / BigInt(basePageSize)) * 8n)
    const frame = entry.readBigUInt64LE() & ((1n << 55n) - 1n)
    return Number(frame * BigInt(basePageSize) + (address % BigInt(basePageSize)))
  } finally {
    closeSync(pagemap)
  }
}

const kinds: { name: string; options: RegionOptions; missing?: () => string | undefined }[] = [
  { name: '2 MiB pages', options: { size: '16MiB', pages: '2MiB' }, missing: () => whyNotPages(8) },
  { name: 'a 1 GiB page', options: { size: '1GiB', pages: '1GiB' }, missing: () => whyNotPages(1, GiB) },
  { name: 'transparent pages', options: { size: '8MiB', pages: 'transparent', backing: 'anonymous' } },
  { name: 'base pages', options: { size: '3MiB', pages: 'base' } },
  {
    name: 'base pages, anonymous and locked',
    options: { size: '1MiB', pages: 'base', backing: 'anonymous', lock: true },
  },
]

beforeEach((context) => needs(context, whyNotPhysical))

describe('asynchronous forms', () => {
  const options = { size: '96MiB', pages: 'base' } as const // six times what one step reads

  test('tell what the others tell, of all and of a part', async () => {
    const region = allocate('long', options)
    const [now, later] = [region.translate(), await region.translateAsync()]
    expect(await later.runsAsync()).toEqual(now.runs())
    expect(await later.runsAsync({ maxLength: '4KiB' })).toHaveLength(region.size / basePageSize)
    expect(await later.verifyAsync()).toEqual({ intact: true, moves: [], movedPages: 0 })
    const within: [number, number] = [5 * basePageSize + 9, 70 * MiB]
    const part = await region.translateAsync({ within })
    expect([part.offset, part.size]).toEqual([5 * basePageSize, 70 * MiB + basePageSize])
    expect(await part.runsAsync({ within })).toEqual(now.runs({ within }))
    expect((await part.verifyAsync({ within })).intact).toBe(true)
    expect(region.translate({ within }).runs()).toEqual(part.runs())
  })

  test('are refused with the reason of a signal, and when the region is closed meanwhile', async () => {
    const region = memory.allocateSync('ended', options)
    const translation = region.translate()
    const reason = new Error('no time')
    const signal = AbortSignal.abort(reason)
    await expect(region.translateAsync({ signal })).rejects.toBe(reason)
    await expect(translation.runsAsync({ signal })).rejects.toBe(reason)
    await expect(translation.verifyAsync({ signal })).rejects.toBe(reason)
    region.close()
    await expect(region.translateAsync()).rejects.toThrowCode('ERR_REGION_CLOSED')
    await expect(translation.runsAsync()).rejects.toThrowCode('ERR_REGION_CLOSED')
    await expect(translation.verifyAsync()).rejects.toThrowCode('ERR_REGION_CLOSED')
  })
})

describe('a region', () => {
  for (const { name, options, missing } of kinds) {
    test(`of ${name} lies where its pagemap says, byte by byte`, (context) => {
      needs(context, missing?.())
      const region = allocate('translated', options)
      const translation = region.translate()
      expect(translation).toMatchObject({ name: 'translated', size: region.size, pageSize: region.pageSize })
      const pages = region.size / region.pageSize
      expect(translation.states).toEqual({ present: pages, swapped: 0, hidden: 0, absent: 0 })

      for (let sample = 0; sample < 200; sample++) {
        const offset = Math.floor(Math.random() * region.size)
        const physical = physicalByHand(region.address + BigInt(offset))
        expect(physical).toBeGreaterThan(0)
        expect(translation.physicalAt(offset)).toBe(physical)
        expect(translation.offsetOf(physical)).toBe(offset)
      }
      for (let page = 0; page < pages; page++) {
        expect(translation.physicalAt(page * region.pageSize) % region.pageSize).toBe(0)
      }
      const runs = translation.runs()
      expect(runs.reduce((sum, { length }) => sum + length, 0)).toBe(region.size)
      expect(translation.contiguous).toBe(runs.length === 1)
      expect(translation.verify()).toEqual({ intact: true, moves: [], movedPages: 0 })
    })
  }

  test('of transparent pages consists of runs of at least 2 MiB, as far as it got huge pages', () => {
    const region = allocate('transparent', { size: '8MiB', pages: 'transparent', backing: 'anonymous' })
    const long = region
      .translate()
      .runs()
      .filter(({ length }) => length >= 2 * MiB)
    const share = long.reduce((sum, { length }) => sum + length, 0) / region.size
    expect(share).toBeGreaterThanOrEqual(region.hugeShare)
  })

  test('closes its translations with it', () => {
    const region = memory.allocateSync('closing', { size: '1MiB', pages: 'base' })
    const translation = region.translate()
    const physical = translation.physicalAt(4097)
    expect(translation.offsetOf(physical)).toBe(4097)
    region.close()
    expect(() => translation.physicalAt(4097)).toThrowCode('ERR_REGION_CLOSED')
    expect(() => translation.offsetOf(physical)).toThrowCode('ERR_REGION_CLOSED')
    expect(() => translation.verify()).toThrowCode('ERR_REGION_CLOSED')
    expect(inspect(translation)).toContain("'closing'")
  })
})

describe('verify', () => {
  test('reports a page that the kernel has swapped out, and its new place after its return', (context) => {
    using swap = new SwapFile()
    needs(context, swap.problem)
    const region = allocate('swapped', { size: 64 * basePageSize, pages: 'base', backing: 'anonymous' })
    region.bytes.fill(7)
    const translation = region.translate()
    const [first, second] = [10 * basePageSize, 20 * basePageSize]
    const before = [first, second].map((offset) => translation.physicalAt(offset))

    for (const offset of [first, second]) {
      expect(program.advise(region.address + BigInt(offset), basePageSize, 'pageOut')).toBe(0)
    }
    const out = translation.verify()
    needs(context, out.intact ? whyNotOut : undefined)
    expect(out).toEqual({
      intact: false,
      movedPages: 2,
      moves: [
        { offset: first, length: basePageSize, from: before[0], to: 'swapped' },
        { offset: second, length: basePageSize, from: before[1], to: 'swapped' },
      ],
    })
    // A translation keeps its snapshot. A new translation sees the new state.
    expect(translation.physicalAt(first)).toBe(before[0])
    const meanwhile = region.translate()
    expect(meanwhile.states).toMatchObject({ present: 62, swapped: 2 })
    expect(() => meanwhile.physicalAt(first + 5)).toThrowCode('ERR_PAGE_SWAPPED', {
      values: expect.objectContaining({ offset: first + 5 }),
    })
    expect(() => meanwhile.runs()).toThrowCode('ERR_PAGE_SWAPPED')
    expect(meanwhile.runs({ within: [0, first] }).length).toBeGreaterThan(0)

    expect(region.bytes[first]).toBe(7)
    expect(region.bytes[second]).toBe(7)
    const now = region.translate()
    const moves = meanwhile.verify().moves
    expect(moves).toEqual([
      { offset: first, length: basePageSize, from: 'swapped', to: now.physicalAt(first) },
      { offset: second, length: basePageSize, from: 'swapped', to: now.physicalAt(second) },
    ])
  })

  test('reports pages that were dropped, and pages that moved, with each stretch once', () => {
    const pages = 64
    const region = allocate('moved', { size: pages * basePageSize, pages: 'base' })
    const translation = region.translate()
    const hole = { offset: 10 * basePageSize, length: 20 * basePageSize }
    // Any process that may open a memfd can punch holes into it.
    const range = [region.address, region.address + BigInt(region.size)].map((address) => address.toString(16))
    const file = `/proc/${process.pid}/map_files/${range.join('-')}`
    const punch = () =>
      execFileSync('fallocate', ['--punch-hole', '-o', String(hole.offset), '-l', String(hole.length), file])

    punch()
    const dropped = translation.verify()
    expect(dropped).toMatchObject({ intact: false, movedPages: 20 })
    expect(dropped.moves.map(({ to }) => to)).toEqual(dropped.moves.map(() => 'absent'))
    expect(dropped.moves.reduce((sum, { length }) => sum + length, 0)).toBe(hole.length)
    expect(region.translate().states).toMatchObject({ present: 44, absent: 20 })
    expect(() => region.translate().physicalAt(hole.offset)).toThrowCode('ERR_PAGE_ABSENT', {
      values: expect.objectContaining({ offset: hole.offset }),
    })

    // A page that is touched again may get its old frame, but not all twenty pages in every round.
    const touch = () => {
      for (let page = 10; page < 30; page++) region.bytes[page * basePageSize] = page
    }
    touch()
    for (let round = 0; round < 20 && translation.verify().intact; round++) {
      punch()
      touch()
    }
    const now = region.translate()
    const { intact, moves, movedPages } = translation.verify()
    expect(intact).toBe(false)
    const moved = Array.from({ length: pages }, (_, page) => page * basePageSize).filter(
      (offset) => translation.physicalAt(offset) !== now.physicalAt(offset),
    )
    expect(movedPages).toBe(moved.length)
    const told = moves.flatMap(({ offset, length, from, to }) =>
      Array.from({ length: length / basePageSize }, (_, page) => {
        const within = page * basePageSize
        return { offset: offset + within, from: Number(from) + within, to: Number(to) + within }
      }),
    )
    expect(told).toEqual(
      moved.map((offset) => ({ offset, from: translation.physicalAt(offset), to: now.physicalAt(offset) })),
    )
    expect(now.verify().intact).toBe(true)
  })
})

describe('page flags', () => {
  const flagsOf = (options: RegionOptions) => {
    const region = allocate('flagged', options)
    region.view(0, region.size).fill(1)
    return { region, flags: region.translate().pageFlags }
  }

  test('of a hugetlb page are those of its head', (context) => {
    needs(context, whyNotPages(2))
    const { region, flags } = flagsOf({ size: '4MiB', pages: '2MiB' })
    expect(flags.counts).toMatchObject({ huge: 2, compoundHead: 2 })
    expect(flags.counts).not.toHaveProperty('thp')
    expect(flags.at(2 * MiB + 12345)).toMatchObject({
      physicalAddress: region.translate().physicalAt(2 * MiB),
      mapCount: 1,
      flags: expect.arrayContaining<PageFlag>(['compoundHead', 'huge']),
    })
    expect(flags.has(0, 'huge')).toBe(true)
    expect(flags.has(0, 'compoundTail')).toBe(false)
  })

  test('of transparent pages distinguish heads and tails', (context) => {
    const { region, flags } = flagsOf({ size: '4MiB', pages: 'transparent', backing: 'anonymous' })
    context.skip(region.hugeShare < 1, `only ${region.hugeShare * 100} % of the region are huge pages`)
    const pages = region.size / basePageSize
    expect(flags.counts).toMatchObject({ thp: pages, compoundHead: 2, compoundTail: pages - 2, anonymous: pages })
    expect(flags.at(0).flags).toContain('compoundHead')
    expect(flags.at(basePageSize).flags).toContain('compoundTail')
  })

  test('of locked memory include mlocked and unevictable', () => {
    const { region, flags } = flagsOf({ size: 8 * basePageSize, pages: 'base', lock: true, backing: 'anonymous' })
    expect(flags.counts).toMatchObject({ mlocked: 8, unevictable: 8 })
    expect(region.translate().pageFlags.has(0, 'mlocked')).toBe(true)
  })

  test('refuse an offset outside of the region', () => {
    const { flags } = flagsOf({ size: basePageSize, pages: 'base' })
    for (const offset of [-1, 0.5, basePageSize, Number.NaN]) {
      expect(() => flags.at(offset)).toThrowCode('ERR_OUT_OF_RANGE')
    }
  })
})
