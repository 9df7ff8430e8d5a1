import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { PinfoldError } from '../../src/errors.js'
import { borrowHugepages, ownPages, readPool, resizePool } from '../../src/hugepages/index.js'
import { withPoolLock } from '../../src/hugepages/open-loans.js'
import { basePages } from '../../src/memory/page-kinds.js'
import type { RegionOptions } from '../../src/memory/region-options.js'
import { requireMemory } from '../../src/memory/shortage/shortage.js'
import { formatSize, KiB, MiB } from '../../src/sizes.js'
import { hugetlbLimits, memoryLimits, room, sizeName } from '../../src/system/cgroup.js'
import { memoryNodes } from '../../src/system/numa.js'
import { hugetlbPageSizes } from '../../src/system/page-sizes.js'
import { memlockLimit } from '../../src/system/process-limits.js'
import { makeCgroup } from '../support/cgroups.js'
import { Child, root } from '../support/child-process.js'
import { mountHugetlbfs, pageSize } from '../support/hugepage-pools.js'
import { allocateCore, allocateCoreSync, attemptOf } from '../support/region-cores.js'
import { needs, whyNotPools } from '../support/requirements.js'

// Each test makes a real shortage, checks its error, and repairs it with the command that the error names.

const pages = formatSize(pageSize)

function refusal(options: RegionOptions): PinfoldError {
  try {
    allocateCoreSync('short', options).close()
  } catch (error) {
    if (error instanceof PinfoldError) return error
    throw error
  }
  throw new Error('there was no shortage')
}

