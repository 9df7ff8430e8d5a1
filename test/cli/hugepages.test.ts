import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { defaultHugepageSize } from '../../src/cli/hugepages/default-size.js'
import { lentPages } from '../../src/cli/hugepages/lent-pages.js'
import { sysctlFile } from '../../src/cli/hugepages/persist.js'
import { borrowHugepages, ownPages, readPool, repairLoans } from '../../src/hugepages/index.js'
import { formatSize } from '../../src/sizes.js'
import { memoryNodes } from '../../src/system/numa.js'
import { hugetlbPageSizes } from '../../src/system/page-sizes.js'
import { asNobody } from '../support/child-process.js'
import { jsonOf, pinfold } from '../support/command-line.js'
import { pageSize, poolPages } from '../support/hugepage-pools.js'
import { allocateCoreSync } from '../support/region-cores.js'
import { needs, whyNotBuilt, whyNotNobody, whyNotPools } from '../support/requirements.js'

const reason = whyNotBuilt ?? whyNotPools()
const size = formatSize(pageSize)

const persistSchema = z.strictObject({
  by: z.enum(['sysctl', 'kernel-command-line']),
  file: z.string().nullable(),
  lines: z.array(z.string()),
  written: z.boolean(),
  command: z.string().optional(),
  overriddenBy: z.array(z.string()),
})

const reservationSchema = z.strictObject({
  schema: z.enum(['pinfold/hugepages-reserve/1', 'pinfold/hugepages-release/1']),
  dryRun: z.boolean(),
  pageSize: z.int(),
  changes: z.array(z.strictObject({ node: z.int().nullable(), before: z.int(), after: z.int() })),
  overcommit: z.strictObject({ before: z.int(), after: z.int() }).nullable(),
  persist: persistSchema.nullable(),
})

const count = z.int().nonnegative()
const showSchema = z.strictObject({
  schema: z.literal('pinfold/hugepages-show/1'),
  defaultPageSize: z.int().nullable(),
  pools: z.array(
    z.strictObject({
      pageSize: count,
      node: count.nullable(),
      total: count,
      free: count,
      reserved: count.nullable(),
      surplus: count,
      overcommit: count.nullable(),
    }),
  ),
  mounts: z.array(
    z.strictObject({
      path: z.string(),
      pageSize: count,
      size: count.nullable(),
      minSize: count.nullable(),
      free: count.nullable(),
      mode: z.string().nullable(),
      owner: z.string().nullable(),
    }),
  ),
  users: z.array(z.strictObject({ pid: count, command: z.string(), hugetlb: count })),
  loans: z.array(
    z.strictObject({
      pid: count,
      pageSize: count,
      pages: count,
      nodes: z.record(z.string(), count),
      owner: z.enum(['alive', 'dead', 'unknown']),
      journal: z.string(),
    }),
  ),
})

/** Pages that the tests have added to hugepage pools and not yet removed, by the words that name the pool. */
const added = new Map<string, number>()

