import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, beforeEach, describe, expect, onTestFinished, type TestContext, test } from 'vitest'
import { borrowHugepages, readPool } from '../../src/hugepages/index.js'
import { openRegistrySync, type Region } from '../../src/index.js'
import { formatSize, GiB, MiB } from '../../src/sizes.js'
import { memoryNodes } from '../../src/system/numa.js'
import { ownCommand } from '../../src/system/own-command.js'
import { basePageSize, hugetlbPageSizes, transparentPageSize } from '../../src/system/page-sizes.js'
import { parseSmaps, readMappingsUse, readSmaps } from '../../src/system/smaps.js'
import { mountHugetlbfs } from '../support/hugepage-pools.js'
import { mappedRegions } from '../support/mapped-regions.js'
import { needs, whyNotPhysical, whyNotPools, whyNotTransparent } from '../support/requirements.js'

// A region reports the same as the kernel, with each kind of pages, on each backing, with each option.

const memory = openRegistrySync()
const huge = transparentPageSize() ?? 2 * MiB

afterAll(() => {
  memory.close()
  expect(mappedRegions()).toEqual([])
})

/** The mapping of a region's first byte, and the permissions of the mappings that touch the region on both sides. */
function mappingsOf({ address, size }: Region) {
  const mappings = parseSmaps(readFileSync('/proc/self/smaps', 'utf8'))
  const permissions = (start: bigint | undefined) =>
    new RegExp(`^${start?.toString(16)}-\\S+ (\\S{4})`, 'm').exec(readFileSync('/proc/self/maps', 'latin1'))?.[1]
  const own = mappings.find(({ start, end }) => start <= address && address < end)
  const before = mappings.find(({ end }) => end === address)
  const after = mappings.find(({ start }) => start === address + BigInt(size))
  return { own, before: permissions(before?.start), after: permissions(after?.start) }
}

interface Kind {
  readonly pages: string
  readonly size: number
  readonly pageSize: number
  readonly alignment: number
  /** The reason why this machine cannot give these pages. */
  readonly missing?: string | undefined
}

const hugetlb = hugetlbPageSizes().map((pageSize): Kind => {
  const pages = formatSize(pageSize)
  const size = pageSize >= GiB ? pageSize : 4 * pageSize
  return { pages, size, pageSize, alignment: pageSize, missing: whyNotPools() }
})
const kinds: readonly Kind[] = [
  ...hugetlb,
  {
    pages: 'transparent',
    size: 2 * huge,
    pageSize: basePageSize,
    alignment: huge,
    missing: whyNotTransparent,
  },
  { pages: 'base', size: 16 * basePageSize, pageSize: basePageSize, alignment: basePageSize },
]
const isHugetlb = ({ pages }: Kind) => pages !== 'base' && pages !== 'transparent'

const options = [
  {},
  { lock: true },
  { guard: true },
  { dump: true },
  { lock: true, guard: true, dump: true },
  { numa: { policy: 'bind', nodes: memoryNodes() } },
  { numa: { policy: 'prefer', nodes: memoryNodes().slice(0, 1) } },
  { numa: { policy: 'interleave', nodes: memoryNodes(), strict: true } },
  { numa: { policy: 'local', strict: true } },
] as const

const backings = ['memfd', 'anonymous', 'file'] as const

/** Borrows pages for this test, or returns why it cannot. The run itself has borrowed the only page of 1 GiB. */
function borrow(pageSize: number, pages: number): string | undefined {
  if (pageSize >= GiB && readPool(pageSize).free >= pages) return undefined
  try {
    const loan = borrowHugepages({ pageSize, pages, compact: true })
    onTestFinished(() => loan.giveBack())
    return undefined
  } catch (error) {
    return error instanceof Error ? `no ${formatSize(pageSize)} page can be borrowed: ${error.message}` : String(error)
  }
}

const rows = kinds.flatMap((kind) =>
  backings
    .filter((backing) => backing !== 'file' || isHugetlb(kind))
    .map((backing) => [`${kind.pages} pages on ${backing}`, kind, backing] as const),
)

