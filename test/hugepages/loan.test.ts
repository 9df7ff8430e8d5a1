import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { readShares, writeOwnPages } from '../../src/hugepages/counters.js'
import { borrowHugepages, openLoans, ownPages, readPool, repairLoans } from '../../src/hugepages/index.js'
import { Journal, journalVersion } from '../../src/hugepages/journal.js'
import { bootId, poolLockIdentity, withPoolLock } from '../../src/hugepages/open-loans.js'
import { thisOwner } from '../../src/hugepages/owner.js'
import { memoryNodes } from '../../src/system/numa.js'
import { Child, type End } from '../support/child-process.js'
import { journals, pageSize, poolPages } from '../support/hugepage-pools.js'
import { checkPoolAfterEachTest } from '../support/pool-check.js'

const before = checkPoolAfterEachTest()

describe('a loan', () => {
  test('adds its pages to the free ones and is listed, until it is given back', () => {
    const { free } = readPool(pageSize)
    const loan = borrowHugepages({ pageSize, pages: 4 })
    expect(readPool(pageSize).free).toBe(free + 4)
    const [listed] = openLoans().filter(({ pid }) => pid === process.pid)
    const journal = expect.stringMatching(`^/run/pinfold/loan-${process.pid}-`)
    const nodes = expect.any(Object)
    expect(listed).toEqual({ pid: process.pid, pageSize, pages: 4, nodes, owner: 'alive', journal })
    expect(Object.keys(listed?.nodes ?? {}).every((node) => memoryNodes().includes(Number(node)))).toBe(true)
    expect(Object.values(listed?.nodes ?? {}).reduce((sum, pages) => sum + pages, 0)).toBe(4)
    loan.giveBack()
    expect(readPool(pageSize).free).toBe(free)
    expect(openLoans().filter(({ pid }) => pid === process.pid)).toEqual([])
  })

  test('is given back only once', () => {
    const loan = borrowHugepages({ pageSize, pages: 3 })
    loan.giveBack()
    loan.giveBack()
    expect(poolPages()).toBe(before.pages)
  })

  test('is given back at the end of its scope, by `using`', () => {
    {
      using loan = borrowHugepages({ pageSize, pages: 2 })
      expect(poolPages()).toBe(before.pages + loan.pages)
    }
    expect(poolPages()).toBe(before.pages)
  })

  test.each(memoryNodes())('of pages on node %i raises the hugepage pool of this node', (node) => {
    const onNode = ownPages(readPool(pageSize, node))
    using loan = borrowHugepages({ pageSize, pages: 4, node })
    expect(ownPages(readPool(pageSize, node))).toBe(onNode + loan.pages)
  })

  test('listens to signals only until it is given back', async () => {
    const listeners = () => process.listenerCount('SIGTERM') + process.listenerCount('exit')
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    await turn()
    const none = listeners()
    const loans = [borrowHugepages({ pageSize, pages: 1 }), borrowHugepages({ pageSize, pages: 1 })]
    expect(listeners()).toBe(none + 2)
    for (const loan of loans) loan.giveBack()
    await turn()
    expect(listeners()).toBe(none)
    expect(() => borrowHugepages({ pageSize, pages: 2 ** 40 })).toThrow()
    await turn()
    expect(listeners()).toBe(none)
  })

  test('leaves no descriptor open', () => {
    const descriptors = () => readdirSync('/proc/self/fd').length
    const open = descriptors()
    for (let round = 0; round < 10; round++) borrowHugepages({ pageSize, pages: 1 }).giveBack()
    expect(() => borrowHugepages({ pageSize, pages: 2 ** 40 })).toThrow()
    expect(descriptors()).toBe(open)
  })

  test('of more pages than fit into memory is refused, and changes nothing', () => {
    expect(() => borrowHugepages({ pageSize, pages: 2 ** 40 })).toThrowCode('ERR_POOL_CHANGE_REFUSED')
    expect(poolPages()).toBe(before.pages)
    expect(journals()).toEqual(before.journals)
  })
})

describe('two borrowers at once', () => {
  test('leave the hugepage pool as it was after both have given back', async () => {
    await using first = new Child('borrower.ts', [pageSize, 3])
    await using second = new Child('borrower.ts', [pageSize, 5])
    expect(await first.line()).toBe('borrowed 3, repaired 0')
    expect(await second.line()).toBe('borrowed 5, repaired 0')
    expect(poolPages()).toBe(before.pages + 8)
    first.say('give back')
    await first.line()
    expect(poolPages()).toBe(before.pages + 5)
    second.say('give back')
    await second.line()
    expect(poolPages()).toBe(before.pages)
  })

  test('do not disturb each other: if one is killed, the other keeps its pages, and the next one repairs', async () => {
    await using alive = new Child('borrower.ts', [pageSize, 3])
    await using dead = new Child('borrower.ts', [pageSize, 5])
    await Promise.all([alive.line(), dead.line()])
    await dead.kill('SIGKILL')
    expect(poolPages()).toBe(before.pages + 8)
    const loan = borrowHugepages({ pageSize, pages: 1 })
    expect(loan.repaired).toEqual([{ pid: dead.pid, pageSize, pages: 5 }])
    expect(poolPages()).toBe(before.pages + 4)
    loan.giveBack()
    alive.say('give back')
    await alive.line()
    expect(poolPages()).toBe(before.pages)
  })
})

