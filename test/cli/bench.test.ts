import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ownPages, readPool, repairLoans } from '../../src/hugepages/index.js'
import type { RegionCore } from '../../src/memory/region-core.js'
import { formatSize, KiB, MiB } from '../../src/sizes.js'
import { transparentPageSize } from '../../src/system/page-sizes.js'
import { asNobody } from '../support/child-process.js'
import { jsonOf, pinfold, RunningCommand } from '../support/command-line.js'
import { journals, pageSize, poolPages } from '../support/hugepage-pools.js'
import { allocateCoreSync } from '../support/region-cores.js'
import { needs, whyNotBuilt, whyNotNobody, whyNotPools } from '../support/requirements.js'

const hugetlb = formatSize(pageSize)

const count = z.int().nonnegative()
const figure = z.number().positive()
const benchmarkSchema = z.strictObject({
  name: z.string(),
  about: z.string(),
  varied: z.string(),
  variedIn: z.enum(['bytes', 'elements']),
  measured: z.string(),
  unit: z.string(),
  series: z.array(
    z.strictObject({
      pages: z.string(),
      regionSize: count,
      hugeShare: z.number().min(0).max(1),
      borrowed: count,
      points: z.array(
        z
          .strictObject({ size: count, median: figure, low: figure, high: figure, samples: count })
          .refine(({ low, median, high }) => low <= median && median <= high),
      ),
    }),
  ),
  passedOver: z.array(
    z.strictObject({ pages: z.string(), code: z.string(), reason: z.string(), hint: z.string().nullable() }),
  ),
  seconds: figure,
})
const reportSchema = z.strictObject({
  schema: z.literal('pinfold/bench/1'),
  machine: z.strictObject({
    pinfold: z.string(),
    node: z.string(),
    kernel: z.string(),
    arch: z.string(),
    virtual: z.string().nullable(),
    basePageSize: count,
    cpu: z.string(),
    cpus: count,
    load: z.strictObject({ before: z.number().min(0), after: z.number().min(0) }),
  }),
  quick: z.boolean(),
  benchmarks: z.array(benchmarkSchema),
})

async function bench(words: readonly string[], options: Parameters<typeof pinfold>[1] = {}) {
  const run = await pinfold(['bench', ...words, '--quick', '--json'], options)
  expect(run).toMatchObject({ code: 0, stderr: '' })
  return reportSchema.parse(jsonOf(run))
}

beforeEach((context) => needs(context, whyNotBuilt))

