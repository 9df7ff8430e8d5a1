import { expect, test } from 'vitest'
import { bufferPoolBytes, createBufferPool } from '../../src/index.js'
import { Child } from '../support/child-process.js'
import { sharedRegion } from '../support/shared-memory.js'

// A buffer pool between processes. All processes adopt the same shared memory.

const kills = Number(process.env.PINFOLD_POOL_KILLS ?? 4)

test.for(['off', 'all'] as const)(
  'processes that are killed with SIGKILL during a call lose no element of their caches; tracking: %s',
  {
    timeout: 600_000,
  },
  async (tracking) => {
    const options = { elementSize: 64, count: 200, cache: 32, tracking, patience: 30_000 }
    const { region, path } = sharedRegion(bufferPoolBytes(options))
    using pool = createBufferPool(region, options)
    const churn = () => {
      for (let round = 0; round < 200; round++) {
        const index = pool.get()
        if (index >= 0) pool.put(index)
      }
      pool.flush()
    }
    for (let kill = 0; kill < kills; kill += 2) {
      const children = [1, 2].map(() => new Child('pool-process.ts', [path, region.size]))
      for (const child of children) expect(await child.line()).toBe('at work')
      for (const end = performance.now() + 3 + Math.random() * 10; performance.now() < end; ) churn()
      for (const child of children) {
        const dying = child.kill('SIGKILL')
        churn()
        expect((await dying).signal).toBe('SIGKILL')
      }
      const inHands = tracking === 'all' ? 0 : 32
      if (tracking === 'all') pool.reclaimTaken()
      else pool.reclaim()
      const all = new Set<number>()
      for (let index = pool.get(); index >= 0; index = pool.get()) {
        expect(all).not.toContain(index)
        all.add(index)
      }
      expect(all.size).toBeGreaterThanOrEqual(200 - 2 * inHands)
      // This process gives the elements back that the dead processes held.
      for (let index = 0; index < 200; index++) pool.put(index)
      expect(pool.available).toBe(200)
    }
  },
)
