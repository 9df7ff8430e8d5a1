import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { beforeEach, expect, test } from 'vitest'
import { native } from '../../src/native.js'
import { connectedPair } from '../../src/testing/index.js'
import { root } from '../support/child-process.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

beforeEach((context) => needs(context, whyNotBuilt))

test('workers that end in the middle of bad weather, injected faults and a search for leaks leave nothing', async () => {
  const before = native.tableCounts().live
  const workers = Array.from({ length: 12 }, () => new Worker(`${root}test/support/programs/stormy-worker.mjs`))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  await Promise.all(workers.map((worker) => worker.terminate()))
  expect(native.tableCounts().live).toBe(before)
})

test('a queue pair whose peer is in another thread has no weather, and its thread goes on', async () => {
  using pair = connectedPair()
  using queuePair = pair.domain.createQueuePair({ sendQueue: pair.far.queue })
  const worker = new Worker(`${root}test/support/programs/stormy-apart.mjs`, {
    workerData: { peer: queuePair.describe(), memory: pair.far.memory.describe() },
  })
  const message = async () => (await once(worker, 'message', { signal: AbortSignal.timeout(60_000) }))[0]
  try {
    queuePair.connect(await message(), { access: ['remoteWrite'] })
    worker.postMessage('connected')
    expect(await message()).toEqual({ statuses: ['SUCCESS', 'SUCCESS', 'SUCCESS'], log: [] })
    expect(pair.far.region.bytes.subarray(0, 25)).toEqual(new Uint8Array(25).fill(7, 0, 24))
  } finally {
    await worker.terminate()
  }
})
