import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { createPackets, openRegistrySync } from '../../src/index.js'
import { kept } from '../support/registries.js'

const rounds = 50_000

test('threads that share a buffer free it once, and the owner of external memory is told of its release', async () => {
  const memory = kept(openRegistrySync({ leaks: 'off' }))
  const region = memory.allocateSync('packets', { size: '256KiB', pages: 'base' })
  const packets = createPackets(region, { bufferSize: 256, count: 200, cache: 16 })
  const index = packets.allocate()
  packets.append(index, 100)
  // The last page of the region, where nothing else lies.
  const external = region.slice(region.size - 4096, 4096)
  let released = 0
  const [one, other] = [packets.allocate(), packets.allocate()]
  packets.attachExternal(one, external, () => {
    released += 1
  })
  packets.attach(other, one)

  const { handle } = region
  const workers = [one, other].map(
    (mine) =>
      new Worker(new URL('../support/programs/packet-worker.mjs', import.meta.url), {
        workerData: { handle, index, rounds, mine: [mine] },
      }),
  )
  const ended = workers.map((worker) => once(worker, 'exit'))
  const done = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]))
  await Promise.all(ended)

  for (const count of done) expect(count).toBeGreaterThan(rounds / 2)
  expect([packets.isShared(index), packets.available, released]).toEqual([false, 199, 0])
  expect([packets.runReleases(), packets.runReleases(), released]).toEqual([1, 0, 1])
  packets.free(index)
  expect(packets.available).toBe(200)
})