/** Reserves or releases pages, and checks the report. Added pages are removed after the test. */
async function reservation(verb: 'reserve' | 'release', ...words: (string | number)[]) {
  const run = await pinfold(['hugepages', verb, ...words, '--json'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const report = reservationSchema.parse(jsonOf(run))
  for (const { node, before, after } of report.dryRun ? [] : report.changes) {
    const place = JSON.stringify([formatSize(report.pageSize), ...(node === null ? [] : ['--node', node])])
    added.set(place, (added.get(place) ?? 0) + after - before)
  }
  return report
}

/** The pages that stay after every borrower has ended. Other test runs at the same time do not change them. */
function kept(): number {
  return ownPages(readPool(pageSize)) - lentPages({ pageSize, node: undefined })
}

/** The size that a report's only pool must reach by a change of `pages`. */
function growth(report: z.infer<typeof reservationSchema>, pages: number): number {
  return (report.changes[0]?.before ?? Number.NaN) + pages
}

/** Removes the pages that a test has added. Waits while another test run uses every page of the pool. */
async function takeOut(): Promise<void> {
  for (const [place, pages] of added) {
    if (pages > 0) {
      const [name, ...node] = JSON.parse(place)
      const words = ['hugepages', 'release', name, pages, ...node]
      await expect.poll(async () => (await pinfold(words)).code, { timeout: 30_000, interval: 100 }).toBe(0)
    }
    added.delete(place)
  }
}

describe('hugepages show', () => {
  beforeEach((context) => needs(context, whyNotBuilt))

  test('lists every hugepage pool by size and node, and is the default of `pinfold hugepages`', async () => {
    const report = showSchema.parse(jsonOf(await pinfold(['hugepages', 'show', '--json'])))
    const places = [null, ...memoryNodes()]
    expect(report.pools.map(({ pageSize, node }) => ({ pageSize, node }))).toEqual(
      hugetlbPageSizes().flatMap((pageSize) => places.map((node) => ({ pageSize, node }))),
    )
    const { code, stdout } = await pinfold(['hugepages'])
    expect(code).toBe(0)
    for (const pageSize of hugetlbPageSizes()) expect(stdout).toContain(formatSize(pageSize))
  })

  test('names the users of hugepages without privileges, and the borrowers', async (context) => {
    needs(context, reason, whyNotNobody())
    const loan = borrowHugepages({ pageSize, pages: 3 })
    const region = allocateCoreSync('shown', { size: 2 * pageSize, pages: formatSize(pageSize) })
    try {
      const seen = showSchema.parse(jsonOf(await pinfold(['hugepages', '--json'], { prefix: asNobody })))
      expect(seen.users.find(({ pid }) => pid === process.pid)?.hugetlb).toBeGreaterThanOrEqual(2 * pageSize)
      const { loans } = showSchema.parse(jsonOf(await pinfold(['hugepages', '--json'])))
      const loan = { pid: process.pid, pageSize, pages: 3, nodes: expect.anything() }
      expect(loans).toContainEqual({ ...loan, owner: 'alive', journal: expect.any(String) })
    } finally {
      region.close()
      loan.giveBack()
    }
  })
})

describe('a hugepage pool', () => {
  let before: number

  beforeEach((context) => {
    needs(context, reason)
    repairLoans()
    before = poolPages()
  })

  afterEach(async () => {
    if (reason !== undefined) return
    await takeOut()
    expect(poolPages()).toBe(before)
  })

  test('grows and shrinks by a number of pages, or by an amount of memory', async () => {
    const more = await reservation('reserve', size, 3)
    expect(more).toMatchObject({ schema: 'pinfold/hugepages-reserve/1', dryRun: false, pageSize, persist: null })
    expect(more.changes).toEqual([{ node: null, before: expect.any(Number), after: growth(more, 3) }])
    expect(poolPages()).toBe(before + 3)
    const fewer = await reservation('release', size, formatSize(2 * pageSize))
    expect(fewer).toMatchObject({ schema: 'pinfold/hugepages-release/1', changes: [{ after: growth(fewer, -2) }] })
    expect(poolPages()).toBe(before + 1)
  })

  test('is only raised by `reserve --to` and only lowered by `release --to`, and loans do not count', async () => {
    const now = kept()
    await reservation('reserve', size, '--to', now + 2)
    await expect.poll(kept).toBe(now + 2)
    await reservation('reserve', size, '--to', 0)
    await reservation('release', size, '--to', now + 3)
    await expect.poll(kept).toBe(now + 2)
    const dry = await reservation('release', size, '--to', now + 1, '--dry-run')
    expect(dry.changes).toEqual([{ node: null, before: expect.any(Number), after: growth(dry, -1) }])
  })

  test('is not changed by a dry run, which reports the same change', async () => {
    const dry = await reservation('reserve', size, 5, '--dry-run')
    expect(dry).toMatchObject({ dryRun: true, changes: [{ after: growth(dry, 5) }] })
    expect(poolPages()).toBe(before)
  })

  test.each(memoryNodes())('of node %i changes on this node', async (node) => {
    const report = await reservation('reserve', size, 2, '--node', node)
    expect(report.changes).toMatchObject([{ node, after: growth(report, 2) }])
    expect(poolPages()).toBe(before + 2)
  })

  test('that cannot grow so far is refused in the same words by a dry run', async () => {
    const more = 4 * Math.ceil(totalmem() / pageSize)
    const [dry, real] = await Promise.all([
      pinfold(['hugepages', 'reserve', size, more, '--dry-run', '--json']),
      pinfold(['hugepages', 'reserve', size, more, '--json']),
    ])
    expect([dry.code, real.code]).toEqual([5, 5])
    for (const run of [dry, real]) {
      expect(jsonOf(run)).toMatchObject({
        code: 'ERR_POOL_CHANGE_REFUSED',
        message: expect.stringMatching(
          `^${more} more pages of .* do not fit into the .* that are free on this machine`,
        ),
        values: { wanted: expect.any(Number), reachableBytes: expect.any(Number) },
      })
      expect(jsonOf(run).hint).toBeUndefined()
    }
  })

  test('is refused to a user without privileges, without a command if the machine has too little memory', async (context) => {
    needs(context, whyNotNobody())
    const more = 4 * Math.ceil(totalmem() / pageSize)
    const run = await pinfold(['hugepages', 'reserve', size, more, '--json'], { prefix: asNobody })
    expect(run.code).toBe(4)
    expect(jsonOf(run).hint).toBeUndefined()
  })

  test('that cannot grow stays as it was, and the exit code is 5', async () => {
    const run = await pinfold(['hugepages', 'reserve', size, '64TiB', '--json'])
    expect(run.code).toBe(5)
    expect(jsonOf(run)).toMatchObject({ schema: 'pinfold/error/1', code: 'ERR_POOL_CHANGE_REFUSED' })
  })

  test('keeps pages that are in use or lent: a release of all is refused as a whole', async () => {
    const loan = borrowHugepages({ pageSize, pages: 4 })
    const region = allocateCoreSync('kept', { size: 2 * pageSize, pages: formatSize(pageSize) })
    try {
      const now = kept()
      const run = await pinfold(['hugepages', 'release', size, ownPages(readPool(pageSize))])
      expect(run.code).toBe(5)
      expect(run.stderr).toMatch(/cannot release \d+ pages of \w+: \d+ free .*nothing was changed/)
      expect(kept()).toBe(now)
      expect((await pinfold(['hugepages', 'release', size, now + 1])).code).toBe(5)
    } finally {
      region.close()
      loan.giveBack()
    }
  })

  test('may grow on demand up to the number of `--overcommit`', async () => {
    const { overcommit = 0 } = readPool(pageSize)
    try {
      const { overcommit: change } = await reservation('reserve', size, '--overcommit', overcommit + 7)
      expect(change).toEqual({ before: overcommit, after: overcommit + 7 })
      expect(readPool(pageSize).overcommit).toBe(overcommit + 7)
    } finally {
      await reservation('reserve', size, '--overcommit', overcommit)
    }
    expect(readPool(pageSize).overcommit).toBe(overcommit)
  })

  test('cannot be changed without privileges: exit code 4, and the command for root', async (context) => {
    needs(context, whyNotNobody())
    const run = await pinfold(['hugepages', 'reserve', size, 1, '--json'], { prefix: asNobody })
    expect(run.code).toBe(4)
    const error = jsonOf(run)
    expect(error).toMatchObject({ schema: 'pinfold/error/1', code: 'ERR_PERMISSION' })
    expect(error.hint).toMatch(/^echo \d+ \| sudo tee \/sys\/.*\/nr_hugepages$/)
  })
})

describe('a reservation for the next boot', () => {
  const kept = `${sysctlFile}.kept-by-test`

  beforeEach((context) => {
    needs(context, reason)
    if (existsSync(sysctlFile)) renameSync(sysctlFile, kept)
  })

  afterEach(async () => {
    if (reason !== undefined) return
    await takeOut()
    rmSync(sysctlFile, { force: true })
    if (existsSync(kept)) renameSync(kept, sysctlFile)
  })

  test('of the default size is a sysctl file without loans, and a dry run shows its lines', async () => {
    const defaultSize = defaultHugepageSize() ?? 0
    const name = formatSize(defaultSize)
    const loan = borrowHugepages({ pageSize: defaultSize, pages: 2 })
    try {
      const dry = await reservation('reserve', name, 1, '--persist', '--dry-run')
      expect(dry.persist).toMatchObject({ by: 'sysctl', file: sysctlFile, written: false })
      expect(existsSync(sysctlFile)).toBe(false)
      const { persist, changes } = await reservation('reserve', name, 1, '--persist')
      expect(persist).toMatchObject({ by: 'sysctl', file: sysctlFile, written: true, lines: dry.persist?.lines })
      const text = readFileSync(sysctlFile, 'utf8')
      expect(text).toBe(`${persist?.lines.join('\n')}\n`)
      const pages = Number(/^vm\.nr_hugepages = (\d+)$/m.exec(text)?.[1])
      expect(pages).toBeLessThanOrEqual((changes[0]?.after ?? 0) - 2)
      expect(readdirSync('/etc/sysctl.d').filter((file) => file.includes('.new'))).toEqual([])
      expect(pages).toBeGreaterThan(0)
    } finally {
      loan.giveBack()
    }
  })

  test('names another file that would undo it', async () => {
    const later = '/etc/sysctl.d/99-pinfold-test.conf'
    writeFileSync(later, 'vm.nr_hugepages=0\n')
    try {
      const { persist } = await reservation(
        'reserve',
        formatSize(defaultHugepageSize() ?? 0),
        0,
        '--persist',
        '--dry-run',
      )
      expect(persist?.overriddenBy).toContain(later)
    } finally {
      rmSync(later)
    }
  })

  test('that cannot be written leaves the hugepage pool as it was', async () => {
    const pages = poolPages()
    // A folder in the file's place cannot be replaced by a file, not even by root.
    mkdirSync(sysctlFile)
    try {
      const words = ['reserve', formatSize(defaultHugepageSize() ?? 0), 2, '--persist', '--dry-run']
      const dry = await pinfold(['hugepages', ...words])
      expect(dry).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(sysctlFile) })
      const run = await pinfold(['hugepages', 'reserve', formatSize(defaultHugepageSize() ?? 0), 2, '--persist'])
      expect(run.code).toBe(1)
      expect(run.stderr).toContain(sysctlFile)
    } finally {
      rmdirSync(sysctlFile)
    }
    expect(poolPages()).toBe(pages)
  })

  test('of one node, or of another size, is a line for the kernel command line', async () => {
    const [node = 0] = memoryNodes()
    const { persist } = await reservation('reserve', size, 1, '--node', node, '--persist', '--dry-run')
    expect(persist).toMatchObject({ by: 'kernel-command-line', file: null, written: false })
    expect(persist?.lines[0]).toMatch(/^hugepagesz=\d+[MG] hugepages=\d+:\d+/)
    const other = hugetlbPageSizes().find((size) => size !== defaultHugepageSize())
    if (other === undefined) return
    const whole = await reservation('reserve', formatSize(other), 1, '--persist', '--dry-run')
    expect(whole.persist?.lines[0]).toMatch(/^hugepagesz=\d+[MG] hugepages=\d+$/)
  })
})
