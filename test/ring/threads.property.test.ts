import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRing, openRegistrySync } from '../../src/index.js'
import { type Act, Dealt, type Outcome } from '../support/model-threads.js'
import { base, kept } from '../support/registries.js'

// A ring is a queue for any number of threads. test/ring/ring.property.test.ts uses one thread, and more array offsets.

const threadCount = 3
const enqueues = ['enqueue', 'enqueueMany', 'passEnqueue'] as const
const dequeues = ['dequeue', 'dequeueMany', 'passDequeue'] as const
const side = fc.constantFrom('one' as const, 'many' as const, 'many' as const)
const run = fc.record({
  count: fc.constantFrom(2, 16, 64, 128),
  producers: side,
  consumers: side,
  acts: fc.array(
    fc.record({
      thread: fc.nat(threadCount - 1),
      act: fc.record({
        do: fc.oneof(
          fc.constantFrom(...enqueues, ...dequeues),
          fc.constantFrom(...enqueues, ...dequeues),
          fc.constantFrom(...enqueues, ...dequeues),
          fc.constantFrom('lendEnqueue', 'lendDequeue', 'commitEnqueue', 'commitDequeue', 'reattachRing'),
        ),
        count: fc.oneof(fc.nat(70), fc.nat(8), fc.constantFrom(4, 32)),
        bulk: fc.boolean(),
        commit: fc.nat(40),
        shift: fc.nat(1),
        at: fc.oneof(fc.nat(3), fc.constant(0)),
        patience: fc.constant(1),
      }),
    }),
    { maxLength: 60, size: 'max' },
  ),
})

/** The model's state of a side: its owner, if it is for one thread, and an open reservation. */
interface Side {
  readonly isOfOne: boolean
  owner?: number | undefined
  lent?: { readonly thread: number; readonly values: readonly number[] } | undefined
}

class Model {
  readonly queue: number[] = []
  readonly producers: Side
  readonly consumers: Side

  constructor(
    readonly capacity: number,
    producers: string,
    consumers: string,
  ) {
    this.producers = { isOfOne: producers === 'one' }
    this.consumers = { isOfOne: consumers === 'one' }
  }

  /** Checks the outcome of an act, and moves its values into the queue or out of it. */
  expectOutcome(thread: number, act: Act, outcome: Outcome): void {
    const isPut = act.do.endsWith('Enqueue') || act.do.startsWith('enqueue')
    const side = isPut ? this.producers : this.consumers
    const refusal = act.do === 'reattachRing' ? undefined : refusalOf(side, thread, act)
    expect(outcome.code).toBe(refusal)
    if (refusal !== undefined) return
    if (act.do === 'reattachRing') this.#reattach(thread)
    else if (act.do.startsWith('commit')) this.#commit(side, isPut, Number(act.count))
    else this.#pass(side, isPut, thread, act, outcome)
  }

  #reattach(thread: number): void {
    for (const side of [this.producers, this.consumers]) {
      if (side.owner === thread) side.owner = undefined
      if (side.lent?.thread === thread) side.lent = undefined
    }
  }

  #pass(side: Side, isPut: boolean, thread: number, act: Act, outcome: Outcome): void {
    side.owner = thread
    const isSingle = act.do === 'enqueue' || act.do === 'dequeue'
    const isInPlace = act.do.startsWith('pass') || act.do.startsWith('lend')
    const wanted = isSingle ? 1 : isInPlace ? Math.min(Number(act.count), this.capacity) : Number(act.count)
    const most = isPut ? this.capacity - this.queue.length : this.queue.length
    const passing = act.bulk === true && wanted > most ? 0 : Math.min(wanted, most)
    if (outcome.lent !== undefined) {
      expect(outcome.lent).toHaveLength(passing)
      if (!isPut) expect(outcome.lent).toEqual(this.queue.slice(0, passing))
      if (passing > 0) side.lent = { thread, values: outcome.lent }
      return
    }
    const passed = outcome.put ?? outcome.got ?? []
    expect(passed).toHaveLength(act.do.startsWith('pass') ? Math.min(passing, Number(act.commit)) : passing)
    if (isPut) this.queue.push(...passed)
    else expect(passed).toEqual(this.queue.splice(0, passed.length))
  }

  #commit(side: Side, isPut: boolean, count: number): void {
    const values = side.lent?.values.slice(0, count) ?? []
    side.lent = undefined
    if (isPut) this.queue.push(...values)
    else this.queue.splice(0, values.length)
  }
}

