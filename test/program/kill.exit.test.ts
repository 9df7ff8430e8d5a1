import { beforeEach, expect, test } from 'vitest'
import { Program } from '../support/child-process.js'
import { needs, whyNotPages } from '../support/requirements.js'
import { pageSize, poolAsItIs, program, statusBytes } from '../support/returned-pages.js'

const pages = 48
/** The number of children that start ahead, to save time. They take no page until they are told to. */
const ahead = 3

/**
 * The moments of a kill, recognized by the kernel's count of the child's hugepages: `now` at this reading, and `most`
 * so far. A reading takes some microseconds, and populating a page about 80, so a kill hits the right page or a near
 * one.
 */
const phases: readonly (readonly [string, (now: number, most: number) => boolean])[] = [
  ['before the first page', () => true],
  ...[1, 2, 12, 24, 36, pages - 1].map((target) => [`at page ${target}`, (now: number) => now >= target] as const),
  ['with all pages', (now) => now === pages],
  ['while it closes', (now, most) => most === pages && now < pages],
  ['after it has closed', (now, most) => most === pages && now === 0],
]
const ways = ['memfd', 'anonymous'].flatMap((backing) => ['async', 'sync'].map((how) => [backing, how] as const))
const kills = Array.from({ length: 100 }, (_, number) => ({
  phase: phases[number % phases.length] ?? ['', () => true],
  way: ways[Math.floor(number / phases.length) % ways.length] ?? [],
}))

beforeEach((context) => needs(context, whyNotPages(pages)))

/** Waits in a busy loop, and kills the child. Returns the last known number of its pages. */
function killWhen(child: Program, isTime: (now: number, most: number) => boolean): number {
  const deadline = performance.now() + 30_000
  for (let most = 0; performance.now() < deadline; ) {
    const now = statusBytes(child.pid, 'HugetlbPages') / pageSize
    most = Math.max(most, now)
    if (!isTime(now, most)) continue
    process.kill(child.pid, 'SIGKILL')
    return now
  }
  throw new Error('the child never came that far')
}

test('kill -9 in any phase of an allocation leaves nothing, 100 times', { timeout: 120_000 }, async () => {
  const poolIsBack = poolAsItIs()
  const started: Program[] = []
  let next = 0
  const killedAt = new Set<number>()
  try {
    for (const { phase } of kills) {
      while (started.length <= ahead && next < kills.length) {
        started.push(new Program(program('allocate-forever.mjs', [pages, ...(kills[next++]?.way ?? [])])))
      }
      await using child = started.shift() ?? expect.unreachable()
      expect(await child.line()).toBe('ready')
      child.say('go')
      killedAt.add(killWhen(child, phase[1]))
      expect(await child.ended).toEqual({ code: null, signal: 'SIGKILL', stderr: '' })
      await poolIsBack()
    }
  } finally {
    for (const child of started) await child[Symbol.asyncDispose]()
  }
  // The kills must have hit different pages.
  expect(killedAt).toContain(0)
  expect(killedAt).toContain(pages)
  expect(killedAt.size).toBeGreaterThan(4)
})