describe.each(rows)('a region of %s', (_, kind, backing) => {
  // Zeroing a 1 GiB page takes a third of a second, so each backing is tested with one option.
  const chosen = kind.pageSize >= GiB ? options.slice(4, 5) : options

  test.for(chosen)('is as it reports, with %j', (option, context) => {
    needs(context, kind.missing)
    if (isHugetlb(kind)) needs(context, borrow(kind.pageSize, kind.size / kind.pageSize))
    const mount = backing === 'file' ? mountHugetlbfs(context, kind.pageSize) : ''
    const file = `${mount}/rx`
    const { pages, size, pageSize, alignment } = kind
    const wanted = { size, pages, backing: backing === 'file' ? { file } : backing }
    const region = memory.allocateSync('kind', { ...wanted, ...option })
    try {
      expect(region).toMatchObject({ name: 'kind', pages, size, pageSize, passedOver: [], closed: false })
      expect(Number(region.address % BigInt(alignment))).toBe(0)

      const { own, before, after } = mappingsOf(region)
      const flags = own?.flags ?? []
      expect([own?.start, own?.end]).toEqual([region.address, region.address + BigInt(size)])
      expect(own?.fields.get('KernelPageSize')).toBe(pageSize)
      const isLocked = 'lock' in option && !isHugetlb(kind)
      expect(flags).toContain('dc')
      expect({ dump: !flags.includes('dd'), lock: flags.includes('lo') }).toEqual({
        dump: 'dump' in option,
        lock: isLocked,
      })
      expect(flags.includes('ht')).toBe(isHugetlb(kind))
      // The kernel names anonymous memory only if it was built with CONFIG_ANON_VMA_NAME.
      if (backing === 'memfd') expect(own?.name).toBe('/memfd:pinfold:kind (deleted)')
      if (backing === 'anonymous') expect(own?.name).toMatch(/^(\[anon:pinfold:kind\]|\/anon_hugepage \(deleted\)|)$/)
      if (backing === 'file') expect(own?.name).toBe(file)
      if ('guard' in option) expect([before, after]).toEqual(['---p', '---p'])

      const use = region.inspect()
      const field = (...names: string[]) => names.reduce((sum, name) => sum + (own?.fields.get(name) ?? 0), 0)
      const inHugetlb = field('Shared_Hugetlb', 'Private_Hugetlb')
      const inTransparent = field('AnonHugePages', 'ShmemPmdMapped', 'FilePmdMapped')
      expect(use.mapped).toBe(size)
      expect(inHugetlb + field('Rss')).toBe(size)
      expect(use.hugetlbShared + use.hugetlbPrivate + use.resident).toBe(size)
      expect(region.hugeShare).toBe((inHugetlb + inTransparent) / size)
      if (pages !== 'transparent') expect(region.hugeShare).toBe(isHugetlb(kind) ? 1 : 0)
      expect(use.locked).toBe(isLocked ? size : 0)
      expect(Object.values(use.nodes).reduce((sum, bytes) => sum + bytes, 0)).toBe(size)
      expect(region.nodes).toEqual(Object.keys(use.nodes).map(Number))
      // Whether it reads the region alone, or smaps.
      expect({ ...use, nodes: undefined }).toEqual({ ...readSmaps(region.address, size), nodes: undefined })
      for (const node of region.nodes) expect(memoryNodes()).toContain(node)

      // All pages are present, and they are zero.
      expect(
        Buffer.compare(Buffer.from(region.view(size - basePageSize, basePageSize)), Buffer.alloc(basePageSize)),
      ).toBe(0)
      region.bytes[size - 1] = 7
      expect(region.view(size - 1, 1)[0]).toBe(7)
      const { states } = region.translate()
      expect([states.absent, states.swapped]).toEqual([0, 0])
    } finally {
      region.close()
    }
    expect(mappedRegions()).toEqual([])
    if (backing === 'file') expect(existsSync(file)).toBe(false)
  })
})

describe('a transparent region', () => {
  beforeEach((context) => needs(context, whyNotTransparent))

  test('of any size consists of whole base pages, and starts where a huge page can start', () => {
    for (const size of [1, basePageSize + 1, huge - 1, huge + 1]) {
      using region = memory.allocateSync('odd', { size, pages: 'transparent' })
      expect(region.size).toBe(Math.ceil(size / basePageSize) * basePageSize)
      expect(Number(region.address % BigInt(huge))).toBe(0)
    }
  })

  test('reports the share of real huge pages, as kpageflags does', (context) => {
    needs(context, whyNotPhysical)
    using region = memory.allocateSync('share', { size: 4 * huge, pages: 'transparent' })
    const translation = region.translate()
    const { thp = 0 } = translation.pageFlags.counts
    expect((thp * basePageSize) / region.size).toBe(region.hugeShare)
  })
})

