import { test as base, expect } from 'vitest'
import { fixtures, type TestFixtures } from '../../src/testing/index.js'

const test = base.extend<TestFixtures>(fixtures)

test('a pair, its device and a registry', async ({ pair, device, memory, noLeaks }) => {
  expect(pair.device).toBe(device)
  memory.allocateSync('rx', { size: 4096, pages: 'base' })
  pair.near.region.bytes.fill(3)
  pair.near.queuePair.post({ operation: 'write', memory: pair.near.memory, remote: pair.near.remote })
  expect(await pair.near.queue.wait()).toMatchObject([{ status: 'SUCCESS' }])
  expect(pair.far.region.bytes[9]).toBe(3)
  expect(noLeaks.left().length).toBeGreaterThan(8)
})

test('nothing is opened for a test that needs nothing', ({ noLeaks }) => {
  expect(noLeaks.left()).toEqual([])
})
