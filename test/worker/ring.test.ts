import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { openRegistrySync, type Region, Ring } from '../../src/index.js'
import { kept } from '../registries.js'

/** Of all workers together; the benchmark does a hundred million. */
const operations = Number(process.env.PINFOLD_RING_OPERATIONS ?? 2_000_000)
const deaths = Number(process.env.PINFOLD_RING_DEATHS ?? 20)

const count = 256
const bytes = Ring.bytesNeeded(count)

function memory(): Region {
  return kept(openRegistrySync()).allocateSync('rings', { size: 8 * bytes, pages: 'base' })
}

function place(index: number): [number, number] {
  return [index * bytes, bytes]
}

interface Work {
  readonly work: 'contend' | 'pass' | 'call'
  readonly rings: readonly number[]
  readonly id?: number
  readonly operations?: number
  readonly env?: Record<string, string>
}

function start(region: Region, { work, rings, id = 0, operations = 0, env = {} }: Work): Worker {
  return new Worker(new URL('../children/ring-worker.mjs', import.meta.url), {
    workerData: { work, handle: region.handle, places: rings.map(place), id, operations },
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
  'four workers put in and take out by %s, and every value comes out once, in order',
  {
    timeout: 600_000,
  },
  async (_, env) => {
    const region = memory()
    using ring = Ring.create(region.slice(...place(0)), { count, patience: 60_000 })
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
    expect(sum(({ gotSum }) => gotSum) + rest.subarray(0, left).reduce((total, value) => total + value, 0)).toBe(
      sum(({ putSum }) => putSum),
    )
    expect(sum(({ disorder }) => disorder)).toBe(0)
  },
)

test(`${deaths} workers die while they pass values on in place, and no value is lost`, {
  timeout: 600_000,
}, async () => {
  const region = memory()
  using from = Ring.create(region.slice(...place(0)), { count })
  using to = Ring.create(region.slice(...place(1)), { count })
  const tokens = 64
  for (let token = 0; token < tokens; token++) from.enqueue(token)
  const burst = new Uint32Array(count)
  let passed = 0
  // Values go round: from, a worker, to, this thread, from.
  const goRound = (milliseconds: number) => {
    for (const end = performance.now() + milliseconds; performance.now() < end; ) {
      const got = to.dequeueBurst(burst)
      passed += got
      expect(from.enqueueBulk(burst, got)).toBe(got)
    }
  }
  for (let death = 0; death < deaths; death += 2) {
    const workers = [start(region, { work: 'pass', rings: [0, 1] }), start(region, { work: 'pass', rings: [0, 1] })]
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    goRound(Math.random() * 4)
    const ends = workers.map((worker) => worker.terminate())
    goRound(2)
    await Promise.all(ends)
    // What a dead worker had in both is there twice now: keep one of each.
    const there = [...burst.subarray(0, from.dequeueBurst(burst))]
    there.push(...burst.subarray(0, to.dequeueBurst(burst)))
    expect(new Set(there).size).toBe(tokens)
    expect(there.length).toBeLessThanOrEqual(tokens + 2 * 8)
    for (let token = 0; token < tokens; token++) from.enqueue(token)
  }
  expect(passed).toBeGreaterThan(0)
})
