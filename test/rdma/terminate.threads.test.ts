import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { openRegistrySync } from '../../src/index.js'
import { collected } from '../support/garbage-collection.js'
import { mappedRegions } from '../support/mapped-regions.js'

test('100 workers are terminated during transfers over the loopback, and leave nothing', {
  timeout: 180_000,
}, async () => {
  const memory = openRegistrySync()
  for (let batch = 0; batch < 25; batch++) {
    const region = memory.allocateSync('transferred', { size: 4 * 2 ** 20, pages: 'base' })
    const workers = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const worker = new Worker(new URL('../support/programs/rdma-churn.mjs', import.meta.url), {
          workerData: { handle: region.handle, device: 'loopback0' },
        })
        await once(worker, 'message')
        return worker
      }),
    )
    if (batch % 2 === 0) region.close()
    expect(await Promise.all(workers.map((worker) => worker.terminate()))).toEqual([1, 1, 1, 1])
    region.close()
  }
  expect(await collected(() => mappedRegions().length === 0)).toBe(true)
  memory.close()
})

test('a worker that owns thousands of regions and objects of a device is terminated, and leaves nothing', {
  timeout: 180_000,
}, async () => {
  const memory = openRegistrySync()
  for (let round = 0; round < 3; round++) {
    const region = memory.allocateSync('shared', { size: 2 ** 20, pages: 'base' })
    const worker = new Worker(new URL('../support/programs/many-objects.mjs', import.meta.url), {
      workerData: { handle: region.handle },
    })
    await once(worker, 'message')
    expect(mappedRegions().length).toBeGreaterThan(0)
    expect(await worker.terminate()).toBe(1)
    region.close()
    expect(await collected(() => mappedRegions().length === 0)).toBe(true)
  }
  memory.close()
})
