import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { beforeEach, expect, test } from 'vitest'
import { native } from '../../src/native.js'
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
