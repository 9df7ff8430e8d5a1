import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bufferPoolBytes, createBufferPool, openRegistrySync } from '../../src/index.js'
import { type Act, Dealt } from '../support/model-threads.js'
import { kept } from '../support/registries.js'

// A buffer pool is a multiset for any number of threads.

const threadCount = 3
const most = { elementSize: 64, count: 200, tracking: 'all' } as const
const run = fc.record({
  count: fc.constantFrom(1, 7, 40, 200),
  cache: fc.constantFrom(2, 6, 32, 64),
  tracking: fc.constantFrom('off' as const, 'off' as const, 'all' as const),
  acts: fc.array(
    fc.record({
      thread: fc.nat(threadCount - 1),
      other: fc.nat(threadCount - 1),
      act: fc.record({
        do: fc.oneof(
          fc.constantFrom('get', 'getBulk', 'take', 'put', 'putBulk', 'give'),
          fc.constantFrom('get', 'getBulk', 'take', 'put', 'putBulk', 'give'),
          fc.constantFrom('hand', 'flush', 'reclaim', 'reattach'),
        ),
        count: fc.oneof(fc.nat(70), fc.nat(8), fc.constantFrom(4, 32)),
        shift: fc.nat(1),
        at: fc.nat(3),
      }),
    }),
    { maxLength: 60, size: 'max' },
  ),
})

test('no two threads hold an element, acting one after the other or all at once, and none is lost', async () => {
  const region = kept(openRegistrySync()).allocateSync('pool', { size: 8 * bufferPoolBytes(most), pages: 'base' })
  await using threads = await Dealt.start(region, threadCount)
  await fc.assert(
    fc.asyncProperty(run, async ({ count, cache, tracking, acts }) => {
      using pool = createBufferPool(region, { elementSize: 64, count, cache, tracking })
      await threads.all({ do: 'attachPool', patience: 60_000 })
      const held = Array.from({ length: threadCount }, () => new Set<number>())
      const taken = () => held.reduce((sum, { size }) => sum + size, 0)
      const isTaken = (index: number) => held.some((had) => had.has(index))
      try {
        // First the threads act one after the other, so that the model knows what each must see.
        for (const { thread, other, act } of acts) {
          const mine = held[thread] ?? new Set()
          const { got, put, handed, found, code } = await threads.act(thread, act)
          expect(code).toBeUndefined()
          for (const index of put ?? handed ?? []) expect(mine.delete(index)).toBe(true)
          for (const index of got ?? []) {
            expect(isTaken(index)).toBe(false)
            expect(index).toBeLessThan(count)
            mine.add(index)
          }
          if (found !== undefined) expect(found).toBe(0)
          if (handed !== undefined) {
            await threads.act(other, { do: 'receive', indices: handed })
            for (const index of handed) held[other]?.add(index)
          }
          const known = await threads.all({ do: 'cached' })
          for (const { available } of known) expect(available).toBe(count - taken())
          if (got === undefined) continue
          const wanted = wantedBy(act, cache)
          // A call takes all or nothing. It takes nothing only if this thread's cache and the depot contain too few.
          expect([0, wanted]).toContain(got.length)
          const elsewhere = known.reduce((sum, { cached = 0 }, which) => sum + (which === thread ? 0 : cached), 0)
          if (got.length < wanted) expect(count - taken() - elsewhere - pool.stats().cached).toBeLessThan(wanted)
        }
        // Then all threads at once repeat their acts several times.
        const together = held.map((_, thread) => {
          const mine = acts.filter(({ act, ...dealt }) => dealt.thread === thread && act.do !== 'hand')
          return threads.acts(
            thread,
            [1, 2, 3, 4].flatMap(() => mine.map(({ act }) => act)),
          )
        })
        for (const { code } of (await Promise.all(together)).flat()) expect(code).toBeUndefined()
      } finally {
        const left = await threads.all({ do: 'leave' })
        expect(left).toEqual(held.map(() => ({ wrong: 0 })))
      }
      expect(pool.available).toBe(count)
      const all = new Set<number>()
      for (let index = pool.get(); index >= 0; index = pool.get()) all.add(index)
      expect([all.size, Math.max(...all)]).toEqual([count, count - 1])
    }),
    { numRuns: 40 },
  )
})

function wantedBy(act: Act, cache: number): number {
  if (act.do === 'get') return 1
  return act.do === 'take' ? Math.min(Number(act.count), cache / 2 + ((cache / 2) % 2)) : Number(act.count)
}
