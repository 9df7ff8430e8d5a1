import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { demoSize } from '../../src/cli/demo/report.js'
import { ownPages, readPool, repairLoans } from '../../src/hugepages/index.js'
import type { RegionCore } from '../../src/memory/region-core.js'
import { listDevices } from '../../src/rdma/devices/open-device.js'
import { formatSize } from '../../src/sizes.js'
import { asNobody } from '../support/child-process.js'
import { jsonOf, pinfold, RunningCommand } from '../support/command-line.js'
import { journals, pageSize, poolPages } from '../support/hugepage-pools.js'
import { allocateCoreSync } from '../support/region-cores.js'
import { needs, whyNotBuilt, whyNotNobody, whyNotPools } from '../support/requirements.js'

const reason = whyNotBuilt ?? whyNotPools()
const size = formatSize(pageSize)
const needed = demoSize / pageSize

const hex = z.string().regex(/^0x[0-9a-f]+$/)
const count = z.int().nonnegative()
const time = z.number().positive()
const refusal = z.strictObject({ code: z.string(), reason: z.string() })
const poolCounts = z.strictObject({ total: count, free: count })
const change = z.strictObject({ before: count, after: count })

const reportSchema = z.strictObject({
  schema: z.literal('pinfold/demo/1'),
  machine: z.strictObject({
    pinfold: z.string(),
    node: z.string(),
    kernel: z.string(),
    arch: z.string(),
    virtual: z.string().nullable(),
    basePageSize: count,
  }),
  pages: z.strictObject({
    pool: z.strictObject({ pageSize: count, total: count, free: count }).nullable(),
    enough: z.boolean(),
    borrowed: count,
    repaired: z.array(z.strictObject({ pid: count, pageSize: count, pages: count })),
    refusals: z.array(refusal),
  }),
  region: z.strictObject({
    name: z.literal('demo'),
    address: hex,
    size: z.literal(demoSize),
    pages: z.string(),
    pageSize: count,
    pageCount: count,
    nodes: z.array(count),
    hugeShare: z.number().min(0).max(1),
    passedOver: z.array(refusal.extend({ pages: z.string() })),
    milliseconds: time,
  }),
  physical: z.strictObject({
    states: z.strictObject({ present: count, swapped: count, hidden: count, absent: count }),
    milliseconds: time,
    runs: z.array(z.strictObject({ offset: count, physicalAddress: hex, length: count })).nullable(),
    pageTables: z.array(z.strictObject({ pageSize: count, entries: count })).nullable(),
  }),
  bytes: z.strictObject({ writeMilliseconds: time, readMilliseconds: time, differences: z.literal(0) }),
  worker: z.strictObject({
    thread: count,
    handleBytes: count.max(1000),
    address: hex,
    differencesThere: z.literal(0),
    differencesHere: z.literal(0),
    milliseconds: time,
  }),
  device: z.strictObject({
    name: z.string(),
    kind: z.enum(['verbs', 'loopback']),
    passedOver: z.array(z.strictObject({ device: z.string(), code: z.string(), reason: z.string() })),
    registration: z.strictObject({
      bytes: z.literal(demoSize),
      access: z.tuple([z.literal('localWrite'), z.literal('remoteWrite')]),
      milliseconds: time,
    }),
    write: z.strictObject({
      bytes: z.literal(demoSize),
      requests: count,
      differences: z.literal(0),
      milliseconds: time,
    }),
  }),
  verification: z.strictObject({ pages: count, moved: z.literal(0), milliseconds: time }),
  close: z.strictObject({ milliseconds: time }),
  left: z.strictObject({
    mappings: z.strictObject({ before: z.literal(0), after: z.literal(0) }),
    descriptors: change.extend({ added: z.array(z.string()) }),
    hugepages: z.array(z.strictObject({ pageSize: count, before: poolCounts, after: poolCounts })),
    others: z.array(count),
    poolsAsBefore: z.boolean(),
    nothing: z.literal(true),
  }),
  more: z.array(z.strictObject({ gives: z.string(), command: z.string() })),
})

async function demo(options: Parameters<typeof pinfold>[1] = {}) {
  const run = await pinfold(['demo', '--json'], options)
  expect(run).toMatchObject({ code: 0, stderr: '' })
  return reportSchema.parse(jsonOf(run))
}

