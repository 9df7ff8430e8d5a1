import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type Completion,
  explainVendorError,
  parseRemoteMemory,
  type QueuePairDescription,
} from '../../../src/index.js'
import { FarSide } from '../../support/far-side.js'
import { NearSide } from '../../support/near-side.js'
import { needs, whyNotBuilt } from '../../support/requirements.js'

const sizes = [0, 1, 13, 4096, 65_535, 65_536, 65_537, 200_003, 2 ** 20]

describe.each([{ whose: 'thread' as const }, { whose: 'process' as const }])(
  'a peer in another $whose',
  ({ whose }) => {
    let far: FarSide
    let near: NearSide

    beforeAll(() => {
      if (whyNotBuilt === undefined) far = new FarSide(whose)
    })
    beforeEach((context) => {
      needs(context, whyNotBuilt)
      near = new NearSide()
    })
    afterEach(() => near?.close())
    afterAll(() => far?.end())

    const bytesOf = (from: number, to: number) => far.call<number[]>('bytes', from, to)
    const waitFar = (count: number) => far.call<Completion[]>('wait', count)
    const why = ({ vendorError }: Completion) => explainVendorError('loopback', vendorError)

    test.each(sizes)('%d bytes are written and read, and no byte beside them', async (size) => {
      const { queuePair } = await near.pair(far)
      const remote = await near.remote(far)
      await far.call('fill', 0)
      near.region.bytes.fill(0)
      for (let index = 0; index < size; index++) near.region.bytes[3 + index] = (index * 7 + 1) % 251
      queuePair.post({ operation: 'write', memory: near.registration.slice(3, size), remote: remote.slice(5, size) })
      queuePair.post({
        operation: 'read',
        memory: near.registration.slice(2 ** 20 + 9, size),
        remote: remote.slice(5, size),
      })
      expect((await near.completions(2)).map(({ status, bytes }) => [status, bytes])).toEqual([
        ['SUCCESS', size],
        ['SUCCESS', size],
      ])
      const sent = near.region.bytes.subarray(3, 3 + size)
      expect(Buffer.compare(near.region.bytes.subarray(2 ** 20 + 9, 2 ** 20 + 9 + size), sent)).toBe(0)
      expect(await bytesOf(0, 5)).toEqual([0, 0, 0, 0, 0])
      expect(await bytesOf(5 + size, 5 + size + 4)).toEqual([0, 0, 0, 0])
      queuePair.close()
    })

    test.each(sizes)('a message of %d bytes arrives, with its immediate data', async (size) => {
      const { queuePair, name } = await near.pair(far)
      await far.call('postReceive', name, [
        [
          [0, size],
          [1.5 * 2 ** 20, 0],
        ],
        [[0, size]],
      ])
      near.region.bytes.fill(9)
      queuePair.post({ operation: 'send', memory: [near.registration.slice(0, size)] })
      queuePair.post({
        operation: 'sendWithImmediate',
        memory: near.registration.slice(0, size),
        immediate: 0xdeadbeef,
      })
      const [plain, immediate] = await waitFar(2)
      expect([plain?.status, plain?.bytes, plain?.immediate]).toEqual(['SUCCESS', size, undefined])
      expect([immediate?.status, immediate?.bytes, immediate?.immediate]).toEqual(['SUCCESS', size, 0xdeadbeef])
      expect((await near.completions(2)).map(({ status }) => status)).toEqual(['SUCCESS', 'SUCCESS'])
    })

    test('requests to several places complete in order, also unsignaled, inline and fenced ones', async () => {
      const { queuePair, name } = await near.pair(far)
      const remote = await near.remote(far)
      const { registration } = near
      await far.call('fill', 1)
      await far.call('postReceive', name, [[[0, 16]], []])
      near.region.bytes.fill(2)
      queuePair.post([
        {
          operation: 'write',
          id: 1,
          memory: [registration.slice(0, 3), registration.slice(9, 5)],
          remote: remote.slice(0, 8),
          signaled: false,
        },
        {
          operation: 'read',
          id: 2,
          memory: [registration.slice(100, 4), registration.slice(200, 8)],
          remote: remote.slice(4, 12),
        },
        { operation: 'write', id: 3, memory: registration.slice(204, 4), remote: remote.slice(64, 4), fence: true },
        { operation: 'send', id: 4, memory: registration.slice(0, 16), inline: true },
        {
          operation: 'writeWithImmediate',
          id: 5,
          memory: registration.slice(0, 4),
          remote: remote.slice(80, 4),
          immediate: 7,
        },
      ])
      near.region.bytes.fill(3, 0, 3)
      expect((await near.completions(4)).map(({ id, status }) => `${id} ${status}`)).toEqual(
        [2, 3, 4, 5].map((id) => `${id} SUCCESS`),
      )
      const [message, written] = await waitFar(2)
      expect([message?.operation, message?.bytes]).toEqual(['receive', 16])
      expect([written?.operation, written?.bytes, written?.immediate]).toEqual(['receiveWriteWithImmediate', 4, 7])
      expect(await bytesOf(0, 16)).toEqual(Array.from({ length: 16 }, () => 2))
      expect(await bytesOf(64, 68)).toEqual([1, 1, 1, 1])
    })

    test('atomics change a word of the peer, and give its former value', async () => {
      const { queuePair } = await near.pair(far)
      const remote = await near.remote(far)
      await far.call('fill', 0, 0, 8)
      const word = { memory: near.registration.slice(0, 8), remote: remote.slice(0, 8) }
      const values: bigint[] = []
      for (const request of [
        { operation: 'fetchAndAdd', add: 2n ** 33n + 5n } as const,
        { operation: 'compareAndSwap', compare: 2n ** 33n + 5n, swap: 77n } as const,
        { operation: 'compareAndSwap', compare: 1n, swap: 1n } as const,
      ]) {
        queuePair.post({ ...request, ...word })
        expect(await near.status()).toBe('SUCCESS')
        values.push(Buffer.from(near.region.bytes.subarray(0, 8)).readBigUInt64LE())
      }
      expect(values).toEqual([0n, 2n ** 33n + 5n, 77n])
    })

    test('a window of the peer is written through, closed by a message, and gone', async () => {
      const { queuePair, name } = await near.pair(far)
      const { status, remote } = await far.call<{
        status: string
        remote: { rkey: number; address: string; length: number }
      }>('window', name, 4096, 64)
      expect(status).toBe('SUCCESS')
      await far.call('postReceive', name, [[]])
      const at = { memory: near.registration.slice(0, 8), remote: parseRemoteMemory(remote).slice(0, 8) }
      queuePair.post([
        { operation: 'write', ...at },
        { operation: 'sendWithInvalidate', memory: [], rkey: remote.rkey },
      ])
      expect((await near.completions(2)).map(({ ok }) => ok)).toEqual([true, true])
      expect((await waitFar(1))[0]?.invalidated).toBe(remote.rkey)
      queuePair.post({ operation: 'write', ...at })
      expect(await near.status()).toBe('REM_ACCESS_ERR')
    })

    test('the peer refuses by key, range and right; both sides are in ERR, and the rest is flushed', async () => {
      const remote = await near.remote(far)
      const readable = parseRemoteMemory(await far.call('register', 'readable', 0, 4096, ['remoteRead']))
      const stale = parseRemoteMemory(await far.call('register', 'stale', 0, 4096, ['localWrite', 'remoteWrite']))
      await far.call('deregister', 'stale')
      const past = parseRemoteMemory({ ...(await far.call<object>('memory', 'all')), length: 2 ** 22 })
      for (const [to, reason] of [
        [stale.slice(0, 8), /no registration or window has that rkey/],
        [past.slice(2 ** 21 - 4, 8), /not inside the memory/],
        [past.slice(2 ** 21 - 65536, 70_000), /not inside the memory/],
        [readable.slice(0, 8), /does not give this right/],
      ] as const) {
        const { queuePair, name } = await near.pair(far)
        await far.call('watch')
        const memory = near.registration.slice(0, to.length)
        queuePair.post([
          { operation: 'write', id: 1, memory, remote: to },
          { operation: 'write', id: 2, memory: memory.slice(0, 8), remote: remote.slice(0, 8) },
        ])
        const [refused, flushed] = await near.completions(2)
        if (refused === undefined) throw new Error('no completion came')
        expect([refused.id, refused.status, flushed?.status]).toEqual([1, 'REM_ACCESS_ERR', 'WR_FLUSH_ERR'])
        expect(why(refused)).toMatch(reason)
        expect(await far.call('event', 'QP_ACCESS_ERR')).toBe('QP_ACCESS_ERR')
        expect([queuePair.query().state, await far.call('state', name)]).toEqual(['ERR', 'ERR'])
      }
      await far.call('deregister', 'readable')
    })

    test('a queue pair of the peer that gives no right refuses', async () => {
      const { queuePair, name } = await near.pair(far)
      await far.call('modify', name, { access: [] })
      const remote = await near.remote(far)
      queuePair.post({ operation: 'read', memory: near.registration.slice(0, 8), remote: remote.slice(0, 8) })
      expect(await near.status()).toBe('REM_INV_REQ_ERR')
    })

    test('a message that is too long for its receive is an error of both sides, whatever its length', async () => {
      for (const size of [100, 100_000]) {
        const { queuePair, name } = await near.pair(far)
        await far.call('postReceive', name, [[[0, size - 1]]])
        queuePair.post({ operation: 'send', memory: near.registration.slice(0, size) })
        expect(await near.status()).toBe('REM_OP_ERR')
        expect((await waitFar(1))[0]?.status).toBe('LOC_QP_OP_ERR')
      }
    })

    test('a message waits for a receive, and in vain when its retries are used up', async () => {
      const { queuePair, name } = await near.pair(far, {}, { minRnrTimer: 1 })
      near.region.bytes.fill(4)
      queuePair.post(
        [65_537, 8].map((size) => ({ operation: 'send' as const, memory: near.registration.slice(0, size) })),
      )
      await far.call('postReceive', name, [[[0, 70_000]]])
      expect(await near.status()).toBe('SUCCESS')
      expect((await waitFar(1))[0]?.bytes).toBe(65_537)
      await far.call('postReceive', name, [[[0, 8]]])
      expect(await near.status()).toBe('SUCCESS')
      await waitFar(1)
      const impatient = await near.pair(far, {}, { minRnrTimer: 1, rnrRetry: 2 })
      impatient.queuePair.post({ operation: 'send', memory: [] })
      expect(await near.status()).toBe('RNR_RETRY_EXC_ERR')
    })

    test('a shared receive queue of the peer serves several queue pairs', async () => {
      await far.call('share', 8)
      const pairs = [await near.pair(far, {}, {}, { isShared: true }), await near.pair(far, {}, {}, { isShared: true })]
      await far.call('postShared', [[[0, 70_000]], [[70_000, 70_000]], [[140_000, 8]]])
      for (const { queuePair } of [...pairs, ...pairs.slice(0, 1)]) {
        queuePair.post({ operation: 'send', memory: near.registration.slice(0, 8) })
        expect(await near.status()).toBe('SUCCESS')
      }
      const numbers = (await waitFar(3)).map(({ queuePair }) => queuePair)
      expect(numbers).toEqual([pairs[0]?.peer.number, pairs[1]?.peer.number, pairs[0]?.peer.number])
    })

    test('an unreliable connection loses what has no receive, and completes at once', async () => {
      const { queuePair, name } = await near.pair(far, { type: 'UC' })
      const remote = await near.remote(far)
      queuePair.post({ operation: 'send', memory: near.registration.slice(0, 8) })
      near.region.bytes.fill(6)
      queuePair.post({
        operation: 'write',
        memory: near.registration.slice(0, 70_000),
        remote: remote.slice(0, 70_000),
      })
      expect((await near.completions(2)).map(({ ok }) => ok)).toEqual([true, true])
      // The write comes after the message, which is lost by then.
      await expect.poll(() => bytesOf(69_999, 70_000)).toEqual([6])
      await far.call('postReceive', name, [[[2 ** 20, 70_000]]])
      queuePair.post({ operation: 'send', memory: near.registration.slice(0, 70_000) })
      expect((await waitFar(1))[0]?.bytes).toBe(70_000)
      expect(await bytesOf(69_999, 70_000)).toEqual([6])
      expect(await bytesOf(2 ** 20 + 69_999, 2 ** 20 + 70_000)).toEqual([6])
    })

    test('datagrams arrive with a header that names their sender, and can be answered', async () => {
      const queuePair = near.domain.createQueuePair({ type: 'UD', sendQueue: near.queue })
      queuePair.activate()
      const peer = await far.call<QueuePairDescription>('pair', `datagrams of ${whose}`, { type: 'UD' })
      await far.call('activate', `datagrams of ${whose}`)
      await far.call('postReceive', `datagrams of ${whose}`, [[[0, 200]], [[200, 200]]])
      const addressHandle = near.domain.createAddressHandle({ gid: peer.gid, trafficClass: 5, hopLimit: 3 })
      const to = { addressHandle, queuePair: peer.number, queueKey: peer.queueKey }
      near.region.bytes.fill(8)
      queuePair.post({ operation: 'sendWithImmediate', memory: near.registration.slice(0, 100), immediate: 6, to })
      queuePair.post({
        operation: 'send',
        memory: near.registration.slice(0, 9),
        to: { ...to, queueKey: peer.queueKey ^ 1 },
      })
      expect((await near.completions(2)).map(({ ok }) => ok)).toEqual([true, true])
      const [received] = await waitFar(1)
      expect([received?.bytes, received?.immediate, received?.hasHeader]).toEqual([140, 6, true])
      expect(received?.sourceQueuePair).toBe(queuePair.queuePairNumber)
      const header = Buffer.from(await bytesOf(0, 41))
      expect(header.toString('hex', 8, 24)).toBe(near.device.bestGid(1).gid.replaceAll(':', ''))
      expect([header.readUInt8(7), header.readUInt8(40)]).toEqual([3, 8])
      queuePair.postReceive({ memory: near.registration.slice(1000, 100) })
      await far.call('post', `datagrams of ${whose}`, [
        { operation: 'send', memory: [[0, 9]], handle: { ...queuePair.describe() } },
      ])
      expect((await near.completion()).bytes).toBe(49)
    })

    test('traffic both ways arrives whole', async () => {
      const { queuePair, name } = await near.pair(far)
      const remote = await near.remote(far)
      const mine = near.registration.describe()
      near.region.bytes.fill(17)
      await far.call('fill', 34)
      const size = 100_000
      const farPosts = Array.from({ length: 16 }, (_, index) => ({
        operation: 'write',
        memory: [[index, size]],
        remote: mine,
        at: 2 ** 20 + index,
        length: size,
      }))
      await far.call('post', name, farPosts)
      queuePair.post(
        Array.from({ length: 16 }, (_, index) => ({
          operation: 'write' as const,
          memory: near.registration.slice(index, size),
          remote: remote.slice(2 ** 20 + index, size),
        })),
      )
      expect((await near.completions(16)).every(({ ok }) => ok)).toBe(true)
      expect((await waitFar(16)).every(({ ok }) => ok)).toBe(true)
      expect(near.region.bytes.subarray(2 ** 20, 2 ** 20 + size + 15).every((byte) => byte === 34)).toBe(true)
      expect((await bytesOf(2 ** 20, 2 ** 20 + size + 16)).findIndex((byte) => byte !== 17)).toBe(size + 15)
    })

    test('a peer that is not ready yet is waited for, and one that never is ends the retries', async () => {
      const queuePair = near.domain.createQueuePair({ sendQueue: near.queue })
      const name = `late pair of ${whose}`
      const peer = await far.call<QueuePairDescription>('pair', name)
      queuePair.connect(peer)
      const remote = await near.remote(far)
      queuePair.post({ operation: 'write', memory: near.registration.slice(0, 8), remote: remote.slice(0, 8) })
      await far.call('connect', name, queuePair.describe())
      expect(await near.status()).toBe('SUCCESS')
      const other = near.domain.createQueuePair({ sendQueue: near.queue })
      other.connect(await far.call('pair', `unready pair of ${whose}`), { timeout: 8, retryCount: 2 })
      other.post({ operation: 'send', memory: [] })
      const failed = await near.completion()
      expect([failed.status, why(failed)]).toEqual(['RETRY_EXC_ERR', expect.stringMatching(/ready to receive/)])
    })

    test('a send queue that is drained sends the rest when it is ready again', async () => {
      const { queuePair } = await near.pair(far)
      const remote = await near.remote(far)
      const events = near.device.events()
      const write = {
        operation: 'write' as const,
        memory: near.registration.slice(0, 2 ** 20),
        remote: remote.slice(0, 2 ** 20),
      }
      queuePair.post({ ...write, id: 1 })
      queuePair.modify({ state: 'SQD' })
      queuePair.post({ ...write, id: 2 })
      expect((await events.next()).value).toMatchObject({ type: 'SQ_DRAINED' })
      expect((await near.completion()).id).toBe(1)
      queuePair.modify({ state: 'RTS' })
      expect((await near.completion()).id).toBe(2)
    })
  },
)
