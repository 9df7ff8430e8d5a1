// Tests of courier.mts with the test runner of Node.js. courier.test.mts has the same tests for vitest.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectedPair, expectNoLeaks, injectFaults, weather } from 'pinfold/testing'
import { Courier } from './courier.mts'

test('a parcel arrives, and nothing is left open', () =>
  expectNoLeaks(async () => {
    using pair = connectedPair()
    pair.near.region.bytes.fill(7)
    await new Courier(pair.near).deliver(100)
    assert.deepEqual([...pair.far.region.bytes.subarray(98, 102)], [7, 7, 0, 0])
  }))

test('a parcel arrives though a third of all packets is lost', async () => {
  using pair = connectedPair()
  using storm = weather(pair.device, { seed: 7, loss: 0.3, delay: { least: 1, most: 5 } })
  const courier = new Courier(pair.near)
  for (let parcel = 0; parcel < 20; parcel++) await courier.deliver(100)
  assert.ok(storm.log.some(({ event }) => event === 'lost'))
})

test('a peer that is gone is an error', async () => {
  using pair = connectedPair()
  using _ = weather(pair.device, { loss: 1 })
  await assert.rejects(new Courier(pair.near).deliver(100), /RETRY_EXC_ERR, the peer did not answer in time/)
})

test('a completion that never comes hangs nothing', async () => {
  using pair = connectedPair()
  using _ = weather(pair.device, { stall: { after: 0 } })
  await assert.rejects(new Courier(pair.near, 50).deliver(100), { name: 'TimeoutError' })
})

test('a full send queue is an error of the call', async () => {
  using pair = connectedPair()
  using faults = injectFaults({ device: pair.device })
  faults.failNext('ibv_post_send', { errno: 'ENOMEM' })
  await assert.rejects(new Courier(pair.near).deliver(100), { code: 'ERR_QUEUE_FULL' })
})
