import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  attachBufferPool,
  type BufferPool,
  bufferPoolBytes,
  createBufferPool,
  openRegistrySync,
} from '../../src/index.js'
import { kept } from '../support/registries.js'

// A buffer pool is a multiset. Here one thread uses it; test/pool/threads.property.test.ts runs several.

type Act =
  | { do: 'get' | 'wait' | 'flush' | 'reclaim' | 'reattach' }
  | { do: 'put' | 'abort' | 'misuse'; which: number }
  | { do: 'getBulk' | 'putBulk'; array: number; count: number; at: number }
  | { do: 'take' | 'give'; count: number }

const which = fc.nat(200)
const count = fc.oneof(fc.nat(70), fc.nat(9), fc.constantFrom(4, 32))
const bulk = fc.record({
  do: fc.constantFrom('getBulk' as const, 'putBulk' as const),
  array: fc.nat(3),
  count,
  at: fc.oneof(fc.nat(5), fc.constant(0)),
})
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ do: fc.constantFrom('get' as const, 'get' as const, 'wait' as const) }),
  fc.record({ do: fc.constantFrom('flush' as const, 'reclaim' as const, 'reattach' as const) }),
  fc.record({ do: fc.constantFrom('put' as const, 'put' as const, 'abort' as const, 'misuse' as const), which }),
  bulk,
  bulk,
  fc.record({ do: fc.constantFrom('take' as const, 'give' as const), count }),
)
const run = fc.record({
  count: fc.constantFrom(1, 2, 7, 40, 150),
  cache: fc.constantFrom(2, 3, 6, 32, 64),
  tracking: fc.constantFrom('off' as const, 'off' as const, 'all' as const, { oneIn: 3 }),
  acts: fc.array(act, { maxLength: 80, size: 'max' }),
})

/** A call of `wait`, and its outcome. */
interface Waiter {
  readonly stop: AbortController
  outcome?: number | 'aborted' | 'closed'
}

/** Resolves after every waiter that can get an element has got it. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve()
}

function waiting(pool: BufferPool): Waiter {
  const waiter: Waiter = { stop: new AbortController() }
  pool.wait({ signal: waiter.stop.signal }).then(
    (index) => {
      waiter.outcome = index
    },
    (error: { code?: unknown }) => {
      waiter.outcome = error.code === 'ERR_POOL_CLOSED' ? 'closed' : 'aborted'
    },
  )
  return waiter
}

test('an element that is taken in any way is not given again until it is put back, and none is lost', async () => {
  const most = { elementSize: 64, count: 150, cache: 64, tracking: 'all' } as const
  const region = kept(openRegistrySync()).allocateSync('pool', { size: 3 * bufferPoolBytes(most), pages: 'base' })
  await fc.assert(
    fc.asyncProperty(run, async ({ count: capacity, cache, tracking, acts }) => {
      let pool = createBufferPool(region, { elementSize: 64, count: capacity, cache, tracking })
      const held: number[] = []
      const waiters: Waiter[] = []
      // Two arrays that can be viewed as pairs, one that cannot, and one whose buffer can grow.
      const growing = Reflect.construct(ArrayBuffer, [400, { maxByteLength: 800 }])
      const arrays = [
        new Uint32Array(100),
        new Uint32Array(101).subarray(0, 99),
        new Uint32Array(101).subarray(1),
        new Uint32Array(growing),
      ]
      const took = (index: number) => {
        expect(held).not.toContain(index)
        expect(index).toBeGreaterThanOrEqual(0)
        expect(index).toBeLessThan(capacity)
        held.push(index)
      }
      const drop = (count: number) => held.splice(0, Math.min(count, held.length))
      try {
        for (const act of acts) {
          const free = capacity - held.length
          switch (act.do) {
            case 'get': {
              const index = pool.get()
              if (free > 0) took(index)
              else expect(index).toBe(-1)
              break
            }
            case 'put': {
              const [index] = held.splice(act.which % (held.length || 1), 1)
              if (index !== undefined) pool.put(index)
              break
            }
            case 'getBulk': {
              const values = arrays[act.array] ?? new Uint32Array()
              const before = Uint32Array.from(values.fill(0xffffffff))
              const got = pool.getBulk(values, act.count, act.at)
              expect(got).toBe(act.count <= free ? act.count : 0)
              for (const index of values.subarray(act.at, act.at + got)) took(index)
              if (got > 0) values.fill(0xffffffff, act.at, act.at + got)
              // If there were too few elements, the call may leave numbers in its part of the array.
              else before.set(values.subarray(act.at, act.at + act.count), act.at)
              expect(values).toEqual(before)
              break
            }
            case 'putBulk': {
              const values = arrays[act.array] ?? new Uint32Array()
              const put = drop(act.count)
              values.set(put, act.at)
              pool.putBulk(values, put.length, act.at)
              break
            }
            case 'take': {
              const some = Math.min(act.count, pool.magazineSize)
              const place = pool.take(some)
              expect(place >= 0).toBe(some <= free)
              if (place >= 0) for (const index of pool.spans.subarray(place, place + some)) took(index)
              break
            }
            case 'give': {
              const put = drop(Math.min(act.count, pool.magazineSize))
              pool.spans.set(put, pool.room(put.length))
              pool.give(put.length)
              break
            }
            case 'wait':
              waiters.push(waiting(pool))
              break
            case 'abort': {
              const [waiter] = waiters.splice(act.which % (waiters.length || 1), 1)
              waiter?.stop.abort()
              await settled()
              if (waiter !== undefined) expect(waiter.outcome).toBe('aborted')
              break
            }
            case 'misuse': {
              const index = act.which % capacity
              if (tracking === 'off' || held.includes(index)) break
              expect(() => pool.put(index)).toThrowCode('ERR_ELEMENT_FREE')
              expect(() => pool.view(index)).toThrowCode('ERR_ELEMENT_FREE')
              break
            }
            case 'flush':
              pool.flush()
              break
            case 'reclaim':
              expect(pool.reclaim()).toBe(0)
              break
            case 'reattach':
              pool.close()
              await settled()
              expect(waiters.splice(0).filter(({ outcome }) => outcome !== 'closed')).toEqual([])
              pool = attachBufferPool(region)
              break
          }
          await settled()
          // The longest waiter gets the first free element.
          while (waiters.length > 0 && held.length < capacity) {
            const outcome = waiters.shift()?.outcome
            took(typeof outcome === 'number' ? outcome : -1)
          }
          expect(waiters.filter(({ outcome }) => outcome !== undefined)).toEqual([])
          expect(pool.available).toBe(capacity - held.length)
        }
        for (const { stop } of waiters) stop.abort()
        await settled()
        for (const index of held) pool.put(index)
        expect(pool.available).toBe(capacity)
        const all = new Set<number>()
        for (let index = pool.get(); index >= 0; index = pool.get()) all.add(index)
        expect(all.size).toBe(capacity)
      } finally {
        pool.close()
        await settled()
      }
    }),
    { numRuns: 150 },
  )
})
