// Tests of courier.mts with vitest. Each test gets a pair of its own, and fails if it leaves something open.
import { fixtures, injectFaults, type TestFixtures, weather } from 'pinfold/testing'
import { test as base, expect } from 'vitest'
import { Courier } from './courier.mts'

const test = base.extend<TestFixtures>(fixtures)

test('a parcel arrives', async ({ pair }) => {
  pair.near.region.bytes.fill(7)
  await new Courier(pair.near).deliver(100)
  expect([...pair.far.region.bytes.subarray(98, 102)]).toEqual([7, 7, 0, 0])
})

test('a parcel arrives though a third of all packets is lost', async ({ pair }) => {
  using storm = weather(pair.device, { seed: 7, loss: 0.3, delay: { least: 1, most: 5 } })
  const courier = new Courier(pair.near)
  for (let parcel = 0; parcel < 20; parcel++) await courier.deliver(100)
  expect(storm.log).toContainEqual(expect.objectContaining({ event: 'lost' }))
})

test('a peer that is gone is an error', async ({ pair }) => {
  using _ = weather(pair.device, { loss: 1 })
  await expect(new Courier(pair.near).deliver(100)).rejects.toThrow('RETRY_EXC_ERR, the peer did not answer in time')
})

test('a completion that never comes hangs nothing', async ({ pair }) => {
  using _ = weather(pair.device, { stall: { after: 0 } })
  await expect(new Courier(pair.near, 50).deliver(100)).rejects.toMatchObject({ name: 'TimeoutError' })
})

test('a full send queue is an error of the call', async ({ pair }) => {
  using faults = injectFaults({ device: pair.device })
  faults.failNext('ibv_post_send', { errno: 'ENOMEM' })
  await expect(new Courier(pair.near).deliver(100)).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' })
})
