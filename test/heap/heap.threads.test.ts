import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createHeap, openRegistrySync } from '../../src/index.js'
import { kept } from '../support/registries.js'

interface Block {
  readonly offset: number
  readonly size: number
}

test('heaps of threads in slices of one region are independent, and a terminated thread holds nothing', async () => {
  const share = 128 * 1024
  const region = kept(openRegistrySync()).allocateSync('shared', { size: 3 * share, pages: 'base' })
  const workers = [1, 2].map(
    (mark) =>
      new Worker(new URL('../support/programs/heap-worker.mjs', import.meta.url), {
        workerData: { handle: region.handle, offset: (mark - 1) * share, length: share, mark },
      }),
  )
  using own = createHeap(region.slice(2 * share, share))
  const told = Promise.all(workers.map(async (worker): Promise<Block[]> => (await once(worker, 'message'))[0]))
  for (let round = 0; round < 2000; round++) {
    const block = own.allocate(100)
    own.view(block).fill(3)
    if (round % 2 === 0 || own.stats().largestFree < 1000) own.free(block)
  }

  for (const [index, blocks] of (await told).entries()) {
    expect(blocks).toHaveLength(100)
    for (const { offset, size } of blocks) {
      expect(region.view(offset, size).every((byte) => byte === index + 1)).toBe(true)
    }
  }
  own.check()
  for (const { offset, size, free } of own.walk()) {
    if (!free) expect(region.view(2 * share + offset, size).every((byte) => byte === 3)).toBe(true)
  }
  await Promise.all(workers.map((worker) => worker.terminate()))
})
