import { expect, test } from 'vitest'
import { attachRing, createRing, type Region, type Ring } from '../../src/index.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { Child } from '../support/child-process.js'
import { sharedRegion } from '../support/shared-memory.js'

// A ring between processes. Both processes adopt the same shared memory.

const size = 4 * basePageSize

function shared(count = 512, bytes = size): { region: Region; ring: Ring; path: string } {
  const { region, path } = sharedRegion(bytes)
  return { region, ring: createRing(region, { count, patience: 30_000 }), path }
}

test('values of a process that is killed with SIGKILL arrive without a gap, and other processes go on', async () => {
  const { ring, path } = shared()
  const out = new Uint32Array(64)
  let first = 0
  for (let kill = 0; kill < 4; kill++) {
    await using child = new Child('ring-process.ts', [path, size, first])
    expect(await child.line()).toBe('counting')
    let next = first
    const take = () => {
      const got = ring.dequeueBurst(out)
      const expected = next
      expect(out.subarray(0, got).findIndex((value, index) => value !== expected + index)).toBe(-1)
      next += got
      return got
    }
    while (next < first + 100_000) take()
    const dying = child.kill('SIGKILL')
    for (let empty = 0; empty < 1000; ) empty = take() === 0 ? empty + 1 : 0
    expect((await dying).signal).toBe('SIGKILL')
    while (take() > 0);
    // This uses the producers' side, which the dead process may have owned.
    expect([ring.enqueue(5), ring.dequeue(), ring.count]).toEqual([true, 5, 0])
    first = next
  }
})

test('a process that is killed between reserve and commit has changed nothing', async () => {
  const { ring, path } = shared()
  ring.enqueue(1)
  ring.enqueue(2)
  await using child = new Child('ring-process.ts', [path, size, 'reserve'])
  expect(await child.line()).toBe('reserved')
  await child.kill('SIGKILL')
  expect([ring.count, ring.enqueue(3), ring.dequeue(), ring.dequeue(), ring.dequeue()]).toEqual([2, true, 1, 2, 3])
})

test('a process that lives and does not commit is waited for as long as patience says', async () => {
  const { region, ring, path } = shared()
  ring.enqueue(1)
  await using child = new Child('ring-process.ts', [path, size, 'reserve'])
  expect(await child.line()).toBe('reserved')
  using impatient = attachRing(region, { patience: 5 })
  const busy = { code: 'ERR_RING_BUSY', values: { side: 'producer', thread: child.pid, patience: 5 } }
  expect(() => impatient.enqueue(1)).toThrow(expect.objectContaining(busy))
  expect(impatient.count).toBe(1)
})
