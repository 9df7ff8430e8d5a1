import { expect, test } from 'vitest'
import { bufferPoolBytes, createBufferPool, openRegistrySync, PinfoldError } from '../../src/index.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { randomNumbers } from '../support/random.mjs'
import { kept } from '../support/registries.js'

// Buffer pools whose bookkeeping a program overwrites.

test.for([{ tracking: 'all' }, { tracking: { oneIn: 3 } }, { tracking: 'off' }] as const)(
  'a buffer pool with overwritten bookkeeping throws only PinfoldErrors, and writes nothing outside: %o',
  { timeout: 120_000 },
  ({ tracking }) => {
    const memory = kept(openRegistrySync({ leaks: 'off' }))
    const capacity = 40
    const options = { elementSize: 64, count: capacity, cache: 8, tracking, patience: 0 } as const
    const size = Math.ceil(bufferPoolBytes(options) / 64) * 64
    const all = memory.allocateSync('all', { size: size + 2 * basePageSize, pages: 'base' })
    const fence = [all.view(0, basePageSize), all.view(basePageSize + size, basePageSize)]
    for (const side of fence) side.fill(0xee)
    const place = all.slice(basePageSize, size)
    const { buffer, byteOffset } = all.view(basePageSize, size)
    const words = new Int32Array(buffer, byteOffset, size / 4)
    const values = new Uint32Array(20)
    const random = randomNumbers(1)
    const writeOver = () => {
      const isAll = random(4) === 0
      const count = isAll ? words.length - 16 : random(400)
      for (let one = 0; one < count; one++) {
        const value = [random(2 ** 32), -1, random(60)][random(3)] ?? 0
        words[16 + (isAll ? one : random(words.length - 16))] = value
      }
    }
    for (let round = 0; round < 200; round++) {
      const pool = createBufferPool(place, options)
      const uses = [
        () => pool.get(),
        () => pool.put(random(capacity)),
        () => pool.getBulk(values, random(20)),
        () =>
          pool.putBulk(
            values.map(() => random(capacity)),
            random(20),
          ),
        () => values.set(pool.spans.subarray(0, Math.max(0, pool.take(random(5))) % 20)),
        () => pool.room(random(5)),
        () => pool.give(random(5)),
        () => pool.flush(),
        () => pool.reclaim(),
        () => pool.available,
        () => pool.stats(),
        () => pool.view(random(capacity)).fill(1),
        () => pool.adopt(random(capacity)),
        () => tracking !== 'off' && pool.reclaimTaken(),
      ]
      const attempt = (use: (() => unknown) | undefined) => {
        try {
          use?.()
        } catch (error) {
          if (!(error instanceof PinfoldError)) throw error
        }
      }
      for (let turn = 0; turn < 40; turn++) {
        if (random(6) === 0) writeOver()
        attempt(uses[random(uses.length)])
      }
      attempt(() => pool.close())
      // A pool whose depot seems to belong to another thread stays open. With zeros in the depot, it closes.
      words.fill(0, 16)
      pool.close()
    }
    for (const side of fence) expect(side.every((byte) => byte === 0xee)).toBe(true)
  },
)
