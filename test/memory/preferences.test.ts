import { spawnSync } from 'node:child_process'
import { afterAll, describe, expect, test } from 'vitest'
import { attachRegion, openRegistrySync } from '../../src/index.js'
import { formatSize, KiB, MiB } from '../../src/sizes.js'
import { basePageSize, hugetlbPageSizes, transparentPageSize } from '../../src/system/page-sizes.js'
import { memlockLimit } from '../../src/system/process-limits.js'
import { Child } from '../support/child-process.js'
import { pageSize } from '../support/hugepage-pools.js'
import { mappedRegions } from '../support/mapped-regions.js'

// The first possible preference of a list is used. The region reports why each preference before it was not.

const pages = formatSize(pageSize)
const memory = openRegistrySync()

afterAll(() => {
  memory.close()
  expect(mappedRegions()).toEqual([])
})

describe('a list of preferences', () => {
  test('reports in order why each preference was passed over', () => {
    using frugal = openRegistrySync({ budget: { perPageSize: { [pages]: 0 } } })
    using region = frugal.allocateSync('rx', { size: basePageSize, pages: ['64TiB', pages, 'base'] })
    expect(region.pages).toBe('base')
    const why = hugetlbPageSizes().includes(pageSize)
      ? { code: 'ERR_BUDGET_EXCEEDED', reason: expect.stringContaining(`0B left of the budget for ${pages} pages`) }
      : { code: 'ERR_UNSUPPORTED', reason: expect.any(String) }
    expect(region.passedOver).toEqual([
      { pages: '64TiB', code: 'ERR_UNSUPPORTED', reason: expect.stringContaining('no hugetlb pages of 64TiB') },
      { pages, ...why },
    ])
    expect(frugal.stats()).toMatchObject({ fallbacks: 1, budget: { perPageSize: { [pages]: { used: 0 } } } })
  })

  test('contains by default the hugetlb pages that divide the size, then transparent, then base', () => {
    using small = memory.allocateSync('small', { size: basePageSize })
    expect([small.pages, small.passedOver]).toEqual(['base', []])
    const huge = transparentPageSize()
    if (huge === undefined) return
    using odd = memory.allocateSync('odd', { size: huge + basePageSize })
    expect([odd.pages, odd.passedOver]).toEqual(['transparent', []])
  })

  test('is reported to a thread that attaches, too', () => {
    using region = memory.allocateSync('rx', { size: basePageSize, pages: ['64TiB', 'base'] })
    using attached = attachRegion(region.handle)
    expect(attached.passedOver).toEqual(region.passedOver)
    expect(attached).toMatchObject({ pages: 'base', pageSize: basePageSize, name: 'rx', address: region.address })
  })
})

describe('the hint of RLIMIT_MEMLOCK', () => {
  test('counts memory that the process has locked already, and raises the limit just enough', async ({ skip }) => {
    skip(memlockLimit().hard < 2 * MiB, 'needs a hard limit of 2 MiB or more, to raise the soft one to')
    const drop = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-ipc_lock', '--inh-caps=-ipc_lock'] : []
    await using child = new Child('locker.ts', [MiB, 256 * KiB], ['prlimit', `--memlock=${512 * KiB}:`, ...drop])
    const refused = JSON.parse(await child.line())
    expect(refused).toMatchObject({
      code: 'ERR_MEMLOCK_LIMIT',
      values: { wanted: MiB, limit: 512 * KiB, locked: 256 * KiB },
      hint: `prlimit --pid ${child.pid} --memlock=${MiB + 256 * KiB}:`,
    })
    expect(spawnSync('sh', ['-c', refused.hint.replaceAll('sudo ', '')]).status).toBe(0)
    child.say('again')
    expect(await child.line()).toBe('locked')
  })
})
