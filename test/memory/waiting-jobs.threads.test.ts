import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { openRegistrySync } from '../../src/index.js'
import { collected } from '../support/garbage-collection.js'
import { mappedRegions } from '../support/mapped-regions.js'

// A worker ends while its allocations wait for their turn, or while the pages of its regions are on their way back.

async function started(task: string, data: object = {}): Promise<Worker> {
  const program = new URL('../support/programs/waiting-jobs.mjs', import.meta.url)
  const worker = new Worker(program, { workerData: { task, ...data } })
  await once(worker, 'message')
  return worker
}

test.each(['allocate', 'closeAsync', 'closeAsync in turn', 'registry'])(
  'a worker is terminated under %s, at any moment, and leaves nothing',
  { timeout: 120_000 },
  async (task) => {
    for (let round = 0; round < 5; round++) {
      const worker = await started(task)
      const begun = performance.now()
      while (performance.now() - begun < round * 3) await new Promise(setImmediate)
      await worker.terminate()
    }
    expect(await collected(() => mappedRegions().length === 0)).toBe(true)
  },
)

test.each(['allocate', 'closeAsync', 'registry'])(
  'a worker ends by process.exit under %s, and leaves nothing',
  async (task) => {
    const worker = await started(task, { exits: true })
    await once(worker, 'exit')
    expect(await collected(() => mappedRegions().length === 0)).toBe(true)
  },
)

test('closeAsync in two threads: the last one gives the pages back', async () => {
  const memory = openRegistrySync()
  const region = memory.allocateSync('shared', { size: '64MiB', pages: 'base' })
  region.bytes.fill(7)
  const worker = await started('attached', { handle: region.handle })
  await region.closeAsync()
  expect(mappedRegions()).toEqual(['shared'])
  worker.postMessage('close')
  const [read] = await once(worker, 'message')
  expect([read, mappedRegions()]).toEqual([7, []])
  await worker.terminate()
  memory.close()
})

test('many threads close their attachments of one region at the same time, and its pages are free once', async () => {
  const memory = openRegistrySync()
  for (let round = 0; round < 4; round++) {
    const region = memory.allocateSync('shared', { size: '16MiB', pages: 'base' })
    const workers = await Promise.all(Array.from({ length: 4 }, () => started('attached', { handle: region.handle })))
    const closed = workers.map((worker) => once(worker, 'message'))
    for (const worker of workers) worker.postMessage('close')
    await Promise.all([...closed, region.closeAsync()])
    expect(mappedRegions()).toEqual([])
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  memory.close()
})