describe.for(['memfd', 'anonymous'] as const)('a transparent region whose memory is %s', (backing) => {
  beforeEach((context) => needs(context, whyNotTransparent))

  test('lies on the huge pages that smaps shows, is all zeros, and keeps what is written', ({ skip }) => {
    const size = 8 * huge + 3 * basePageSize
    using region = memory.allocateSync('huge', { size, pages: 'transparent', backing })
    const [own] = readMappingsUse(region.address, size)
    const inHuge = own?.fields.get(backing === 'memfd' ? 'ShmemPmdMapped' : 'AnonHugePages') ?? 0
    expect(region.inspect().transparent).toBe(inHuge)
    expect(own?.fields.get('Rss')).toBe(size)
    const { bytes } = region
    expect(bytes.every((byte) => byte === 0)).toBe(true)
    for (let page = 0; page < size / basePageSize; page++) bytes[page * basePageSize] = page % 251
    for (let page = 0; page < size / basePageSize; page++) expect(bytes[page * basePageSize]).toBe(page % 251)
    skip(region.hugeShare === 0, 'the kernel had no huge page to give')
    expect(inHuge).toBeGreaterThan(0)
  })
})

describe('a file on a hugetlbfs mount', () => {
  const [kind] = hugetlb.filter(({ pageSize }) => pageSize < GiB).slice(-1)

  function mounted(context: TestContext, pages: number) {
    needs(context, whyNotPools())
    if (kind === undefined) return context.skip('needs hugepages of less than 1 GiB')
    needs(context, borrow(kind.pageSize, pages))
    const mount = mountHugetlbfs(context, kind.pageSize)
    return { ...kind, mount, file: `${mount}/rx` }
  }

  test('that is kept gives its contents to the next region', (context) => {
    const { file, pageSize: size, pages } = mounted(context, 2)
    const first = memory.allocateSync('first', { size, pages, backing: { file, keep: true } })
    first.bytes.fill(7)
    first.close()
    const second = memory.allocateSync('second', { size, pages, backing: { file } })
    expect(second.bytes.every((byte) => byte === 7)).toBe(true)
    second.close()
    // A region does not remove a file that it has not made, such as the file of the first region.
    expect(existsSync(file)).toBe(true)
    rmSync(file)
  })

  test.for(['size', 'place', 'kind', 'pages', 'folder'] as const)(
    'of a wrong %s is refused, and left as it was',
    (wrong, context) => {
      const { mount, file, pageSize, pages } = mounted(context, 2)
      const ordinary = mkdtempSync(`${tmpdir()}/pinfold-ordinary-`)
      onTestFinished(() => rmSync(ordinary, { recursive: true }))
      const kept = memory.allocateSync('kept', { size: pageSize, pages, backing: { file, keep: true } })
      kept.close()
      writeFileSync(`${ordinary}/text`, 'text')
      const wanted = {
        size: { size: 2 * pageSize, pages, backing: { file } },
        place: { size: pageSize, pages, backing: { file: `${ordinary}/new` } },
        kind: { size: pageSize, pages: ['base', 'transparent'], backing: { file } },
        pages: { size: pageSize, pages, backing: { file: `${ordinary}/text` } },
        folder: { size: pageSize, pages, backing: { file: ordinary } },
      }[wrong]
      const code = {
        size: 'ERR_INVALID_ARGUMENT',
        place: 'ERR_INVALID_ARGUMENT',
        kind: 'ERR_UNSUPPORTED',
        pages: 'ERR_INVALID_ARGUMENT',
        folder: 'ERR_SYSTEM',
      }[wrong]
      const mend = `sudo ${ownCommand(`hugepages mount /mnt/huge --page-size ${pages}`)}`
      const refused = wrong === 'place' || wrong === 'pages' ? { code, hint: mend } : { code }
      expect(() => memory.allocateSync('wrong', wanted)).toThrow(expect.objectContaining(refused))
      expect(readdirSync(mount)).toEqual(['rx'])
      expect(readdirSync(ordinary)).toEqual(['text'])
      expect(readFileSync(`${ordinary}/text`, 'utf8')).toBe('text')
      expect(mappedRegions()).toEqual([])
      rmSync(file)
    },
  )
})
