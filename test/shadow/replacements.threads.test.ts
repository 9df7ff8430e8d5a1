import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createRing, openRegistrySync, ringBytes } from '../../src/index.js'
import { poolPages } from '../support/hugepage-pools.js'
import { kept } from '../support/registries.js'

/** Mappings that are made and retired, by all workers together. */
const replacements = Number(process.env.PINFOLD_SHADOW_REPLACEMENTS ?? 20_000)

test('pages are mapped and retired thousands of times while other threads run on them, trap, and are terminated', {
  timeout: 600_000,
}, async () => {
  const before = poolPages()
  const memory = kept(openRegistrySync())
  const region = memory.allocateSync('shadowed', { size: '8MiB', pages: '2MiB' })
  const shared = [0, ringBytes(1024)] as const
  const ring = createRing(region.slice(...shared), { count: 1024, patience: 60_000 })
  const start = (work: 'run' | 'replace', place: readonly [number, number]) =>
    new Worker(new URL('../support/programs/shadow-worker.mjs', import.meta.url), {
      workerData: { work, handle: region.handle, place, replacements: replacements / 2 },
    })
  // On other pages, and on those of the ring that is in use.
  const replacing = [2 ** 21, 2 ** 20].map((offset) => start('replace', [offset, ringBytes(16)]))
  const done = Promise.all(replacing.map(async (worker): Promise<number> => (await once(worker, 'message'))[0]))
  let isOver = false
  const counts = done.finally(() => {
    isOver = true
  })
  let terminated = 0
  while (!isOver) {
    const running = [start('run', shared), start('run', shared)]
    await Promise.all(running.map((worker) => once(worker, 'message')))
    await Promise.race([counts, new Promise((resolve) => setTimeout(resolve, Math.random() * 40))])
    await Promise.all(running.map((worker) => worker.terminate()))
    terminated += running.length
  }
  expect(await counts).toEqual([replacements / 2, replacements / 2])
  expect(terminated).toBeGreaterThan(0)
  // The ring that the terminated threads used goes on.
  const burst = ring.burst(1024)
  while (ring.dequeueBurst(burst) > 0);
  burst.set([1, 2, 3])
  expect([ring.enqueueBulk(burst, 3), ring.dequeueBurst(burst), ...burst.subarray(0, 3)]).toEqual([3, 3, 1, 2, 3])
  ring.close()
  await Promise.all(replacing.map((worker) => worker.terminate()))
  memory.close()
  expect(poolPages()).toBe(before)
})
