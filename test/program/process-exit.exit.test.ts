import { freemem } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { GiB } from '../../src/sizes.js'
import { type End, Program } from '../support/child-process.js'
import { needs, whyNotPages } from '../support/requirements.js'
import { poolAsItIs, program, statusBytes } from '../support/returned-pages.js'

let poolIsBack: () => Promise<void>

beforeEach((context) => {
  needs(context, whyNotPages(12))
  poolIsBack = poolAsItIs()
})

describe('a process that ends with regions open', () => {
  test.each([
    ['by process.exit', 'exit', 7, ''],
    ['by itself', 'end', 0, ''],
    ['by an uncaught exception', 'throw', 1, 'Error: thrown on purpose'],
  ])('%s keeps its exit code', async (_, way, code, stderr) => {
    await using child = new Program(program('open-regions.mjs', [way]))
    const end = await child.ended
    expect(end).toMatchObject({ code, signal: null })
    if (stderr === '') expect(end.stderr).toBe('')
    else expect(end.stderr).toContain(stderr)
    await poolIsBack()
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGKILL'] as const)('dies of %s', async (signal) => {
    await using child = new Program(program('open-regions.mjs', ['wait']))
    expect(await child.line()).toBe('open')
    expect(await child.kill(signal)).toEqual({ code: null, signal, stderr: '' })
    await poolIsBack()
  })
})

describe('a process that ends while gigabytes are being populated', () => {
  const size = 3 * GiB

  beforeEach(({ skip }) => {
    if (freemem() < 2 * size) skip('needs 6 GiB of free memory')
  })

  /** The end of the child, its duration since the child began to exit, and the most bytes that it had populated. */
  async function endOf(child: Program): Promise<End & { milliseconds: number; populated: number }> {
    expect(await child.line()).toBe('exiting')
    const start = performance.now()
    let ended = false
    const end = child.ended.finally(() => {
      ended = true
    })
    let populated = 0
    while (!ended) {
      populated = Math.max(populated, statusBytes(child.pid, 'RssShmem'))
      await setImmediate()
    }
    return { ...(await end), milliseconds: performance.now() - start, populated }
  }

  test.each([
    ['process.exit', 'exit while populating', 7],
    ['an uncaught exception', 'throw while populating', 1],
  ])('does not wait for the rest of the pages (%s)', async (_, way, code) => {
    await using child = new Program(program('open-regions.mjs', [way, size]))
    const end = await endOf(child)
    expect(end).toMatchObject({ code, signal: null })
    expect(end.populated).toBeLessThan(size / 2)
    expect(end.milliseconds).toBeLessThan(1500)
    await poolIsBack()
  })

  test('ends by itself when its only allocation was cancelled', async () => {
    await using child = new Program(program('open-regions.mjs', ['end after cancelling', size]))
    const end = await endOf(child)
    expect(await child.line()).toBe('AbortError')
    expect(end).toMatchObject({ code: 0, signal: null, stderr: '' })
    expect(end.populated).toBeLessThan(size / 2)
    expect(end.milliseconds).toBeLessThan(1500)
    await poolIsBack()
  })
})
