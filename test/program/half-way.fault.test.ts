import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { borrowHugepages } from '../../src/hugepages/index.js'
import { openRegistry, openRegistrySync } from '../../src/index.js'
import { formatSize } from '../../src/sizes.js'
import { sizeName } from '../../src/system/cgroup.js'
import { makeCgroup, type TestCgroup } from '../support/cgroups.js'
import { mountHugetlbfs, pageSize } from '../support/hugepage-pools.js'
import { world } from '../support/process-state.js'
import { whyNotPools } from '../support/requirements.js'

// The limit of a cgroup makes the kernel refuse in the middle of populating, after it has made the first pages. The
// cgroup also counts the pages of this process alone, so other processes may use the pool meanwhile.

const pages = formatSize(pageSize)
const allowed = 5
const names = ['memfd', 'anonymous'] as const

let cgroup: TestCgroup

beforeEach(({ skip }) => {
  const made = whyNotPools() ?? makeCgroup('hugetlb')
  if (typeof made === 'string') return skip(made)
  cgroup = made
  onTestFinished(() => cgroup[Symbol.dispose]())
  const loan = borrowHugepages({ pageSize, pages: 2 * allowed })
  onTestFinished(() => loan.giveBack())
  cgroup.set(fileOf('limit'), allowed * pageSize)
  cgroup.enter()
})

function fileOf(what: 'limit' | 'usage'): string {
  const prefix = `hugetlb.${sizeName(pageSize)}`
  if (cgroup.version === 1) return `${prefix}.${what}_in_bytes`
  return what === 'limit' ? `${prefix}.max` : `${prefix}.current`
}

/** The hugepages of this process, as the kernel counts them for the cgroup. */
function pagesInUse(): number {
  return Number(readFileSync(`${cgroup.directory}/${fileOf('usage')}`, 'latin1')) / pageSize
}

describe('an allocation that is refused half-way', () => {
  test.each(names)('returns its first pages (%s)', async (backing) => {
    using memory = openRegistrySync({ budget: { total: '1GiB', perPageSize: { [pages]: '1GiB' } } })
    const before = world(memory)
    const options = { size: (allowed + 1) * pageSize, pages, backing, threads: 2 }
    const refused = { code: 'ERR_CGROUP_LIMIT', syscall: 'madvise', values: { available: allowed * pageSize } }
    for (let round = 0; round < 3; round++) {
      expect(() => memory.allocateSync('rx', options)).toThrowCode(refused.code)
      await expect(memory.allocate('rx', options)).rejects.toMatchObject(refused)
      expect(pagesInUse()).toBe(0)
    }
    expect(world(memory)).toEqual(before)

    // The pages that it had half-way can be allocated now.
    const region = memory.allocateSync('rx', { ...options, size: allowed * pageSize })
    expect(pagesInUse()).toBe(allowed)
    region.close()
    expect(pagesInUse()).toBe(0)
  })

  test('leaves no file, not even a file to keep', (context) => {
    const mount = mountHugetlbfs(context, pageSize)
    using memory = openRegistrySync()
    for (const keep of [false, true]) {
      const options = { size: (allowed + 1) * pageSize, pages, backing: { file: `${mount}/rx`, keep } }
      expect(() => memory.allocateSync('rx', options)).toThrowCode('ERR_CGROUP_LIMIT')
      expect([readdirSync(mount), pagesInUse()]).toEqual([[], 0])
    }
  })

  test('falls back to the next preference, and its hint makes the first one possible', () => {
    using memory = openRegistrySync()
    const options = { size: (allowed + 1) * pageSize, pages: [pages, 'base'] }
    const region = memory.allocateSync('rx', options)
    expect(region).toMatchObject({
      pages: 'base',
      passedOver: [{ pages, code: 'ERR_CGROUP_LIMIT', hint: expect.stringContaining(cgroup.directory) }],
    })
    expect(pagesInUse()).toBe(0)
    region.close()

    const [{ hint = 'false' } = {}] = region.passedOver
    expect(spawnSync('sh', ['-c', hint.replaceAll('sudo ', '')]).status).toBe(0)
    expect(memory.allocateSync('rx', options)).toMatchObject({ pages, passedOver: [] })
  })
})

describe('a registry whose third region is refused half-way', () => {
  const two = { size: 2 * pageSize, pages }

  test('is not opened, and the first two are gone when the error arrives', async () => {
    using other = openRegistrySync()
    const before = world(other)
    const options = { budget: '1GiB', regions: { one: two, two, three: two, four: two } }
    await expect(openRegistry(options)).rejects.toMatchObject({ code: 'ERR_CGROUP_LIMIT' })
    expect([pagesInUse(), world(other)]).toEqual([0, before])
    expect(() => openRegistrySync(options)).toThrowCode('ERR_CGROUP_LIMIT')
    expect([pagesInUse(), world(other)]).toEqual([0, before])
  })

  test('keeps the regions that were made, and their part of the budget, if several are made at once', async () => {
    using memory = openRegistrySync({ budget: '1GiB' })
    const tries = ['one', 'two', 'three', 'four'].map((name) => memory.allocate(name, two))
    const outcomes = await Promise.allSettled(tries)
    const made = outcomes.filter(({ status }) => status === 'fulfilled').length
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({ code: /ERR_(CGROUP_LIMIT|HUGEPAGES_SHORT)/ })
    }
    // Two allocations that populate at the same time may each make the other fail.
    expect(made).toBeGreaterThanOrEqual(1)
    expect(made).toBeLessThanOrEqual(2)
    expect(pagesInUse()).toBe(2 * made)
    expect(memory.stats()).toMatchObject({
      regions: made,
      pending: 0,
      failed: 4 - made,
      budget: { total: { used: made * 2 * pageSize } },
    })
  })
})
