import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { openRegistrySync } from '../../../src/index.js'
import { native } from '../../../src/native.js'
import { collected } from '../../support/garbage-collection.js'
import { mappedRegions } from '../../support/mapped-regions.js'

const { test: verbs } = native.verbs
const PORT_ERR = 10

test('40 workers are terminated with all objects open, during events and registrations, and leave nothing', {
  timeout: 120_000,
}, async () => {
  verbs.choose(true, true)
  const objects = verbs.live()
  const memory = openRegistrySync()
  for (let batch = 0; batch < 10; batch++) {
    const region = memory.allocateSync('churned', { size: 2 ** 20, pages: 'base' })
    const workers = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const worker = new Worker(new URL('../../support/programs/verbs-churn.mjs', import.meta.url), {
          workerData: { handle: region.handle },
        })
        await once(worker, 'message')
        return worker
      }),
    )
    const storm = setInterval(() => verbs.happen(PORT_ERR, 1), 1)
    if (batch % 2 === 0) region.close()
    expect(await Promise.all(workers.map((worker) => worker.terminate()))).toEqual([1, 1, 1, 1])
    clearInterval(storm)
    region.close()
    expect(verbs.live()).toBe(objects)
  }
  verbs.choose(false, false)
  expect(await collected(() => mappedRegions().length === 0)).toBe(true)
  memory.close()
})
