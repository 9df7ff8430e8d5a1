import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { ownPages, readPool, repairLoans } from '../../src/hugepages/index.js'
import { Child, type Program } from '../support/child-process.js'
import { jsonOf, pinfold } from '../support/command-line.js'
import { journals, pageSize, poolPages } from '../support/hugepage-pools.js'
import { checkPoolAfterEachTest } from '../support/pool-check.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

// Dead borrowers leave nothing, and living borrowers keep their pages. Each borrower is a process of its own.

const before = checkPoolAfterEachTest()

describe('two borrowers that are killed together', () => {
  /** Renames a borrower's journal, so that a repairer finds it before or after all others. */
  function placeJournal({ pid }: Program, place: 'first' | 'last'): void {
    const folder = '/run/pinfold'
    const name = journals().find((name) => name.startsWith(`loan-${pid}-`))
    renameSync(
      `${folder}/${name}`,
      `${folder}/${name?.replace(/^loan-\d+/, place === 'first' ? 'loan-0' : 'loan-9999999')}`,
    )
  }

  test('leave nothing, also if a third one is killed at any step of its loan', { timeout: 300_000 }, async () => {
    let steps = 0
    for (let isDone = false; !isDone; ) {
      await using first = new Child('borrower.ts', [pageSize, 3])
      await using last = new Child('borrower.ts', [pageSize, 2])
      expect((await Promise.all([first.line(), last.line()])).sort()).toEqual([
        'borrowed 2, repaired 0',
        'borrowed 3, repaired 0',
      ])
      placeJournal(first, 'first')
      placeJournal(last, 'last')
      steps++
      await using changing = new Child('killed-borrower.ts', [pageSize, 4, steps, 'borrow'])
      const { signal } = await changing.ended
      isDone = signal === null
      await Promise.all([first.kill('SIGKILL'), last.kill('SIGKILL')])
      repairLoans()
      expect({ steps, pages: poolPages() }).toEqual({ steps, pages: before.pages })
    }
    expect(steps).toBeGreaterThan(15)
  })

  // Set PINFOLD_KILLS=60 for a longer test.
  const rounds = Number(process.env.PINFOLD_KILLS ?? 3)

  test(`leave nothing, killed ${rounds} times at random moments`, { timeout: 60_000 + rounds * 20_000 }, async () => {
    for (let round = 0; round < rounds; round++) {
      const borrowers = [3, 5].map((pages) => new Child('churning-borrower.ts', [pageSize, pages]))
      const [one, other] = borrowers
      for (let lines = Math.ceil(Math.random() * 8); lines > 0; lines--) await one?.line()
      await other?.line()
      const moment = performance.now() + Math.random() * 3
      while (performance.now() < moment);
      await Promise.all(borrowers.map((borrower) => borrower.kill('SIGKILL')))
      repairLoans()
      expect({ round, pages: poolPages() }).toEqual({ round, pages: before.pages })
      expect(journals()).toEqual(before.journals)
    }
  })
})

describe('a borrower that lives', () => {
  /** A command that runs the rest of its line with a copy of the machine's /run. */
  function inCopiedRun(...namespaces: string[]): string[] {
    const copy = mkdtempSync(`${tmpdir()}/pinfold-run-`)
    const script = `cp -a /run/pinfold ${copy} && mount -t tmpfs none /run && cp -a ${copy}/pinfold /run && rm -r ${copy} && exec "$@"`
    return ['unshare', '--mount', ...namespaces, 'sh', '-c', script, 'sh']
  }

  test.each([
    ['in a copied /run', []],
    ['in a copied /run of another PID namespace', ['--pid', '--fork', '--mount-proc']],
  ])('keeps its pages when another process repairs %s', async (_, namespaces) => {
    await using borrower = new Child('borrower.ts', [pageSize, 4])
    await borrower.line()
    await using repairer = new Child('repairer.ts', [], inCopiedRun(...namespaces))
    const { loans, repaired } = JSON.parse(await repairer.line())
    expect(repaired).toEqual([])
    expect(loans).toContainEqual(expect.objectContaining({ pid: borrower.pid, pages: 4, owner: 'unknown' }))
    expect(poolPages()).toBe(before.pages + 4)
  })

  test('keeps its pages when a release is tried in a container, which cannot know whether it lives', async (context) => {
    needs(context, whyNotBuilt)
    await using borrower = new Child('borrower.ts', [pageSize, 4])
    await borrower.line()
    const prefix = inCopiedRun('--pid', '--fork', '--mount-proc')
    const pages = ownPages(readPool(pageSize))
    const run = await pinfold(['hugepages', 'release', `${pageSize / 1024}K`, pages, '--json'], { prefix })
    expect(run.code).toBe(5)
    expect(jsonOf(run).message).toMatch(/it cannot be known here whether that process lives/)
    expect(poolPages()).toBe(before.pages + 4)
  })

  test('keeps its pages when it has lost the lock on its journal', async () => {
    await using borrower = new Child('borrower.ts', [pageSize, 4, 'loses its lock'])
    await borrower.line()
    expect(repairLoans()).toEqual([])
    expect(poolPages()).toBe(before.pages + 4)
    await borrower.kill('SIGKILL')
    expect(repairLoans()).toEqual([{ pid: borrower.pid, pageSize, pages: 4 }])
  })

  test('keeps its pages when its journal was removed, and gives them back itself', async () => {
    await using borrower = new Child('borrower.ts', [pageSize, 4])
    await borrower.line()
    for (const name of journals().filter((name) => name.startsWith(`loan-${borrower.pid}-`))) {
      rmSync(`/run/pinfold/${name}`)
    }
    borrower.say('give back')
    expect(await borrower.line()).toBe('given back')
    expect(poolPages()).toBe(before.pages)
  })

  test('in another PID namespace with the same /run keeps its pages until it is killed', async () => {
    const pages = ownPages(readPool(pageSize))
    const namespace = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc']
    await using borrower = new Child('borrower.ts', [pageSize, 4], namespace)
    await borrower.line()
    expect(repairLoans()).toEqual([])
    expect(ownPages(readPool(pageSize))).toBe(pages + 4)
    await borrower.kill('SIGKILL')
    expect(repairLoans()).toMatchObject([{ pageSize, pages: 4 }])
    expect(ownPages(readPool(pageSize))).toBe(pages)
  })
})

test('a wrong file in /run/pinfold is an error, and the command of its hint removes the file', {
  timeout: 60_000,
}, async () => {
  const ownRun = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /run && exec "$@"', 'sh']
  await using child = new Child('hostile-journals.ts', [], ownRun)
  const told: Record<string, unknown> = JSON.parse(await child.line())
  expect(Object.keys(told).length).toBeGreaterThan(15)
  for (const [thing, outcome] of Object.entries(told)) {
    const error = { code: 'ERR_SYSTEM', message: expect.stringContaining('/run/pinfold'), hint: expect.any(String) }
    expect({ thing, outcome }).toEqual({
      thing,
      outcome: { loans: thing.endsWith('as the lock') ? [] : error, repaired: error, mended: 0, afterwards: [] },
    })
  }
  expect(poolPages()).toBe(before.pages)
})
