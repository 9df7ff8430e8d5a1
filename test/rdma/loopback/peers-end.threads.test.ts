import { readdirSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { explainVendorError } from '../../../src/index.js'
import { FarSide } from '../../support/far-side.js'
import { NearSide } from '../../support/near-side.js'
import { needs, whyNotBuilt } from '../../support/requirements.js'

/** Open descriptors of this process. */
const descriptors = () => readdirSync('/proc/self/fd').length

let near: NearSide

beforeEach((context) => {
  needs(context, whyNotBuilt)
  near = new NearSide()
})
afterEach(() => near?.close())

describe.each([{ whose: 'thread' as const }, { whose: 'process' as const }])(
  'a peer in another $whose',
  ({ whose }) => {
    test('is killed in the middle of a transfer: RETRY_EXC_ERR says why, and the rest is flushed', async () => {
      const far = new FarSide(whose)
      const { queuePair } = await near.pair(far, {}, { timeout: 0 })
      const remote = await near.remote(far)
      const write = {
        operation: 'write' as const,
        memory: near.registration.slice(0, 2 ** 21),
        remote: remote.slice(0, 2 ** 21),
      }
      queuePair.post(Array.from({ length: 64 }, (_, id) => ({ ...write, id })))
      expect((await near.completion()).ok).toBe(true)
      await far.kill()
      const rest = await near.completions(63)
      const failed = rest.filter(({ ok }) => !ok)
      expect(failed.length).toBeGreaterThan(0)
      expect(new Set(failed.slice(1).map(({ status }) => status))).toEqual(
        new Set(failed.length > 1 ? ['WR_FLUSH_ERR'] : []),
      )
      expect(failed[0]?.status).toBe('RETRY_EXC_ERR')
      expect(explainVendorError('loopback', failed[0]?.vendorError ?? 0)).toMatch(/has ended/)
      expect(queuePair.query().state).toBe('ERR')
    })

    test('is killed while it sends: the memory of this side stays whole, and it can be used by another peer', async () => {
      const far = new FarSide(whose)
      const { name } = await near.pair(far)
      far.tell('flood', [name, near.registration.describe()])
      await far.call('fill', 5)
      await expect.poll(() => near.region.bytes[65_535]).toBe(5)
      await far.kill()
      expect(near.region.bytes.subarray(65_536).every((byte) => byte === 0)).toBe(true)
      const next = new FarSide(whose)
      const { queuePair } = await near.pair(next)
      const remote = await near.remote(next)
      queuePair.post({ operation: 'write', memory: near.registration.slice(0, 8), remote: remote.slice(0, 8) })
      expect(await near.status()).toBe('SUCCESS')
      await next.end()
    })

    test('has ended before a request is posted: the request fails at once', async () => {
      const far = new FarSide(whose)
      const { queuePair } = await near.pair(far, {}, { timeout: 0 })
      const remote = await near.remote(far)
      await far.kill()
      queuePair.post({ operation: 'write', memory: near.registration.slice(0, 8), remote: remote.slice(0, 8) })
      const { status, vendorError } = await near.completion()
      expect([status, explainVendorError('loopback', vendorError)]).toEqual([
        'RETRY_EXC_ERR',
        expect.stringMatching(/has ended/),
      ])
    })

    test('closes its device: requests fail', async () => {
      const far = new FarSide(whose)
      const { queuePair } = await near.pair(far)
      const remote = await near.remote(far)
      await far.call('closeDevice')
      queuePair.post({ operation: 'read', memory: near.registration.slice(0, 8), remote: remote.slice(0, 8) })
      expect(await near.status()).toBe('RETRY_EXC_ERR')
      await far.kill()
    })

    test('closes its queue pair: requests fail after the retries', async () => {
      const far = new FarSide(whose)
      const { queuePair, name } = await near.pair(far, {}, { timeout: 8, retryCount: 1 })
      await far.call('closePair', name)
      queuePair.post({ operation: 'send', memory: [] })
      const { status, vendorError } = await near.completion()
      expect([status, explainVendorError('loopback', vendorError)]).toEqual([
        'RETRY_EXC_ERR',
        expect.stringMatching(/no queue pair/),
      ])
      await far.end()
    })

    test('is connected and left a hundred times, and no descriptor stays open on either side', async () => {
      const far = new FarSide(whose)
      const remote = await near.remote(far)
      const before: number[] = []
      for (let round = 0; round < 100; round++) {
        const { queuePair, name } = await near.pair(far)
        queuePair.post({ operation: 'write', memory: near.registration.slice(0, 8), remote: remote.slice(0, 8) })
        expect(await near.status()).toBe('SUCCESS')
        await far.call('postReceive', name, [[]])
        queuePair.close()
        await far.call('closePair', name)
        if (round === 1) before.push(descriptors())
      }
      await expect.poll(descriptors).toBeLessThanOrEqual(before[0] ?? 0)
      await far.end()
    })
  },
)

describe('a peer in another process', () => {
  test('is stopped: the timeout and the retries find it, and it serves again when it goes on', async () => {
    const far = new FarSide('process')
    const { queuePair } = await near.pair(far, {}, { timeout: 10, retryCount: 2 })
    const remote = await near.remote(far)
    far.signal('SIGSTOP')
    try {
      queuePair.post({ operation: 'write', memory: near.registration.slice(0, 8), remote: remote.slice(0, 8) })
      const { status, vendorError } = await near.completion()
      expect([status, explainVendorError('loopback', vendorError)]).toEqual([
        'RETRY_EXC_ERR',
        expect.stringMatching(/no queue pair/),
      ])
    } finally {
      far.signal('SIGCONT')
    }
    const again = await near.pair(far)
    again.queuePair.post({ operation: 'write', memory: near.registration.slice(0, 8), remote: remote.slice(0, 8) })
    expect(await near.status()).toBe('SUCCESS')
    await far.end()
  })

  test.each([
    { how: 'is killed', timeout: 0, end: (far: FarSide) => far.kill(), why: /has ended/ },
    { how: 'stays stopped', timeout: 10, end: async () => {}, why: /no queue pair/ },
  ])('$how: a queue pair fails that waits for room on a link which another one has filled', async (ending) => {
    const far = new FarSide('process')
    const connect = { timeout: ending.timeout, retryCount: 1 }
    const { queuePair: filling } = await near.pair(far, {}, connect)
    const { queuePair: waiting } = await near.pair(far, {}, connect)
    const remote = await near.remote(far)
    far.signal('SIGSTOP')
    const write = { operation: 'write' as const, memory: near.registration.slice(0, 2 ** 21) }
    filling.post({ ...write, id: 1, remote: remote.slice(0, 2 ** 21) })
    waiting.post({ ...write, id: 2, remote: remote.slice(0, 2 ** 21) })
    await ending.end(far)
    const found = await near.completions(2)
    expect(found.map(({ id }) => id).sort()).toEqual([1, 2])
    for (const { status, vendorError } of found) {
      expect(status).toBe('RETRY_EXC_ERR')
      expect(explainVendorError('loopback', vendorError)).toMatch(ending.why)
    }
    await far.kill()
  })

  test('is closed while this side posts: closing the device ends everything', async () => {
    const far = new FarSide('process')
    const { queuePair } = await near.pair(far)
    const remote = await near.remote(far)
    const write = {
      operation: 'write' as const,
      memory: near.registration.slice(0, 2 ** 20),
      remote: remote.slice(0, 2 ** 20),
    }
    queuePair.post(Array.from({ length: 32 }, () => write))
    near.device.close({ force: true })
    expect(await far.call('poll')).toEqual([])
    await far.end()
  })
})