/** Runs the command of an error's hint. */
function mend({ hint = 'false' }: { readonly hint?: string }): void {
  // Root needs no sudo, and a machine may have none.
  const { status, stderr } = spawnSync('sh', ['-c', hint.replaceAll('sudo ', '')], { encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(status).toBe(0)
}

describe('a hugepage pool with too few pages', () => {
  beforeEach((context) => needs(context, whyNotPools()))

  test.each([
    ['memfd', 'mmap'],
    ['anonymous', 'mmap'],
  ] as const)('is reported with its counters, and the hint adds exactly enough pages (%s)', (backing, syscall) => {
    // The lock keeps other processes from borrowing or giving back in between.
    withPoolLock(() => {
      const { free, reserved = 0, total } = readPool(pageSize)
      const own = ownPages(readPool(pageSize))
      const size = (free - reserved + 2) * pageSize
      const error = refusal({ size, pages, backing })
      expect(error).toMatchObject({
        code: 'ERR_HUGEPAGES_SHORT',
        syscall,
        errno: 12,
        values: { wanted: free - reserved + 2, available: free - reserved, total },
      })
      expect(error.hint).toContain(`echo ${total + 2} | sudo tee`)
      expect(readPool(pageSize)).toMatchObject({ free, total })
      try {
        mend(error)
        expect(ownPages(readPool(pageSize))).toBe(own + 2)
        const region = allocateCoreSync('mended', { size, pages, backing })
        expect(region.size).toBe(size)
        region.close()
      } finally {
        resizePool({ pageSize, pages: own })
      }
    })
  })

  test('is reported also by an asynchronous allocation', async () => {
    const size = (readPool(pageSize).free + 1) * pageSize
    await expect(allocateCore('short', { size, pages })).rejects.toMatchObject({ code: 'ERR_HUGEPAGES_SHORT' })
  })

  test.each(memoryNodes())('on node %i is reported for this node, and the hint names the file of the node', (node) => {
    const { free } = readPool(pageSize, node)
    const error = refusal({ size: (free + 1) * pageSize, pages, numa: { policy: 'bind', nodes: [node] } })
    expect(error).toMatchObject({ code: 'ERR_HUGEPAGES_SHORT', values: { nodes: [node] } })
    expect(error.message).toContain(`wanted on node ${node}`)
    expect(error.hint).toContain(`/sys/devices/system/node/node${node}/`)
  })

  test('of one size is reported, even if the pool of another size has enough pages', ({ skip }) => {
    const gigantic = hugetlbPageSizes().find((size) => size !== pageSize && readPool(size).free === 0)
    if (gigantic === undefined) return skip('needs a page size whose pool is empty')
    const error = refusal({ size: gigantic, pages: formatSize(gigantic) })
    expect(error).toMatchObject({ code: 'ERR_HUGEPAGES_SHORT', values: { wanted: 1, pageSize: gigantic } })
  })
})

describe('a hugetlbfs mount with a size limit', () => {
  test('is reported as full, even if the hugepage pool is not', (context) => {
    needs(context, whyNotPools())
    using _loan = borrowHugepages({ pageSize, pages: 4 })
    const mount = mountHugetlbfs(context, pageSize, `,size=${2 * pageSize}`)
    const error = refusal({ size: 4 * pageSize, pages, backing: { file: `${mount}/file` } })
    expect(error).toMatchObject({ code: 'ERR_HUGEPAGES_SHORT', values: { wanted: 4, available: 2, total: 2 } })
    expect(readdirSync(mount)).toEqual([])
  })
})

describe('a hugetlb cgroup', () => {
  const size = 4 * pageSize
  const files = (version: 1 | 2) => {
    const prefix = `hugetlb.${sizeName(pageSize)}`
    return version === 1
      ? { usage: `${prefix}.limit_in_bytes`, rsvd: `${prefix}.rsvd.limit_in_bytes`, none: '-1' }
      : { usage: `${prefix}.max`, rsvd: `${prefix}.rsvd.max`, none: 'max' }
  }

  test.for([
    ['usage', 'madvise', 14],
    ['rsvd', 'mmap', 12],
  ] as const)(
    'that limits %s is reported with its counters, and the hint raises the limit just enough',
    (row, { skip }) => {
      const [kind, syscall, errno] = row
      const cgroup = whyNotPools() ?? makeCgroup('hugetlb')
      if (typeof cgroup === 'string') return skip(cgroup)
      using _cgroup = cgroup
      using _loan = borrowHugepages({ pageSize, pages: 4 })
      const file = files(cgroup.version)
      cgroup.set(file[kind], 3 * pageSize)
      cgroup.enter()
      const { free, reserved } = readPool(pageSize)
      try {
        const [tightest] = hugetlbLimits(pageSize)
        expect(tightest).toMatchObject({ path: cgroup.directory, limit: 3 * pageSize, usage: 0, kind })
        const error = refusal({ size, pages })
        expect(error).toMatchObject({
          code: 'ERR_CGROUP_LIMIT',
          syscall,
          errno,
          values: { wanted: size, available: 3 * pageSize, limit: 3 * pageSize, path: cgroup.directory, kind },
        })
        // The pages that existed when the fourth was refused are free again.
        expect(readPool(pageSize)).toMatchObject({ free, reserved })
        mend(error)
        const region = allocateCoreSync('mended', { size, pages })
        expect(hugetlbLimits(pageSize)[0]).toMatchObject({ usage: size })
        region.close()
      } finally {
        cgroup.leave()
      }
    },
  )
})

describe('a memory cgroup', () => {
  test('that is too small is reported before the kernel would kill a process', ({ skip }) => {
    const cgroup = makeCgroup('memory')
    if (typeof cgroup === 'string') return skip(cgroup)
    using _cgroup = cgroup
    cgroup.set(cgroup.version === 1 ? 'memory.limit_in_bytes' : 'memory.max', 256 * MiB)
    cgroup.enter()
    try {
      const [tightest] = memoryLimits()
      expect(tightest).toMatchObject({ path: cgroup.directory, limit: 256 * MiB })
      expect(tightest && room(tightest)).toBeGreaterThan(0)
      for (const kind of ['base', 'transparent'] as const) {
        const error = refusal({ size: 512 * MiB, pages: kind })
        expect(error).toMatchObject({ code: 'ERR_CGROUP_LIMIT', values: { wanted: 512 * MiB, limit: 256 * MiB } })
      }
      mend(refusal({ size: 300 * MiB, pages: 'base' }))
      expect(() => requireMemory(attemptOf(300 * MiB, basePages))).not.toThrow()
    } finally {
      cgroup.leave()
    }
  })
})

describe('an allocation beyond the limit of a memory cgroup', () => {
  test.for<readonly [string, string]>([
    ['by regions that one thread allocates at the same time', 'together'],
    ['by threads that begin at the same moment', 'threads'],
    ['by regions that are small, one after the other', 'small'],
  ])('is refused, and its process is not killed: %s', ([, way], { skip }) => {
    const cgroup = makeCgroup('memory')
    if (typeof cgroup === 'string') return skip(cgroup)
    using _cgroup = cgroup
    const limit = 240 * MiB
    cgroup.set(cgroup.version === 1 ? 'memory.limit_in_bytes' : 'memory.max', limit)
    const enter = `echo $$ > '${cgroup.child}/cgroup.procs' && exec "$@"`
    const program = [process.execPath, `${root}test/support/programs/crowd.mjs`, way]
    const { status, signal, stdout, stderr } = spawnSync('sh', ['-c', enter, 'sh', ...program], { encoding: 'utf8' })
    expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' })
    const { regions, refusals, own } = JSON.parse(stdout)
    expect(Object.keys(refusals)).toEqual(['ERR_CGROUP_LIMIT'])
    // The regions got most of what Node itself left them. A reserve and the kernel's own memory take the rest.
    expect(regions * (way === 'small' ? MiB / 4 : 16 * MiB)).toBeGreaterThan((limit - own) / 2)
  })
})

describe('memory', () => {
  test('that the machine cannot give is refused before the kernel would kill a process', () => {
    for (const backing of ['memfd', 'anonymous'] as const) {
      const error = refusal({ size: 2 ** 40, pages: 'base', backing })
      expect(error).toMatchObject({
        code: 'ERR_MEMORY_SHORT',
        values: { wanted: 2 ** 40, available: expect.any(Number) },
      })
    }
  })

  test('that the machine can give is not refused', () => {
    expect(() => requireMemory(attemptOf(16 * MiB, basePages))).not.toThrow()
  })
})

describe('RLIMIT_MEMLOCK', () => {
  test('of 64 KiB is reported with the command that raises it for this process', async ({ skip }) => {
    const size = MiB
    skip(memlockLimit().hard < size, 'needs a hard limit of 1 MiB or more, to raise the soft one to')
    // Root is exempt by CAP_IPC_LOCK, so the child gives this capability up. Other users do not own it.
    const drop = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-ipc_lock', '--inh-caps=-ipc_lock'] : []
    await using child = new Child('locker.ts', [size], ['prlimit', `--memlock=${64 * KiB}:`, ...drop])
    const refused = JSON.parse(await child.line())
    expect(refused).toMatchObject({
      code: 'ERR_MEMLOCK_LIMIT',
      values: { wanted: size, limit: 64 * KiB, locked: 0 },
    })
    mend(refused)
    child.say('again')
    expect(await child.line()).toBe('locked')
  })
})
