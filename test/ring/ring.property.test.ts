import fc from 'fast-check'
import { expect, test } from 'vitest'
import { attachRing, createRing, openRegistrySync, ringBytes } from '../../src/index.js'
import { base, kept } from '../support/registries.js'

type Act =
  | { do: 'enqueue'; value: number }
  | { do: 'dequeue' }
  | { do: 'put' | 'get'; bulk: boolean; count: number; at: number }
  | { do: 'lendPut' | 'lendGet'; bulk: boolean; count: number; commit: number }

const value = fc.integer({ min: 0, max: 2 ** 32 - 1 })
/** Often 32: bursts of this size have a code path of their own. */
const count = fc.oneof(fc.nat(40), fc.constant(32))
const at = fc.oneof(fc.nat(70), fc.constantFrom(0, 32, 64))
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ do: fc.constant('enqueue' as const), value }),
  fc.record({ do: fc.constant('dequeue' as const) }),
  fc.record({ do: fc.constantFrom('put' as const, 'get' as const), bulk: fc.boolean(), count, at }),
  fc.record({
    do: fc.constantFrom('lendPut' as const, 'lendGet' as const),
    bulk: fc.boolean(),
    count: fc.nat(40),
    commit: fc.nat(40),
  }),
)
const side = fc.constantFrom('one' as const, 'many' as const)
const run = fc.record({
  size: fc.constantFrom(2, 4, 32, 64, 128),
  producers: side,
  consumers: side,
  /** True if the values lie in arrays that the ring has made. */
  own: fc.boolean(),
  /** The value at which the indexes start. */
  start: fc.oneof(fc.nat(200), fc.integer({ min: -200, max: -1 })),
  /** The offset of the caller's arrays in their buffers, in values. */
  shift: fc.nat(3),
  acts: fc.array(fc.tuple(fc.nat(1), act), { maxLength: 120 }),
})

/** The positions of words in the header (src/ring/layout.ts). */
const sideWords = { producers: 32, consumers: 64, index: 1, limit: 2 } as const

test('a ring is a queue, whichever calls values pass through', () => {
  const region = kept(openRegistrySync()).allocateSync('ring', base)
  const words = new Int32Array(region.bytes.buffer, region.bytes.byteOffset)
  let next = 0
  fc.assert(
    fc.property(run, ({ size, producers, consumers, own, start, shift, acts }) => {
      using one = createRing(region, { count: size, producers, consumers })
      for (const at of [sideWords.producers, sideWords.consumers]) {
        words[at + sideWords.index] = words[at + sideWords.limit] = start
      }
      words[sideWords.producers + sideWords.limit] = start + size
      using other = attachRing(region)
      const rings = [one, other]
      const queue: number[] = []
      const array = () => (own ? one.burst(128) : new Uint32Array(128)).subarray(shift, shift + 112)
      const source = array()
      const target = array()

      for (const [which, act] of acts) {
        const ring = rings[which] ?? one
        const free = size - queue.length
        switch (act.do) {
          case 'enqueue':
            expect(ring.enqueue(act.value)).toBe(free > 0)
            if (free > 0) queue.push(act.value)
            break
          case 'dequeue':
            expect(ring.dequeue()).toBe(queue.shift() ?? -1)
            break
          case 'put': {
            for (const index of source.keys()) source[index] = next++ * 0x9e3779b1
            const passing = act.bulk ? (act.count <= free ? act.count : 0) : Math.min(act.count, free)
            const put = act.bulk
              ? ring.enqueueBulk(source, act.count, act.at)
              : ring.enqueueBurst(source, act.count, act.at)
            expect(put).toBe(passing)
            queue.push(...source.subarray(act.at, act.at + passing))
            break
          }
          case 'get': {
            const there = queue.length
            const passing = act.bulk ? (act.count <= there ? act.count : 0) : Math.min(act.count, there)
            const before = Uint32Array.from(target)
            const got = act.bulk
              ? ring.dequeueBulk(target, act.count, act.at)
              : ring.dequeueBurst(target, act.count, act.at)
            expect(got).toBe(passing)
            before.set(queue.splice(0, passing), act.at)
            expect(target).toEqual(before)
            break
          }
          case 'lendPut': {
            const wanted = Math.min(act.count, size)
            const passing = act.bulk ? (wanted <= free ? wanted : 0) : Math.min(wanted, free)
            const span = act.bulk ? ring.reserveEnqueueBulk(wanted) : ring.reserveEnqueueBurst(wanted)
            expect(span.length + span.rest).toBe(passing)
            if (passing === 0) break
            const given = Array.from({ length: passing }, () => next++)
            for (const [index, value] of given.entries()) ring.slots[(span.first + index) % size] = value
            const kept = Math.min(act.commit, passing)
            ring.commitEnqueue(kept)
            queue.push(...given.slice(0, kept))
            break
          }
          case 'lendGet': {
            const wanted = Math.min(act.count, size)
            const there = queue.length
            const passing = act.bulk ? (wanted <= there ? wanted : 0) : Math.min(wanted, there)
            const span = act.bulk ? ring.reserveDequeueBulk(wanted) : ring.reserveDequeueBurst(wanted)
            expect(span.length + span.rest).toBe(passing)
            if (passing === 0) break
            const seen = Array.from({ length: passing }, (_, index) => ring.slots[(span.first + index) % size])
            expect(seen).toEqual(queue.slice(0, passing))
            const taken = Math.min(act.commit, passing)
            ring.commitDequeue(taken)
            queue.splice(0, taken)
            break
          }
        }
        expect([one.count, other.free]).toEqual([queue.length, size - queue.length])
      }
    }),
    { numRuns: 300 },
  )
})

test('a call on an overwritten ring throws a PinfoldError or returns, and stays within its array', () => {
  const region = kept(openRegistrySync()).allocateSync('ring', base)
  const words = new Int32Array(region.bytes.buffer, region.bytes.byteOffset)
  const header = ringBytes(64) / 4 - 64
  const garbage = fc.array(fc.tuple(fc.nat(header - 1), fc.oneof(fc.integer(), fc.integer({ min: -3, max: 70 }))), {
    minLength: 1,
    maxLength: 30,
  })
  fc.assert(
    fc.property(garbage, side, side, (stores, producers, consumers) => {
      using ring = createRing(region, { count: 64, producers, consumers, patience: 1 })
      ring.enqueue(1)
      ring.dequeue()
      for (const [word, stored] of stores) words[word] = stored
      const out = new Uint32Array(40)
      const calls = [
        () => ring.enqueue(7),
        () => ring.dequeue(),
        () => ring.enqueueBulk(out, 32),
        () => ring.dequeueBulk(out, 32),
        () => ring.enqueueBurst(out, 5, 3),
        () => ring.dequeueBurst(out, 5, 3),
        () => ring.reserveEnqueueBurst(9),
        () => ring.commitEnqueue(),
        () => ring.reserveDequeueBulk(2),
        () => ring.commitDequeue(),
        () => attachRing(region, { patience: 1 }).close(),
      ]
      for (const call of calls) {
        try {
          call()
        } catch (error) {
          expect(error).toMatchObject({ name: 'PinfoldError' })
        }
      }
      expect(ring.count).toBeGreaterThanOrEqual(0)
      expect(ring.count).toBeLessThanOrEqual(64)
    }),
    { numRuns: 200 },
  )
})
