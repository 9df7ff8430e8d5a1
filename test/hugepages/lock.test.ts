import { readdirSync, readlinkSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ownPages, readPool, repairLoans } from '../../src/hugepages/index.js'
import { poolLockFile } from '../../src/hugepages/lock.js'
import { withPoolLock } from '../../src/hugepages/open-loans.js'
import { formatSize } from '../../src/sizes.js'
import { Child, Program } from '../support/child-process.js'
import { jsonOf, pinfold } from '../support/command-line.js'
import { pageSize } from '../support/hugepage-pools.js'
import { checkPoolAfterEachTest } from '../support/pool-check.js'
import { allocateCoreSync } from '../support/region-cores.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

checkPoolAfterEachTest()

/** A process that holds the pool lock. */
async function lockHolder(): Promise<Program> {
  const holder = new Program(['flock', '-o', poolLockFile, 'sh', '-c', 'echo locked; cat'])
  expect(await holder.line()).toBe('locked')
  return holder
}

async function stoppedHolder(): Promise<Program> {
  const holder = await lockHolder()
  process.kill(holder.pid, 'SIGSTOP')
  return holder
}

/** The paths of the open files of a process. */
function openFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`)
    } catch {
      return '' // closed meanwhile
    }
  })
}

describe('a holder of the pool lock', () => {
  test('that is stopped is named, with the command that continues it', async () => {
    await using holder = await stoppedHolder()
    const patience = { running: 60_000, stopped: 100 }
    expect(() => withPoolLock(() => {}, { patience })).toThrowCode('ERR_POOL_CHANGE_BUSY', {
      message: expect.stringMatching(`^process ${holder.pid} .* and is stopped$`),
      values: expect.objectContaining({ holder: holder.pid, stopped: true }),
      hint: `sudo kill -CONT ${holder.pid}`,
    })
  })

  test('that does not release it is waited for no longer than patience says', async () => {
    await using holder = await lockHolder()
    const patience = { running: 100, stopped: 60_000 }
    expect(() => withPoolLock(() => {}, { patience })).toThrowCode('ERR_POOL_CHANGE_BUSY', {
      values: expect.objectContaining({ holder: holder.pid, stopped: false }),
    })
  })

  test('that is stopped makes a command fail after some seconds', { timeout: 30_000 }, async (context) => {
    needs(context, whyNotBuilt)
    await using holder = await stoppedHolder()
    const run = await pinfold(['hugepages', 'reserve', formatSize(pageSize), 1, '--json'])
    expect(run.code).toBe(1)
    expect(jsonOf(run)).toMatchObject({ code: 'ERR_POOL_CHANGE_BUSY', values: { holder: holder.pid } })
  })
})

test('a borrower that waits for the lock can be interrupted', async () => {
  await using _ = await lockHolder()
  await using child = new Child('borrower.ts', [pageSize, 4])
  await expect.poll(() => openFiles(child.pid), { timeout: 30_000 }).toContain(poolLockFile)
  expect(await child.kill('SIGINT')).toMatchObject({ signal: 'SIGINT' })
})

describe('a borrower that waits for a stopped holder to give back', () => {
  /** A borrower that was told to give its pages back, and waits for a stopped holder of the lock. */
  async function waitingBorrower(...mode: string[]) {
    const borrower = new Child('borrower.ts', [pageSize, 2, ...mode])
    await borrower.line()
    const holder = await stoppedHolder()
    borrower.say('give back')
    const isWaiting = () => openFiles(borrower.pid).filter((path) => path === poolLockFile).length
    await expect.poll(isWaiting, { timeout: 30_000 }).toBe(1)
    return { borrower, holder }
  }

  test('dies of a second SIGTERM at once, and a repair removes its pages', { timeout: 60_000 }, async () => {
    const { free } = readPool(pageSize)
    const own = ownPages(readPool(pageSize))
    const { borrower, holder } = await waitingBorrower()
    process.kill(borrower.pid, 'SIGTERM')
    expect(await borrower.kill('SIGTERM')).toMatchObject({ signal: 'SIGTERM' })
    await holder.kill('SIGKILL')
    expect(repairLoans()).toEqual([{ pid: borrower.pid, pageSize, pages: 2 }])
    expect({ own: ownPages(readPool(pageSize)), free: readPool(pageSize).free }).toEqual({ own, free })
  })

  test('receives a signal that it listens to, since the wait ends', { timeout: 60_000 }, async () => {
    const { borrower, holder } = await waitingBorrower('listens')
    process.kill(borrower.pid, 'SIGINT')
    expect(await borrower.line()).toMatch(/SIGINT came while process \d+ was waited for/)
    expect(await borrower.line()).toBe('interrupted')
    await holder.kill('SIGKILL')
    borrower.say('give back')
    expect(await borrower.line()).toBe('given back')
  })
})

test('on a read-only /run the demo and the benchmark continue without borrowing, and say why', {
  timeout: 60_000,
}, async (context) => {
  needs(context, whyNotBuilt)
  const prefix = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs -o ro none /run && exec "$@"', 'sh']
  // No page of this size is free now, so the commands would have to borrow.
  const { free, reserved = 0 } = readPool(pageSize)
  const room = free - reserved
  using taken = room === 0 ? undefined : takePages(room)
  const demo = await pinfold(['demo', '--json'], { prefix })
  expect(demo).toMatchObject({ code: 0, stderr: '' })
  const reason = expect.stringMatching('/run/pinfold, which is on a read-only file system')
  expect(jsonOf(demo).pages).toMatchObject({
    borrowed: 0,
    refusals: expect.arrayContaining([{ code: 'ERR_PERMISSION', reason }]),
  })
  expect((await pinfold(['demo'], { prefix })).stdout).toContain('read-only file system')
  const words = ['bench', 'copy', '--quick', '--sizes', '2MiB', '--pages', `base,${formatSize(pageSize)}`, '--json']
  const bench = await pinfold(words, { prefix })
  expect(bench).toMatchObject({ code: 0, stderr: '' })
  expect(jsonOf(bench).benchmarks[0].passedOver).toMatchObject([{ code: 'ERR_PERMISSION', reason }])
  expect(taken?.size ?? 0).toBe(room * pageSize)
})

function takePages(pages: number) {
  const core = allocateCoreSync('taken', { size: pages * pageSize, pages: formatSize(pageSize) })
  return { size: core.size, [Symbol.dispose]: () => core.close() }
}
