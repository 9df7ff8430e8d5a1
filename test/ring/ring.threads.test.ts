import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createRing, openRegistrySync, type Region, type Ring, ringBytes } from '../../src/index.js'
import { kept } from '../support/registries.js'

/** The operations of all workers together. The benchmark runs a hundred million. */
const operations = Number(process.env.PINFOLD_RING_OPERATIONS ?? 2_000_000)
const deaths = Number(process.env.PINFOLD_RING_DEATHS ?? 20)

const count = 256
const bytes = ringBytes(count)

function memory(): Region {
  return kept(openRegistrySync()).allocateSync('rings', { size: 8 * bytes, pages: 'base' })
}

function place(index: number): [number, number] {
  return [index * bytes, bytes]
}

interface Work {
  readonly work: 'contend' | 'pass' | 'carry' | 'keep'
  readonly rings: readonly number[]
  readonly id?: number
  readonly operations?: number
  readonly env?: Record<string, string>
  readonly turn?: SharedArrayBuffer
}

function start(region: Region, { work, rings, id = 0, operations = 0, env = {}, turn }: Work): Worker {
  return new Worker(new URL('../support/programs/ring-worker.mjs', import.meta.url), {
    workerData: { work, handle: region.handle, places: rings.map(place), id, operations, turn },
    env: { ...process.env, ...env },
  })
}

interface Contended {
  readonly put: number
  readonly got: number
  readonly putSum: number
  readonly gotSum: number
  readonly disorder: number
}

test.each([
  ['plain stores', {}],
  ['Atomics', { PINFOLD_PUBLICATION: 'atomic' }],
])(
  'four workers put values in and take values out by %s: every value comes out once and in order',
  {
    timeout: 600_000,
  },
  async (_, env) => {
    const region = memory()
    using ring = createRing(region.slice(...place(0)), { count, patience: 60_000 })
    const workers = [0, 1, 2, 3].map((id) =>
      start(region, { work: 'contend', rings: [0], id, operations: operations / 4, env }),
    )
    const results = await Promise.all(
      workers.map(async (worker): Promise<Contended> => (await once(worker, 'message'))[0]),
    )
    const rest = new Uint32Array(count)
    const left = ring.dequeueBurst(rest)
    const sum = (of: (result: Contended) => number) => results.reduce((total, result) => total + of(result), 0)
    expect(sum(({ put }) => put)).toBe(operations)
    expect(sum(({ got }) => got) + left).toBe(operations)
    const taken = sum(({ gotSum }) => gotSum) + rest.subarray(0, left).reduce((total, value) => total + value, 0)
    expect(taken % 2 ** 32).toBe(sum(({ putSum }) => putSum) % 2 ** 32)
    expect(sum(({ disorder }) => disorder)).toBe(0)
  },
)

test('a side is taken from the thread that keeps it and still uses it, and no value is lost', {
  timeout: 600_000,
}, async () => {
  const rounds = 300
  const region = kept(openRegistrySync()).allocateSync('rings', { size: rounds * bytes, pages: 'base' })
  const rings = Array.from({ length: rounds }, (_, index) => createRing(region.slice(...place(index)), { count }))
  const turn = new SharedArrayBuffer(8)
  const told = new Int32Array(turn)
  const worker = start(region, { work: 'keep', rings: rings.map((_, index) => index), turn })
  const ended = once(worker, 'message')
  const out = new Uint32Array(count)
  const ours = { put: 0, got: 0, sum: 0 }
  const take = (ring: Ring, most: number) => {
    const got = ring.dequeueBurst(out, most)
    ours.got += got
    ours.sum += out.subarray(0, got).reduce((sum, value) => sum - value, 0)
  }
  for (const [number, ring] of rings.entries()) {
    while (Atomics.load(told, 1) <= number) await new Promise(setImmediate)
    for (let round = 0; round < 40; round++) {
      if (ring.enqueue(round)) {
        ours.put++
        ours.sum += round
      }
      take(ring, 2)
    }
    Atomics.store(told, 0, number + 1)
  }
  const [theirs] = await ended
  for (const ring of rings) {
    take(ring, count)
    ring.close()
  }
  expect(theirs.got + ours.got).toBe(theirs.put + ours.put)
  expect((theirs.putSum - theirs.gotSum + ours.sum) % 2 ** 32).toBe(0)
})

test.each([
  ['in place, and no value is lost', 'pass'],
  ['by copies, and only the values in their hands are lost', 'carry'],
] as const)(`${deaths} workers die while they pass values on %s`, { timeout: 600_000 }, async (_, work) => {
  const region = memory()
  using from = createRing(region.slice(...place(0)), { count })
  using to = createRing(region.slice(...place(1)), { count })
  const tokens = 64
  for (let token = 0; token < tokens; token++) from.enqueue(token)
  const burst = new Uint32Array(count)
  let passed = 0
  // A worker passes values from `from` to `to`, and this thread passes them back.
  const goRound = (milliseconds: number) => {
    for (const end = performance.now() + milliseconds; performance.now() < end; ) {
      const got = to.dequeueBurst(burst)
      passed += got
      expect(from.enqueueBulk(burst, got)).toBe(got)
    }
  }
  for (let death = 0; death < deaths; death += 2) {
    const workers = [start(region, { work, rings: [0, 1] }), start(region, { work, rings: [0, 1] })]
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    goRound(Math.random() * 4)
    const ends = workers.map((worker) => worker.terminate())
    goRound(2)
    await Promise.all(ends)
    const there = [...burst.subarray(0, from.dequeueBurst(burst))]
    there.push(...burst.subarray(0, to.dequeueBurst(burst)))
    const each = new Set(there).size
    if (work === 'pass') {
      // A value that a dead worker had in both rings occurs twice. One of the two is kept.
      expect(each).toBe(tokens)
      expect(there.length).toBeLessThanOrEqual(tokens + 2 * 8)
    } else {
      expect(there.length).toBe(each)
      expect(each).toBeGreaterThanOrEqual(tokens - 2 * 8)
    }
    for (let token = 0; token < tokens; token++) from.enqueue(token)
  }
  expect(passed).toBeGreaterThan(0)
})
