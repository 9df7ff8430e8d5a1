import assert from 'node:assert/strict'
import { group } from '../case.js'
import type { Kit } from '../kit.js'
import { assertBytes, sizes, transfer } from '../transfer.js'

const ofSizes = sizes.map(({ name, bytes }) => ({
  name: `send of ${name}`,
  expects: 'SUCCESS',
  async run(kit: Kit) {
    const size = bytes(kit.device.port(1).activeMtu)
    const { near, far } = kit.pair()
    const { source, target, arrived } = transfer(kit, size)
    far.queuePair.postReceive({ id: 2, memory: size === 0 ? [] : target })
    near.queuePair.post({ operation: 'send', id: 1, memory: size === 0 ? [] : source })
    const received = await kit.completion(far.queue)
    const sent = await kit.completion(near.queue)
    assert.deepEqual([received.id, received.operation, received.bytes], [2, 'receive', size])
    assert.deepEqual([received.hasHeader, received.sourceQueuePair], [false, 0])
    assert.deepEqual([sent.id, sent.operation, sent.queuePair], [1, 'send', near.queuePair.queuePairNumber])
    arrived()
    return received.ok ? sent.status : received.status
  },
}))

export const messages = group('messages', [
  ...ofSizes,
  {
    name: 'send gathered from three places into one',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair()
      const from = kit.buffer().fill(1)
      const to = kit.buffer()
      far.queuePair.postReceive({ memory: to.registration })
      const parts = [from.registration.slice(1000, 5), from.registration.slice(1, 1), from.registration.slice(3000, 77)]
      near.queuePair.post({ operation: 'send', memory: parts })
      const { bytes, status } = await kit.completion(far.queue)
      assert.equal(bytes, 83)
      const gathered = [from.bytes.subarray(1000, 1005), from.bytes.subarray(1, 2), from.bytes.subarray(3000, 3077)]
      assertBytes(to.bytes.subarray(0, 84), Uint8Array.from([...gathered.flatMap((part) => [...part]), 0]))
      return status
    },
  },
  {
    name: 'send scattered into three places, the last in part',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair()
      const from = kit.buffer().fill(1)
      const to = kit.buffer()
      const places = [to.registration.slice(2000, 3), to.registration.slice(7, 1), to.registration.slice(100, 50)]
      far.queuePair.postReceive({ memory: places })
      near.queuePair.post({ operation: 'send', memory: from.registration.slice(10, 9) })
      const { status } = await kit.completion(far.queue)
      const expected = new Uint8Array(4096)
      expected.set(from.bytes.subarray(10, 13), 2000)
      expected.set(from.bytes.subarray(13, 14), 7)
      expected.set(from.bytes.subarray(14, 19), 100)
      assertBytes(to.bytes, expected)
      return status
    },
  },
  {
    name: 'inline send: the bytes are those when it was posted',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair({ near: { inlineBytes: 32 } })
      const { from, source, target, to } = transfer(kit, 32)
      const sent = Uint8Array.from(from.bytes.subarray(3, 35))
      far.queuePair.postReceive({ memory: target })
      near.queuePair.post({ operation: 'send', memory: source, inline: true })
      from.bytes.fill(0xee)
      const status = await kit.status(far.queue)
      assertBytes(to.bytes.subarray(5, 37), sent)
      return status
    },
  },
  {
    name: 'unsignaled sends make no completion, the signaled one after them does',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair()
      const { source, to } = transfer(kit, 16)
      far.queuePair.postReceive([1, 2, 3].map((id) => ({ id, memory: to.registration })))
      near.queuePair.post([
        { operation: 'send', id: 1, memory: source, signaled: false },
        { operation: 'send', id: 2, memory: source, signaled: false },
        { operation: 'send', id: 3, memory: source },
      ])
      await kit.completions(far.queue, 3)
      const { id, status } = await kit.completion(near.queue)
      assert.equal(id, 3)
      assert.deepEqual(near.queue.poll(), [])
      return status
    },
  },
  {
    name: 'unsignaled sends of a queue pair that signals all make completions',
    expects: 'SUCCESS, SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair({ near: { signalAll: true } })
      const { source, to } = transfer(kit, 16)
      far.queuePair.postReceive([1, 2].map((id) => ({ id, memory: to.registration })))
      near.queuePair.post([1, 2].map((id) => ({ operation: 'send', id, memory: source, signaled: false })))
      return await kit.statuses(near.queue, 2)
    },
  },
  {
    name: 'send with immediate',
    expects: '0xdeadbeef',
    async run(kit) {
      const { near, far } = kit.pair()
      const { source, target, arrived } = transfer(kit, 20)
      far.queuePair.postReceive({ memory: target })
      near.queuePair.post({ operation: 'sendWithImmediate', memory: source, immediate: 0xdeadbeef })
      const { operation, immediate } = await kit.completion(far.queue)
      assert.equal(operation, 'receive')
      arrived()
      return `0x${immediate?.toString(16)}`
    },
  },
  {
    name: 'send with immediate 0 and no bytes',
    expects: '0',
    async run(kit) {
      const { near, far } = kit.pair()
      far.queuePair.postReceive({})
      near.queuePair.post({ operation: 'sendWithImmediate', memory: [], immediate: 0 })
      const { bytes, immediate } = await kit.completion(far.queue)
      assert.equal(bytes, 0)
      return `${immediate}`
    },
  },
  {
    name: 'send without immediate: the completion has none',
    expects: 'undefined',
    async run(kit) {
      const { near, far } = kit.pair()
      far.queuePair.postReceive({})
      near.queuePair.post({ operation: 'send', memory: [] })
      const { immediate, invalidated } = await kit.completion(far.queue)
      assert.equal(invalidated, undefined)
      return `${immediate}`
    },
  },
  {
    name: 'a batch of 16 sends arrives in order, and completes in order',
    expects: 'in order',
    async run(kit) {
      const { near, far } = kit.pair()
      const { source, to } = transfer(kit, 8)
      const ids = Array.from({ length: 16 }, (_, index) => index + 1)
      far.queuePair.postReceive(ids.map((id) => ({ id: id + 100, memory: to.registration })))
      for (const id of ids) near.queuePair.sends.send(source, id)
      assert.equal(near.queuePair.sends.post(), 16)
      const sent = await kit.completions(near.queue, 16)
      const received = await kit.completions(far.queue, 16)
      assert.deepEqual(
        sent.map(({ id }) => id),
        ids,
      )
      assert.deepEqual(
        received.map(({ id }) => id),
        ids.map((id) => id + 100),
      )
      return 'in order'
    },
  },
  {
    name: 'the largest id comes back',
    expects: `${Number.MAX_SAFE_INTEGER}`,
    async run(kit) {
      const { near, far } = kit.pair()
      far.queuePair.postReceive({ id: Number.MAX_SAFE_INTEGER })
      near.queuePair.post({ operation: 'send', id: Number.MAX_SAFE_INTEGER, memory: [] })
      const { id } = await kit.completion(near.queue)
      assert.equal((await kit.completion(far.queue)).id, id)
      return `${id}`
    },
  },
  {
    name: 'a fenced send goes out after the read before it has brought its bytes',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair()
      const { from, source, target, to } = transfer(kit, 256)
      const echo = kit.buffer(256)
      far.queuePair.postReceive({ memory: echo.registration })
      // Read from `from` into `to`, and send `to`. Only the fence ensures that the send sees the bytes of the read.
      near.queuePair.post([
        { operation: 'read', memory: target, remote: from.remote },
        { operation: 'send', memory: target, fence: true },
      ])
      const { status } = await kit.completion(far.queue)
      assertBytes(echo.bytes, from.bytes.subarray(3, 3 + source.length))
      assertBytes(echo.bytes, to.bytes.subarray(5, 5 + source.length))
      return status
    },
  },
  {
    name: 'both ends send at once',
    expects: 'SUCCESS, SUCCESS',
    async run(kit) {
      const pair = kit.pair()
      const { source, target } = transfer(kit, 64)
      for (const { queuePair } of [pair.near, pair.far]) queuePair.postReceive({ memory: target })
      for (const { queuePair } of [pair.near, pair.far]) queuePair.post({ operation: 'send', memory: source })
      await kit.statuses(pair.near.queue, 2)
      return await kit.statuses(pair.far.queue, 2)
    },
  },
  {
    name: 'a queue pair that is connected to itself',
    expects: 'SUCCESS, SUCCESS',
    async run(kit) {
      const { queuePair, queue } = kit.end()
      queuePair.connect(queuePair.describe())
      const { source, target, arrived } = transfer(kit, 100)
      queuePair.postReceive({ memory: target })
      queuePair.post({ operation: 'send', memory: source })
      const statuses = await kit.statuses(queue, 2)
      arrived()
      return statuses
    },
  },
])
