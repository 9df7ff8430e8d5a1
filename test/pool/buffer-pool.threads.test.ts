import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { type BufferPool, bufferPoolBytes, createBufferPool, openRegistrySync, type Region } from '../../src/index.js'
import { kept } from '../support/registries.js'

/** The operations of all workers together. With PINFOLD_POOL_OPERATIONS=100000000 the tests take a minute. */
const operations = Number(process.env.PINFOLD_POOL_OPERATIONS ?? 2_000_000)
const deaths = Number(process.env.PINFOLD_POOL_DEATHS ?? 24)

interface Work {
  readonly work: 'churn' | 'wait'
  readonly name: number
  readonly operations: number
  readonly holds: number
}

/** Starts threads that begin their work together. */
async function start(region: Region, works: readonly Work[]): Promise<Worker[]> {
  const workers = works.map(
    (work) =>
      new Worker(new URL('../support/programs/pool-worker.mjs', import.meta.url), {
        workerData: { handle: region.handle, ...work },
      }),
  )
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  return workers
}

async function outcomes(workers: readonly Worker[]): Promise<{ done: number; wrong: number }[]> {
  const told = Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]))
  for (const worker of workers) worker.postMessage('go')
  const outcomes = await told
  await Promise.all(workers.map((worker) => worker.terminate()))
  return outcomes
}

/** Runs four threads that take and give back, and kills them. Each thread holds up to `holds` elements. */
async function terminated(region: Region, holds: number): Promise<void> {
  const operations = Number.MAX_SAFE_INTEGER
  const workers = await start(
    region,
    [1, 2, 3, 4].map((name): Work => ({ work: 'churn', name, operations, holds })),
  )
  for (const worker of workers) worker.postMessage('go')
  // The threads end one after the other, so that the later ones have worked for a while.
  for (const worker of workers) await worker.terminate()
}

function made(options: { count: number; cache: number; tracking?: 'all' }): { region: Region; pool: BufferPool } {
  const wanted = { elementSize: 64, ...options }
  const region = kept(openRegistrySync()).allocateSync('pool', { size: bufferPoolBytes(wanted), pages: 'base' })
  return { region, pool: createBufferPool(region, wanted) }
}

/** Takes all elements of the pool. */
function drained(pool: BufferPool): number[] {
  const all: number[] = []
  for (let index = pool.get(); index >= 0; index = pool.get()) all.push(index)
  return all
}

function expectWhole(pool: BufferPool): void {
  expect(pool.available).toBe(pool.capacity)
  const all = drained(pool)
  expect([all.length, new Set(all).size]).toEqual([pool.capacity, pool.capacity])
}

describe('several threads', () => {
  test('never hold the same element, and lose none', { timeout: 600_000 }, async () => {
    const { region, pool } = made({ count: 512, cache: 32 })
    const each = operations / 4
    const works = [1, 2, 3, 4].map((name): Work => ({ work: 'churn', name, operations: each, holds: 150 }))
    const told = await outcomes(await start(region, works))
    expect(told.map(({ wrong }) => wrong)).toEqual([0, 0, 0, 0])
    expect(told.reduce((sum, { done }) => sum + done, 0)).toBeGreaterThanOrEqual(operations)
    expectWhole(pool)
  })

  test('that wait for the only element all get their turns', { timeout: 120_000 }, async () => {
    const { region, pool } = made({ count: 1, cache: 2 })
    const works = [1, 2, 3].map((name): Work => ({ work: 'wait', name, operations: 100, holds: 1 }))
    const told = await outcomes(await start(region, works))
    expect(told).toEqual([1, 2, 3].map(() => ({ done: 100, wrong: 0 })))
    expectWhole(pool)
  })
})

describe('a thread that dies', () => {
  test('at any moment loses no element of its cache', { timeout: 600_000 }, async () => {
    const { region, pool } = made({ count: 256, cache: 32 })
    const holds = 1
    for (let round = 0; round < deaths / 4; round++) {
      await terminated(region, holds)
      pool.reclaim()
      const all = drained(pool)
      expect(new Set(all).size).toBe(all.length)
      // Elements in the hands of a dead thread stay taken: a burst, and those that it held before.
      expect(all.length).toBeGreaterThanOrEqual(256 - 4 * (32 + holds))
      // This thread gives all elements back for the dead threads.
      for (let index = 0; index < 256; index++) if (!all.includes(index)) all.push(index)
      for (const index of all) pool.put(index)
      expect(pool.available).toBe(256)
    }
  })

  test('leaves its magazines to the threads that come later', { timeout: 600_000 }, async () => {
    const { region, pool } = made({ count: 64, cache: 8 })
    const work: Work = { work: 'churn', name: 1, operations: 1, holds: 1 }
    // More threads than there are magazines attach and die, while the depot contains elements all the time.
    for (let round = 0; round < 10; round++) {
      const workers = await start(
        region,
        Array.from({ length: 10 }, () => work),
      )
      await Promise.all(workers.map((worker) => worker.terminate()))
    }
    expectWhole(pool)
  })

  test('loses no element at all if the pool tracks', { timeout: 600_000 }, async () => {
    const { region, pool } = made({ count: 256, cache: 32, tracking: 'all' })
    for (let round = 0; round < deaths / 4; round++) {
      await terminated(region, 40)
      pool.reclaimTaken()
      expectWhole(pool)
      for (let index = 0; index < 256; index++) pool.put(index)
    }
  })
})
