import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createHeap, openRegistrySync } from '../../src/index.js'
import { kept } from '../support/registries.js'
import { statusBytes } from '../support/returned-pages.js'

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

test('a thread that is terminated while its heaps grow leaves no table behind', async () => {
  const region = kept(openRegistrySync()).allocateSync('growing', { size: '2MiB', pages: 'base' })
  const rounds = 6
  const before = statusBytes(process.pid, 'VmSize')
  for (let round = 0; round < rounds; round++) {
    const worker = new Worker(new URL('../support/programs/heap-growing-worker.mjs', import.meta.url), {
      workerData: region.handle,
    })
    await once(worker, 'message')
    expect(await worker.terminate()).toBe(1)
  }
  // Each table has 10 GiB of addresses.
  expect(statusBytes(process.pid, 'VmSize') - before).toBeLessThan(rounds * 2 ** 30)
})

test('heaps that are closed give the memory of their tables back at once', () => {
  const region = kept(openRegistrySync()).allocateSync('closed', { size: '4MiB', pages: 'base' })
  const rounds = 20
  const resident = () => statusBytes(process.pid, 'VmRSS')
  const before = resident()
  for (let round = 0; round < rounds; round++) {
    using heap = createHeap(region)
    for (let made = 0; made < 200_000; made++) heap.allocate(16)
  }
  // Each table had 8 MB.
  expect(resident() - before).toBeLessThan((rounds / 2) * 8e6)
})
