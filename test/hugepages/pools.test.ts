import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  borrowHugepages,
  ownPages,
  poolDirectory,
  readPool,
  readPools,
  repairLoans,
  resizePool,
} from '../../src/hugepages/index.js'
import { withPoolLock } from '../../src/hugepages/open-loans.js'
import { formatSize } from '../../src/sizes.js'
import { memoryNodes } from '../../src/system/numa.js'
import { hugetlbPageSizes } from '../../src/system/page-sizes.js'
import { asNobody, Child } from '../support/child-process.js'
import { journals, pageSize, poolPages } from '../support/hugepage-pools.js'
import { allocateCoreSync } from '../support/region-cores.js'
import { needs, whyNotNobody, whyNotPools } from '../support/requirements.js'

const reason = whyNotPools()

describe('pools as the kernel tells them', () => {
  test('are one for the machine and one for each node with memory, by size', () => {
    const places = [undefined, ...memoryNodes()]
    expect(readPools().map(({ pageSize, node }) => ({ pageSize, node }))).toEqual(
      hugetlbPageSizes().flatMap((pageSize) => places.map((node) => ({ pageSize, node }))),
    )
  })

  test('have the numbers of their files', () => {
    for (const { pageSize, node, overcommit, reserved } of readPools()) {
      const file = (name: string) => Number(readFileSync(`${poolDirectory(pageSize, node)}/${name}`, 'latin1'))
      expect(overcommit).toBe(node === undefined ? file('nr_overcommit_hugepages') : undefined)
      expect(reserved).toEqual(node === undefined ? expect.any(Number) : undefined)
    }
  })

  test('of a size or node that this machine has not are an error that tells what it has', () => {
    expect(() => readPool(3)).toThrowCode('ERR_UNSUPPORTED', {
      values: expect.objectContaining({ sizes: hugetlbPageSizes() }),
    })
    const [size] = hugetlbPageSizes()
    if (size !== undefined) {
      expect(() => readPool(size, 1023)).toThrowCode('ERR_UNSUPPORTED', {
        values: expect.objectContaining({ nodes: memoryNodes() }),
      })
    }
  })
})

describe('a pool that is resized', () => {
  let before: number

  beforeEach((context) => {
    needs(context, reason)
    repairLoans()
    before = poolPages()
  })

  afterEach(() => {
    if (reason === undefined) expect(poolPages()).toBe(before)
  })

  test('has the wanted pages, and the change tells what it was', () => {
    withPoolLock(() => {
      const now = ownPages(readPool(pageSize))
      const change = resizePool({ pageSize, pages: now + 3 })
      expect(change.before.total).toBe(now)
      expect(change.after.total).toBe(now + 3)
      expect(resizePool({ pageSize, pages: now }).after.total).toBe(now)
    })
  })

  test.each(memoryNodes())('on node %i changes there', (node) => {
    withPoolLock(() => {
      const now = ownPages(readPool(pageSize, node))
      expect(resizePool({ pageSize, node, pages: now + 2 }).after).toMatchObject({ node, total: now + 2 })
      expect(resizePool({ pageSize, node, pages: now }).after).toMatchObject({ node, total: now })
    })
  })

  test('below its pages in use keeps them as surplus until they are let go', () => {
    const loan = borrowHugepages({ pageSize, pages: 4 })
    const { free, reserved = 0 } = readPool(pageSize)
    const region = allocateCoreSync('surplus', {
      size: (free - reserved) * pageSize,
      pages: formatSize(pageSize),
    })
    loan.giveBack()
    expect(readPool(pageSize)).toMatchObject({ surplus: 4 })
    expect(poolPages()).toBe(before)
    region.close()
    expect(readPool(pageSize)).toMatchObject({ surplus: 0 })
  })

  test('beyond what the machine has is refused, says how much there is, and stays as it was', () => {
    const now = ownPages(readPool(pageSize))
    expect(() => resizePool({ pageSize, pages: 2 ** 40 })).toThrowCode('ERR_POOL_CHANGE_REFUSED', {
      message: expect.stringMatching(
        /more pages of .* do not fit into the .* that are free on this machine, or could be made free$/,
      ),
      values: expect.objectContaining({ wanted: 2 ** 40, had: now, reachableBytes: expect.any(Number) }),
    })
  })

  test('by a user who is not root is refused with the command that does it', async (context) => {
    needs(context, whyNotNobody())
    const pages = before + 1
    await using child = new Child('resizer.ts', [pageSize, pages], asNobody)
    expect(JSON.parse(await child.line())).toEqual({
      code: 'ERR_PERMISSION',
      hint: `echo ${pages} | sudo tee ${poolDirectory(pageSize)}/nr_hugepages`,
    })
  })

  test('of which the kernel gives a part is put back, and no loan is left of it', async () => {
    await using child = new Child('short-pool.ts', [pageSize, 6, 2])
    expect(JSON.parse(await child.line())).toMatchObject({
      code: 'ERR_POOL_CHANGE_REFUSED',
      values: { wanted: expect.any(Number), got: expect.any(Number), fragmented: true },
      message: expect.stringMatching(
        /^the kernel made 4 of 6 more pages of .* too scattered; the \d+ from before are left$/,
      ),
      hint: expect.stringContaining('/proc/sys/vm/compact_memory'),
    })
    expect(poolPages()).toBe(before)
    expect(journals()).toEqual([])
  })
})

describe('a request', () => {
  test.each([
    ['no page size', { pages: 1 }, 'pageSize'],
    ['a page size without a unit', { pageSize: '2', pages: 1 }, 'pageSize'],
    ['a negative count', { pageSize, pages: -1 }, 'pages'],
    ['half a page', { pageSize, pages: 0.5 }, 'pages'],
    ['NaN pages', { pageSize, pages: Number.NaN }, 'pages'],
    ['a node that is no number', { pageSize, pages: 1, node: '0' }, 'node'],
    ['an unknown option', { pageSize, pages: 1, nodes: [0] }, 'nodes'],
  ])('with %s is refused at the door', (_, request, option) => {
    // @ts-expect-error: what plain JavaScript may pass
    expect(() => resizePool(request)).toThrowCode('ERR_INVALID_ARGUMENT', {
      values: expect.objectContaining({ option }),
    })
    // @ts-expect-error: what plain JavaScript may pass
    expect(() => borrowHugepages(request)).toThrowCode('ERR_INVALID_ARGUMENT', {
      values: expect.objectContaining({ option }),
    })
  })
})