describe('the benchmarks', () => {
  test('all run when none is named, and each measures the same sizes for every kind of pages', async () => {
    const { quick, benchmarks } = await bench([])
    expect(quick).toBe(true)
    expect(benchmarks.map(({ name }) => name)).toEqual(['tlb', 'copy', 'pool', 'buffers'])
    for (const { series, passedOver } of benchmarks) {
      const kinds = [...series, ...passedOver].map(({ pages }) => pages)
      expect(kinds).toEqual(expect.arrayContaining(['base', ...(transparentPageSize() ? ['transparent'] : [])]))
      expect(new Set(kinds).size).toBe(kinds.length)
      const sizes = series.map(({ points }) => points.map(({ size }) => size))
      expect(sizes[0]?.length).toBeGreaterThan(1)
      for (const one of sizes) expect(one).toEqual(sizes[0])
    }
  })

  test('measure the sizes and pages that are asked for, in ascending order and each once', async () => {
    const { benchmarks } = await bench(['tlb', '--pages', 'base,base', '--sizes', '1MiB,64KiB,1MiB'])
    expect(benchmarks).toMatchObject([{ name: 'tlb', unit: 'ns', series: [{ pages: 'base' }], passedOver: [] }])
    const [one] = benchmarks[0]?.series ?? []
    expect(one).toMatchObject({ regionSize: MiB, hugeShare: 0, borrowed: 0 })
    expect(one?.points.map(({ size }) => size)).toEqual([64 * KiB, MiB])
  })

  test.each([
    ['pool', ['1', '32'], 'elements'],
    ['buffers', ['64', '1516', '2KiB'], 'bytes'],
  ])('measure %s of %j', async (name, sizes, unit) => {
    const { benchmarks } = await bench([name, '--pages', 'base', '--sizes', sizes.join()])
    expect(benchmarks).toMatchObject([{ name, variedIn: unit, unit: 'ns', series: [{ pages: 'base' }] }])
    expect(benchmarks[0]?.series[0]?.points.length).toBe(sizes.length)
  })

  test('print a table with a column for each kind of pages, and nothing on stderr', async () => {
    const { code, stdout, stderr } = await pinfold([
      'bench',
      'copy',
      '--quick',
      '--pages',
      'base',
      '--sizes',
      '64,1MiB',
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^copy size +base$/m)
    for (const size of ['64B', '1MiB'])
      expect(stdout).toMatch(new RegExp(`^ *${size} +[\\d.]+ \\([\\d.]+-[\\d.]+\\)$`, 'm'))
  })
})

describe('the HTML page of a report', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pinfold-bench-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  test('needs no other file, and contains charts of the benchmarks with a line for each kind of pages', async () => {
    const file = join(folder, 'report.html')
    const { benchmarks } = await bench(['--html', file])
    const page = readFileSync(file, 'utf8')
    const charts = [...page.matchAll(/<svg[\s\S]*?<\/svg>/g)].map(([chart]) => chart)
    // Each benchmark has a chart for wide pages and one for phones.
    expect(charts.length).toBe(2 * benchmarks.length)
    for (const [at, chart] of charts.entries()) {
      const { series = [], varied, unit = 'no unit' } = benchmarks[Math.floor(at / 2)] ?? {}
      expect(chart.match(/ecmeta_ssr_type="legend"/g)?.length).toBe(series.length)
      const texts = [...chart.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text)
      for (const { pages } of series) expect(texts).toContainEqual(expect.stringMatching(`^${pages}(, \\d+% huge)?$`))
      expect(texts).toContain(varied)
      expect(texts).toContainEqual(expect.stringContaining(unit))
    }
    expect(page.match(/<strong>[^<]+\.<\/strong>/g)?.length).toBe(benchmarks.length)
    expect(page.match(/<tr(?: class="noisy")?><th>/g)?.length).toBe(
      benchmarks.reduce((rows, { series }) => rows + (series[0]?.points.length ?? 0), benchmarks.length),
    )
    expect(page).not.toMatch(/<script|<link|<img|@import|url\((?!#)/)
  })

  test('shows a chart of one size, too, and the text output names its file', async () => {
    const file = join(folder, 'report.html')
    const words = ['bench', 'copy', '--quick', '--pages', 'base', '--sizes', '100', '--html', file]
    const { code, stdout } = await pinfold(words)
    expect(code).toBe(0)
    expect(stdout).toContain(`charts in ${file}`)
    expect(readFileSync(file, 'utf8')).toContain('<svg')
  })

  test('is refused before anything is measured if it cannot be written', async () => {
    for (const path of [folder, join(folder, 'none', 'report.html')]) {
      const { code, stdout, stderr } = await pinfold(['bench', '--html', path])
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toContain(`'${path}'`)
    }
  })
})

describe('the hugepages of a benchmark', () => {
  let before: number
  let taken: RegionCore | undefined

  beforeEach((context) => {
    needs(context, whyNotPools())
    repairLoans()
    before = poolPages()
    const { free, reserved = 0 } = readPool(pageSize)
    if (free > reserved) taken = allocateCoreSync('taken', { size: (free - reserved) * pageSize, pages: hugetlb })
  })

  afterEach(() => {
    taken?.close()
    taken = undefined
    expect(poolPages()).toBe(before)
    expect(journals().filter((name) => !name.startsWith(`loan-${process.pid}-`))).toEqual([])
  })

  test('are borrowed if the hugepage pool has too few, and given back', async () => {
    const { benchmarks } = await bench(['copy', '--pages', hugetlb, '--sizes', '4KiB'])
    expect(benchmarks).toMatchObject([{ series: [{ pages: hugetlb, hugeShare: 1 }], passedOver: [] }])
    expect(benchmarks[0]?.series[0]?.borrowed).toBeGreaterThan(0)
  })

  test('are given back on Ctrl-C', async () => {
    const own = ownPages(readPool(pageSize))
    const words = ['bench', '--pages', hugetlb, '--seconds', '600']
    await using command = new RunningCommand(words)
    await command.line(/^pinfold/)
    await expect.poll(() => ownPages(readPool(pageSize)), { timeout: 20_000 }).toBeGreaterThan(own)
    expect(await command.kill('SIGINT')).toMatchObject({ signal: 'SIGINT' })
    expect(ownPages(readPool(pageSize))).toBe(own)
  })

  test('are passed over if they cannot be borrowed, with the reason and the command that helps', async (context) => {
    needs(context, whyNotNobody())
    const words = ['copy', '--sizes', '4KiB', '--pages', `${hugetlb},base`]
    const { benchmarks } = await bench(words, { prefix: asNobody })
    expect(benchmarks).toMatchObject([
      { series: [{ pages: 'base' }], passedOver: [{ pages: hugetlb, code: 'ERR_HUGEPAGES_SHORT' }] },
    ])
    expect(benchmarks[0]?.passedOver[0]?.hint).toContain('nr_hugepages')
    const run = await pinfold(['bench', ...words.slice(0, -1), hugetlb, '--quick'], { prefix: asNobody })
    expect(run).toMatchObject({ code: 5, stderr: '', stdout: expect.stringContaining(`${hugetlb} passed over: `) })
  })
})
