import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createRing, openRegistrySync, type Region, ringBytes } from '../../src/index.js'
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
  readonly work: 'contend' | 'pass' | 'carry'
  readonly rings: readonly number[]
  readonly id?: number
  readonly operations?: number
  readonly env?: Record<string, string>
}

function start(region: Region, { work, rings, id = 0, operations = 0, env = {} }: Work): Worker {
  return new Worker(new URL('../support/programs/ring-worker.mjs', import.meta.url), {
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

const inScript = { PINFOLD_WEBASSEMBLY: 'off' }
const sequential = { PINFOLD_PUBLICATION: 'atomic' }

test.each([
  ['WebAssembly with plain stores', [{}]],
  ['WebAssembly with sequentially consistent stores', [sequential]],
  ['TypeScript with plain stores', [inScript]],
  ['TypeScript with Atomics', [{ ...inScript, ...sequential }]],
  ['all of these', [{}, sequential, inScript, { ...inScript, ...sequential }]],
])(
  'four workers put values in and take values out by %s: every value comes out once and in order',
  {
    timeout: 600_000,
  },
  async (_, envs) => {
    const region = memory()
    using ring = createRing(region.slice(...place(0)), { count, patience: 60_000 })
    const workers = [0, 1, 2, 3].map((id) =>
      start(region, { work: 'contend', rings: [0], id, operations: operations / 4, env: envs[id % envs.length] ?? {} }),
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
    const workers = [{}, inScript].map((env) => start(region, { work, rings: [0, 1], env }))
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
