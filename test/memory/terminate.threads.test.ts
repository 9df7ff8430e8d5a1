import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { openRegistrySync, type RegionHandle } from '../../src/index.js'
import { collected } from '../support/garbage-collection.js'
import { mappedRegions } from '../support/mapped-regions.js'

async function churning(handle: RegionHandle): Promise<Worker> {
  const worker = new Worker(new URL('../support/programs/attached.mjs', import.meta.url), { workerData: { handle } })
  await once(worker, 'message')
  worker.postMessage({ action: 'churn' })
  await once(worker, 'message')
  return worker
}

test('200 workers are terminated while they read and write regions, and no region is left', {
  timeout: 180_000,
}, async () => {
  const memory = openRegistrySync()
  const size = 4 * 2 ** 20
  for (let batch = 0; batch < 50; batch++) {
    const region = memory.allocateSync('churned', { size, pages: 'base' })
    const workers = await Promise.all(Array.from({ length: 4 }, () => churning(region.handle)))
    // In turn, this thread closes the region before the workers die, or after it.
    if (batch % 2 === 0) region.close()
    const codes = await Promise.all(workers.map((worker) => worker.terminate()))
    expect(codes).toEqual([1, 1, 1, 1])
    region.close()
  }
  expect(await collected(() => mappedRegions().length === 0)).toBe(true)
  memory.close()
})

test('a worker is terminated while it populates, and leaves nothing', { timeout: 120_000 }, async () => {
  for (let round = 0; round < 10; round++) {
    const worker = new Worker(new URL('../support/programs/populating.mjs', import.meta.url))
    await once(worker, 'message')
    await worker.terminate()
  }
  expect(await collected(() => mappedRegions().length === 0)).toBe(true)
})
