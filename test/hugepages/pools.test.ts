import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { borrowHugepages, ownPages, poolDirectory, readPool, readPools, resizePool } from '../../src/hugepages/index.js'
import { withPoolLock } from '../../src/hugepages/open-loans.js'
import { formatSize } from '../../src/sizes.js'
import { memoryNodes } from '../../src/system/numa.js'
import { hugetlbPageSizes } from '../../src/system/page-sizes.js'
import { asNobody, Child } from '../support/child-process.js'
import { journals, pageSize, poolPages } from '../support/hugepage-pools.js'
import { checkPoolAfterEachTest } from '../support/pool-check.js'
import { allocateCoreSync } from '../support/region-cores.js'
import { needs, whyNotNobody } from '../support/requirements.js'

describe('the counters of hugepage pools', () => {
  test('are read for the machine and for each node with memory, by size', () => {
    const places = [undefined, ...memoryNodes()]
    expect(readPools().map(({ pageSize, node }) => ({ pageSize, node }))).toEqual(
      hugetlbPageSizes().flatMap((pageSize) => places.map((node) => ({ pageSize, node }))),
    )
  })

  test('are the numbers in the files of the kernel', () => {
    for (const { pageSize, node, overcommit, reserved } of readPools()) {
      const file = (name: string) => Number(readFileSync(`${poolDirectory(pageSize, node)}/${name}`, 'latin1'))
      expect(overcommit).toBe(node === undefined ? file('nr_overcommit_hugepages') : undefined)
      expect(reserved).toEqual(node === undefined ? expect.any(Number) : undefined)
    }
  })

  test('of an unknown size or node are an error that lists the known ones', () => {
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

describe('a hugepage pool that is resized', () => {
  const before = checkPoolAfterEachTest()

  test('contains the wanted pages, and the result reports the size before', () => {
    withPoolLock(() => {
      const now = ownPages(readPool(pageSize))
      const change = resizePool({ pageSize, pages: now + 3 })
      expect(change.before.total).toBe(now)
      expect(change.after.total).toBe(now + 3)
      expect(resizePool({ pageSize, pages: now }).after.total).toBe(now)
    })
  })

  test.each(memoryNodes())('on node %i changes on this node', (node) => {
    withPoolLock(() => {
      const now = ownPages(readPool(pageSize, node))
      expect(resizePool({ pageSize, node, pages: now + 2 }).after).toMatchObject({ node, total: now + 2 })
      expect(resizePool({ pageSize, node, pages: now }).after).toMatchObject({ node, total: now })
    })
  })

  test('to fewer pages than are in use keeps these as surplus until they are freed', () => {
    const loan = borrowHugepages({ pageSize, pages: 4 })
    const { free, reserved = 0 } = readPool(pageSize)
    const region = allocateCoreSync('surplus', {
      size: (free - reserved) * pageSize,
      pages: formatSize(pageSize),
    })
    loan.giveBack()
    expect(readPool(pageSize)).toMatchObject({ surplus: 4 })
    expect(poolPages()).toBe(before.pages)
    region.close()
    expect(readPool(pageSize)).toMatchObject({ surplus: 0 })
  })

  test('to more pages than fit into memory stays as it was, and the error says how much is free', () => {
    const now = ownPages(readPool(pageSize))
    expect(() => resizePool({ pageSize, pages: 2 ** 40 })).toThrowCode('ERR_POOL_CHANGE_REFUSED', {
      message: expect.stringMatching(
        /more pages of .* do not fit into the .* that are free on this machine, or could be made free$/,
      ),
      values: expect.objectContaining({ wanted: 2 ** 40, had: now, reachableBytes: expect.any(Number) }),
    })
  })

  test('without privileges is refused with the command for root', async (context) => {
    needs(context, whyNotNobody())
    const pages = before.pages + 1
    await using child = new Child('resizer.ts', [pageSize, pages], asNobody)
    expect(JSON.parse(await child.line())).toEqual({
      code: 'ERR_PERMISSION',
      hint: `echo ${pages} | sudo tee ${poolDirectory(pageSize)}/nr_hugepages`,
    })
  })

  test('is put back if the kernel adds only a part of the pages, and no loan is left', async () => {
    await using child = new Child('short-pool.ts', [pageSize, 6, 2])
    expect(JSON.parse(await child.line())).toMatchObject({
      code: 'ERR_POOL_CHANGE_REFUSED',
      values: { wanted: expect.any(Number), got: expect.any(Number), fragmented: true },
      message: expect.stringMatching(
        /^the kernel made 4 of 6 more pages of .* too scattered; the \d+ from before are left$/,
      ),
      hint: expect.stringContaining('/proc/sys/vm/compact_memory'),
    })
    expect(poolPages()).toBe(before.pages)
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
  ])('with %s is refused', (_, request, option) => {
    // @ts-expect-error: plain JavaScript may pass this
    expect(() => resizePool(request)).toThrowCode('ERR_INVALID_ARGUMENT', {
      values: expect.objectContaining({ option }),
    })
    // @ts-expect-error: plain JavaScript may pass this
    expect(() => borrowHugepages(request)).toThrowCode('ERR_INVALID_ARGUMENT', {
      values: expect.objectContaining({ option }),
    })
  })
})