describe('the demo', () => {
  let before: number
  let taken: RegionCore | undefined

  beforeEach((context) => {
    needs(context, reason)
    repairLoans()
    before = poolPages()
  })

  afterEach(() => {
    if (reason !== undefined) return
    taken?.close()
    taken = undefined
    expect(poolPages()).toBe(before)
    expect(journals().filter((name) => !name.startsWith(`loan-${process.pid}-`))).toEqual([])
  })

  /** Takes all free pages but one, so that the demo finds too few in the hugepage pool. */
  function emptyPool(): void {
    const { free, reserved = 0 } = readPool(pageSize)
    const pages = free - reserved - 1
    if (pages > 0) taken = allocateCoreSync('taken', { size: pages * pageSize, pages: formatSize(pageSize) })
  }

  // The streams of a process are pipes, files or terminals, and its event loop opens different things for each.
  test('leaves nothing when its output is a file', async () => {
    const { code } = await pinfold(['demo'], { prefix: ['sh', '-c', 'exec "$@" </dev/null >/dev/null 2>&1', 'sh'] })
    expect(code).toBe(0)
  })

  test('prints one JSON object whose parts agree with each other', async () => {
    const report = await demo()
    const { region, physical, worker } = report
    expect(region.pageCount * region.pageSize).toBe(demoSize)
    expect(worker.address).toBe(region.address)
    expect(region.hugeShare).toBe(1)
    expect(physical.runs?.reduce((sum, { length }) => sum + length, 0)).toBe(demoSize)
    expect(physical.pageTables).toEqual([
      { pageSize: 4096, entries: demoSize / 4096 },
      { pageSize: region.pageSize, entries: region.pageCount },
    ])
    expect(report.more).toEqual([])
  })

  test('registers its region with the device that openDevice() returns', async () => {
    const { device } = await demo()
    const [first] = listDevices()
    expect(device).toMatchObject({ name: first?.name, kind: first?.kind, passedOver: [] })
    expect(device.write.requests * 2 ** 20).toBe(demoSize)
  })

  test('prints a line for each step, no wider than a terminal, and nothing on stderr', async () => {
    const { code, stdout, stderr } = await pinfold(['demo'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.trimEnd().split('\n')
    const labels = lines.slice(3).map((line) => line.slice(0, 12).trim())
    expect(labels.filter((label) => label !== '')).toEqual(
      expect.arrayContaining([
        'hugepages',
        'region',
        'translated',
        'page table',
        'written',
        'read',
        'worker',
        'registered',
        'by device',
        'verified',
        'left',
      ]),
    )
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(100)
    expect(stdout).toContain('nothing of ours is left')
  })

  test('borrows the pages that the hugepage pool lacks, and gives them back', async () => {
    emptyPool()
    const { pages, region } = await demo()
    expect(pages).toMatchObject({ pool: { pageSize }, enough: true, borrowed: needed })
    expect(region.pages).toBe(size)
  })

  test('without root falls back to other pages, and says why and which command gives more', async (context) => {
    needs(context, whyNotNobody())
    emptyPool()
    const { pages, region, physical, more } = await demo({ prefix: asNobody })
    expect(pages).toMatchObject({ enough: false, borrowed: 0, refusals: [{ code: 'ERR_PERMISSION' }] })
    expect(['transparent', 'base']).toContain(region.pages)
    expect(region.passedOver[0]).toMatchObject({ pages: size, code: 'ERR_HUGEPAGES_SHORT' })
    expect(physical).toMatchObject({ runs: null, pageTables: null, states: { present: 0 } })
    expect(more).toMatchObject([
      { gives: `${size} pages and physical addresses`, command: expect.stringMatching(/^sudo .*main\.js demo$/) },
    ])
    const script = await demo({ prefix: asNobody, env: { npm_lifecycle_event: 'demo' } })
    expect(script.more[0]?.command).toBe('sudo npm run demo')
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('gives back its borrowed pages on %s', async (signal) => {
    emptyPool()
    const pages = ownPages(readPool(pageSize))
    await using command = new RunningCommand(['demo', '--hold'])
    await command.line(/^held until Enter/)
    expect(poolPages()).toBe(before + needed)
    expect(await command.kill(signal)).toMatchObject({ signal })
    expect(ownPages(readPool(pageSize))).toBe(pages)
  })

  test('is repaired after a kill -9 by the next run, which reports the repair', async () => {
    emptyPool()
    let pid: number
    {
      await using command = new RunningCommand(['demo', '--hold'])
      await command.line(/^held until Enter/)
      pid = command.pid
      await command.kill('SIGKILL')
    }
    expect(poolPages()).toBe(before + needed)
    const { stdout } = await pinfold(['demo'])
    expect(stdout).toContain(`took back ${needed} pages of ${size} that process ${pid} left when it was killed`)
    expect(poolPages()).toBe(before)
  })

  test('can be translated by another command while it waits for Enter, and then ends with nothing left', async () => {
    await using command = new RunningCommand(['demo', '--hold'])
    const held = await command.line(/pinfold translate \d+ 0x/)
    const [address] = /0x[0-9a-f]+/.exec(held) ?? []
    const outside = await pinfold(['translate', command.pid, address ?? '', formatSize(demoSize), '--json'])
    expect(jsonOf(outside)).toMatchObject({ states: { absent: 0, hidden: 0, swapped: 0 } })
    command.say('\n')
    const { code, stdout } = await command.ended
    expect(code).toBe(0)
    expect(stdout).toContain('nothing of ours is left')
  })

  test('runs twice at once, each with its own pages', async () => {
    emptyPool()
    const reports = await Promise.all([demo(), demo()])
    for (const { region, left } of reports) {
      expect(region.pages).toBe(size)
      expect(left.descriptors.after).toBe(left.descriptors.before)
    }
  })
})
