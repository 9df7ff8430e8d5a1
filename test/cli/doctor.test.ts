import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readPool } from '../../src/hugepages/index.js'
import { formatSize } from '../../src/sizes.js'
import { sizeName } from '../../src/system/cgroup.js'
import { hugetlbPageSizes } from '../../src/system/page-sizes.js'
import { memlockLimit } from '../../src/system/process-limits.js'
import { makeCgroup } from '../support/cgroups.js'
import { asNobody } from '../support/child-process.js'
import { jsonOf, mainScript, pinfold } from '../support/command-line.js'
import { pageSize } from '../support/hugepage-pools.js'
import { needs, whyNotBuilt, whyNotNobody, whyNotPools } from '../support/requirements.js'

const reportSchema = z.strictObject({
  schema: z.literal('pinfold/doctor/1'),
  pinfold: z.string(),
  node: z.string(),
  kernel: z.string(),
  arch: z.string(),
  purposes: z.array(
    z.strictObject({
      purpose: z.enum(['hugepages', 'physical-addresses', 'rdma', 'lab', 'numa', 'other-users']),
      answer: z.enum(['yes', 'partly', 'no', 'unknown']),
      reason: z.string().regex(/^[^\n]+$/),
      command: z.string().nullable(),
    }),
  ),
  counts: z.strictObject({ ok: z.int(), info: z.int(), warn: z.int(), fail: z.int(), unknown: z.int() }),
  checks: z.array(
    z.strictObject({
      id: z.string().regex(/^[a-z]+(\.[A-Za-z0-9_-]+)+$/),
      status: z.enum(['ok', 'info', 'warn', 'fail', 'unknown']),
      seen: z.string().regex(/^[^\n]+$/),
      mend: z.string().optional(),
      values: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
})

type Report = z.infer<typeof reportSchema>

function check(report: Report, id: string) {
  const found = report.checks.find((check) => check.id === id)
  expect(found, id).toBeDefined()
  return found
}

/** Ids of checks that must not change, since programs look for them. */
const stableIds = [
  'machine.kernel',
  'machine.virtual',
  'machine.numa',
  'native.addon',
  'native.page-size',
  'kernel.populate-write',
  'kernel.collapse',
  'kernel.memfd-hugetlb',
  'kernel.memfd-noexec',
  'kernel.anonymous-name',
  'kernel.numa-policy',
  'kernel.preferred-many',
  ...hugetlbPageSizes().map((size) => `hugepages.pool.${formatSize(size)}`),
  'thp.enabled',
  'limits.memlock',
  ...hugetlbPageSizes().map((size) => `limits.cgroup.hugetlb.${formatSize(size)}`),
  'limits.cgroup.memory',
  'privileges.sys-admin',
  'privileges.ipc-lock',
  'privileges.pfn',
  'privileges.page-flags',
  'privileges.other-users',
  'iommu.groups',
  'rdma.libibverbs',
  'rdma.modules',
  'rdma.nodes',
  'rdma.memlock',
  'rdma.lab',
]

describe('doctor', () => {
  beforeEach((context) => needs(context, whyNotBuilt))

  test('reports every check once, by its stable id and in its schema, and counts the results', async () => {
    const run = await pinfold(['doctor', '--json'])
    expect(run.stderr).toBe('')
    const report = reportSchema.parse(jsonOf(run))
    const ids = report.checks.map(({ id }) => id)
    expect(ids).toEqual([...new Set(ids)])
    expect(ids).toEqual(expect.arrayContaining(stableIds))
    for (const [status, count] of Object.entries(report.counts)) {
      expect(report.checks.filter((check) => check.status === status)).toHaveLength(count)
    }
    expect(run.code).toBe(report.counts.fail > 0 ? 3 : 0)
  })

  test('answers six purposes, and shows a command only for an answer that is not yes', async () => {
    const { purposes } = reportSchema.parse(jsonOf(await pinfold(['doctor', '--json'])))
    expect(purposes.map(({ purpose }) => purpose)).toEqual([
      'hugepages',
      'physical-addresses',
      'rdma',
      'lab',
      'numa',
      'other-users',
    ])
    expect(purposes.filter(({ answer, command }) => answer === 'yes' && command !== null)).toEqual([])
    const { stdout } = await pinfold(['doctor'])
    const commands = stdout.split('\n').filter((line) => line.trimStart().startsWith('$ '))
    expect(new Set(commands).size).toBe(commands.length)
    for (const command of commands) {
      expect(purposes.map(({ command }) => command)).toContain(command.trimStart().slice(2))
    }
    expect(stdout).toMatch(/^hugepage regions +(yes|partly|no) /m)
    expect(stdout).not.toContain('machine.kernel')
    expect((await pinfold(['doctor', '-v'])).stdout).toContain('machine.kernel')
  })

  test('answers for other users what a user without root then sees', async (context) => {
    needs(context, whyNotNobody())
    const of = async (prefix: readonly string[]) => {
      const run = await pinfold(['doctor', '--only', 'machine,privileges', '--json'], { prefix })
      return reportSchema.parse(jsonOf(run)).purposes
    }
    const byRoot = (await of([])).find(({ purpose }) => purpose === 'other-users')
    const byNobody = (await of(asNobody)).find(({ purpose }) => purpose === 'physical-addresses')
    expect(byRoot?.answer).toBe(byNobody?.answer === 'no' ? 'partly' : 'yes')
  })

  test('reports the counters of a hugepage pool as the kernel does', async () => {
    const report = reportSchema.parse(jsonOf(await pinfold(['doctor', '--only', 'hugepages', '--json'])))
    for (const pageSize of hugetlbPageSizes()) {
      const { overcommit } = readPool(pageSize)
      expect(check(report, `hugepages.pool.${formatSize(pageSize)}`)?.values).toMatchObject({ pageSize, overcommit })
    }
  })

  test('checks only the groups that are asked for', async () => {
    const report = reportSchema.parse(jsonOf(await pinfold(['doctor', '--only', 'iommu,machine', '--json'])))
    expect([...new Set(report.checks.map(({ id }) => id.split('.')[0]))]).toEqual(['machine', 'iommu'])
    expect(report.purposes).toEqual([])
  })

  test('tells a user without privileges that page frames are hidden, and names the command that helps', async (context) => {
    needs(context, whyNotNobody())
    const run = await pinfold(['doctor', '--only', 'privileges,limits', '--json'], { prefix: asNobody })
    const report = reportSchema.parse(jsonOf(run))
    expect(check(report, 'privileges.sys-admin')).toMatchObject({
      status: 'warn',
      mend: `sudo setcap cap_sys_admin,cap_ipc_lock+ep ${process.execPath}`,
    })
    expect(check(report, 'privileges.pfn')).toMatchObject({ status: 'warn', values: { state: 'hidden' } })
    expect(check(report, 'privileges.page-flags')).toMatchObject({ status: 'info' })
    expect(run.code).toBe(0)
    const strict = await pinfold(['doctor', '--only', 'privileges', '--strict'], { prefix: asNobody })
    expect(strict.code).toBe(3)
  })

  /** The report about limits that a user without privileges gets under this limit of locked memory. */
  async function limitsUnder(limit: string): Promise<Report> {
    const prefix = ['prlimit', `--memlock=${limit}`, '--', ...asNobody]
    return reportSchema.parse(jsonOf(await pinfold(['doctor', '--only', 'limits', '--json'], { prefix })))
  }

  test('finds the limit of locked memory too low, and names the command for root', async (context) => {
    needs(context, whyNotNobody())
    expect(check(await limitsUnder('65536:65536'), 'limits.memlock')).toMatchObject({
      status: 'warn',
      mend: 'sudo prlimit --pid $$ --memlock=unlimited:unlimited',
      values: { soft: 65536, hard: 65536 },
    })
  })

  test('accepts an unlimited limit, and names the command of the shell if only the soft limit is too low', async (context) => {
    const isHard = memlockLimit().hard !== Number.POSITIVE_INFINITY
    needs(context, whyNotNobody(), isHard ? 'needs no hard limit of locked memory' : undefined)
    expect(check(await limitsUnder('65536:unlimited'), 'limits.memlock')).toMatchObject({
      mend: 'ulimit -l unlimited',
      values: { hard: null },
    })
    expect(check(await limitsUnder('unlimited'), 'limits.memlock')).toMatchObject({ status: 'ok' })
  })

  test('says how much memory can be registered with a device, and names the command for root to allow more', async (context) => {
    needs(context, whyNotNobody())
    const prefix = ['prlimit', '--memlock=65536:65536', '--', ...asNobody]
    const run = await pinfold(['doctor', '--only', 'rdma', '--json'], { prefix })
    expect(check(reportSchema.parse(jsonOf(run)), 'rdma.memlock')).toMatchObject({
      status: expect.stringMatching(/^(info|warn)$/),
      seen: '64KiB can be registered (RLIMIT_MEMLOCK), including hugetlb pages',
      mend: 'sudo prlimit --pid $$ --memlock=unlimited:unlimited',
      values: { limit: 65536, exempt: false },
    })
  })

  test.each([
    ['does not exist', undefined, 'warn', 'which is not there'],
    ['is not libibverbs', 'no library', 'warn', 'has no IBVERBS_1.1'],
    ['is too old', '\0IBVERBS_1.1\0ibv_reg_mr\0ibv_reg_mr_iova2\0', 'info', 'too old for _ibv_query_gid_table ('],
  ])('reports a file that was named as libibverbs and %s', async (_, contents, status, seen) => {
    const folder = mkdtempSync(join(tmpdir(), 'pinfold-libibverbs-'))
    try {
      const path = join(folder, 'libibverbs.so.1')
      if (contents !== undefined) writeFileSync(path, contents)
      const run = await pinfold(['doctor', '--only', 'rdma', '--json'], { env: { PINFOLD_LIBIBVERBS: path } })
      const found = check(reportSchema.parse(jsonOf(run)), 'rdma.libibverbs')
      expect(found).toMatchObject({ status, seen: expect.stringContaining(seen), values: { path } })
      expect(run.code).toBe(0)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('finds the limit of a parent cgroup, and the demo falls back under this limit and says so', async ({ skip }) => {
    const cgroup = whyNotPools() ?? makeCgroup('hugetlb')
    if (typeof cgroup === 'string') return skip(cgroup)
    using group = cgroup
    const limit = 2 * pageSize
    const file = `hugetlb.${sizeName(pageSize)}.${group.version === 1 ? 'limit_in_bytes' : 'max'}`
    group.set(file, limit)
    // The child moves itself into the cgroup, so that this process and its open files stay where they are.
    const prefix = ['sh', '-c', `echo $$ > ${group.child}/cgroup.procs && exec "$@"`, 'sh']
    const run = await pinfold(['doctor', '--only', 'limits', '--json'], { prefix })
    const path = `${group.directory}/${file}`
    expect(check(reportSchema.parse(jsonOf(run)), `limits.cgroup.hugetlb.${formatSize(pageSize)}`)).toMatchObject({
      status: 'warn',
      seen: expect.stringContaining(path),
      mend: expect.stringMatching(/^echo \d+ \| tee \//),
      values: { limits: expect.arrayContaining([expect.objectContaining({ path: group.directory, limit })]) },
    })
    const { code, stdout } = await pinfold(['demo'], { prefix })
    expect(code).toBe(0)
    expect(stdout).toContain(`not ${formatSize(pageSize)}: `)
    expect(stdout).toContain(group.directory)
  })

  test('runs without the native part, and says that it is missing and how to build it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pinfold-without-addon-'))
    try {
      const dist = dirname(dirname(mainScript))
      const root = dirname(dist)
      cpSync(dist, join(folder, 'dist'), { recursive: true })
      for (const file of ['package.json', 'CMakeLists.txt']) cpSync(join(root, file), join(folder, file))
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
      const run = await pinfold(['doctor', '--json'], { script: join(folder, 'dist/cli/main.js') })
      const report = reportSchema.parse(jsonOf(run))
      expect(run.code).toBe(3)
      expect(check(report, 'native.addon')).toMatchObject({ status: 'fail', mend: 'npm run build' })
      expect(check(report, 'machine.kernel')?.status).toBe('ok')
      expect(report.purposes[0]).toMatchObject({ purpose: 'hugepages', answer: 'no', command: 'npm run build' })
      expect(check(report, 'iommu.groups')?.status).not.toBe('unknown')
      expect(check(report, 'limits.unknown')).toMatchObject({ status: 'unknown' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