describe('a borrower that ends', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'by %s gives its pages back, and dies of this signal',
    async (signal) => {
      await using child = new Child('borrower.ts', [pageSize, 4])
      await child.line()
      expect(poolPages()).toBe(before.pages + 4)
      expect(await child.kill(signal)).toMatchObject({ code: null, signal })
      expect(poolPages()).toBe(before.pages)
    },
  )

  test('by a Ctrl-C while the pool is being raised gives its pages back, too', async () => {
    await using child = new Child('borrower.ts', [pageSize, 4, 'is interrupted'])
    expect(await child.ended).toMatchObject({ code: null, signal: 'SIGINT' })
    expect(poolPages()).toBe(before.pages)
    expect(repairLoans()).toEqual([])
  })

  test.each([
    ['exit', { code: 0 }],
    ['throw', { code: 1, stderr: expect.stringContaining('thrown on purpose') }],
    ['come to its end', { code: 0 }],
  ])('by "%s" gives its pages back', async (order, end) => {
    await using child = new Child('borrower.ts', [pageSize, 4])
    await child.line()
    child.say(order)
    expect(await child.ended).toMatchObject(end)
    expect(poolPages()).toBe(before.pages)
  })

  test('after a signal that it listens to itself gives its pages back when it wants', async () => {
    await using child = new Child('borrower.ts', [pageSize, 4, 'listens'])
    await child.line()
    process.kill(child.pid, 'SIGINT')
    expect(await child.line()).toBe('interrupted')
    expect(poolPages()).toBe(before.pages + 4)
    child.say('give back')
    expect(await child.line()).toBe('given back')
    expect(poolPages()).toBe(before.pages)
  })
})

describe('a worker that is terminated', () => {
  test('counts as dead, so a repair removes its pages', async () => {
    const worker = new Worker(new URL('../support/programs/borrowing-worker.js', import.meta.url), {
      workerData: { pageSize, pages: 4 },
    })
    await once(worker, 'message')
    expect(poolPages()).toBe(before.pages + 4)
    await worker.terminate()
    expect(repairLoans()).toEqual([{ pid: process.pid, pageSize, pages: 4 }])
    expect(poolPages()).toBe(before.pages)
  })
})

/** An owner that no process can be: the process with this pid has started later. */
const noOwner = { ...thisOwner(), startTime: 0 }

/** Leaves the same as a borrower that dies: a raised pool, and a journal that no process has locked. */
function abandonLoan(pages: number, boot = bootId()) {
  withPoolLock(() => {
    const before = readShares(pageSize)
    const node = before[0]?.node
    const journal = Journal.create()
    const [file, lock] = [journal.identity, poolLockIdentity()]
    const raise = { step: 'raise', version: journalVersion, file, boot, lock, owner: noOwner, pageSize, pages } as const
    journal.append({ ...raise, before })
    if (boot === bootId()) writeOwnPages(pageSize, node, ownPages(readPool(pageSize, node)) + pages)
    journal.append({ step: 'raised', shares: [{ node, pages }] })
    journal.close()
  })
}

test('a loan of an earlier boot is forgotten, since its pages are gone', () => {
  abandonLoan(4, '00000000-0000-0000-0000-000000000000')
  expect(repairLoans()).toEqual([])
  expect(poolPages()).toBe(before.pages)
  expect(journals()).toEqual(before.journals)
})

describe('kill -9', () => {
  /**
   * Runs the task again and again, and kills it one step later each time, until it ends by itself. Counts the kills.
   */
  async function killedAtEveryStep(task: 'borrow' | 'repair', check: () => void, prepare = () => {}) {
    for (let step = 1; ; step++) {
      prepare()
      await using child = new Child('killed-borrower.ts', [pageSize, 4, step, task])
      const end: End = await child.ended
      check()
      if (end.signal === null) {
        expect(end).toEqual({ code: 0, signal: null, stderr: '' })
        return step - 1
      }
      expect(end.signal).toBe('SIGKILL')
    }
  }

  test('between any two steps of a loan is repaired completely', { timeout: 120_000 }, async () => {
    const steps = await killedAtEveryStep('borrow', () => {
      repairLoans()
      expect(poolPages()).toBe(before.pages)
      expect(journals()).toEqual(before.journals)
    })
    expect(steps).toBeGreaterThan(15)
  })

  test('between any two steps of a repair is repaired by the next repair', { timeout: 120_000 }, async () => {
    const steps = await killedAtEveryStep(
      'repair',
      () => {
        repairLoans()
        expect(poolPages()).toBe(before.pages)
        expect(journals()).toEqual(before.journals)
      },
      () => abandonLoan(4),
    )
    expect(steps).toBeGreaterThan(5)
  })
})