/** The code with which the side refuses the thread's act; undefined if the act is allowed. */
function refusalOf({ isOfOne, owner, lent }: Side, thread: number, act: Act): string | undefined {
  const isLender = lent?.thread === thread
  if (act.do.startsWith('commit')) {
    if (!isLender) return 'ERR_RING_RESERVATION'
    return Number(act.count) > lent.values.length ? 'ERR_OUT_OF_RANGE' : undefined
  }
  if (isLender) return 'ERR_RING_RESERVATION'
  if (isOfOne && owner !== undefined && owner !== thread) return 'ERR_RING_CLAIMED'
  return lent === undefined ? undefined : 'ERR_RING_BUSY'
}

test('values that threads put in, one after the other or all at once, come out once and in order', async () => {
  const region = kept(openRegistrySync()).allocateSync('ring', base)
  await using threads = await Dealt.start(region, threadCount)
  await fc.assert(
    fc.asyncProperty(run, async ({ count, producers, consumers, acts }) => {
      using ring = createRing(region, { count, producers, consumers })
      await threads.all({ do: 'attachRing', patience: 1 })
      const { queue, ...model } = await oneByOne(
        new Model(count, producers, consumers),
        threads,
        acts,
        () => ring.count,
      )
      // Then all threads at once repeat the acts that put or take in one call, each on the sides that it may own.
      await threads.all({ do: 'reattachRing', patience: 60_000 })
      const owners = [model.producers, model.consumers].map(({ isOfOne }) => (isOfOne ? 0 : undefined))
      const lists = Array.from({ length: threadCount }, (_, thread) =>
        acts
          .filter(({ act, ...dealt }) => {
            const isPut = enqueues.some((whole) => whole === act.do)
            const owner = owners[isPut ? 0 : 1] ?? dealt.thread
            return owner === thread && (isPut || dequeues.some((whole) => whole === act.do))
          })
          .map(({ act }) => act),
      )
      const outcomes = await Promise.all(
        lists.map((list, thread) =>
          threads.acts(
            thread,
            [1, 2, 3, 4].flatMap(() => list),
          ),
        ),
      )
      await threads.all({ do: 'leaveRing' })
      for (const { code } of outcomes.flat()) expect(code).toBeUndefined()
      const rest = new Uint32Array(count)
      const left = [...rest.subarray(0, ring.dequeueBurst(rest))]
      const put = outcomes.map((told) => told.flatMap(({ put = [] }) => put))
      const got = outcomes.map((told) => told.flatMap(({ got = [] }) => got))
      expect(sorted([...got.flat(), ...left])).toEqual(sorted([...queue, ...put.flat()]))
      // Each thread got the values of a producer in the order in which the producer put them in.
      for (const values of [...got, left]) {
        const of = (producer: number) => values.filter((value) => value >>> 24 === producer)
        for (let producer = 1; producer <= threadCount; producer++) expect(of(producer)).toEqual(sorted(of(producer)))
      }
    }),
    { numRuns: 40 },
  )
})

async function oneByOne(
  model: Model,
  threads: Dealt,
  acts: readonly { readonly thread: number; readonly act: Act }[],
  count: () => number,
): Promise<Model> {
  for (const { thread, act } of acts) {
    model.expectOutcome(thread, act, await threads.act(thread, act))
    expect(count()).toBe(model.queue.length)
  }
  return model
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((one, other) => one - other)
}
