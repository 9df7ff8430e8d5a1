import assert from 'node:assert/strict'
import { everyRight } from '../buffer.js'
import { group } from '../case.js'
import type { Kit } from '../kit.js'
import { assertBytes, sizes, transfer } from '../transfer.js'

const ofSizes = sizes.flatMap(({ name, bytes }) => [
  {
    name: `write of ${name}`,
    expects: 'SUCCESS',
    async run(kit: Kit) {
      const { near, far } = kit.pair()
      const { source, to, arrived } = transfer(kit, bytes(kit.device.port(1).activeMtu))
      const memory = source.length === 0 ? [] : source
      near.queuePair.post({ operation: 'write', id: 1, memory, remote: to.remote.slice(0, source.length) })
      const { id, operation, status } = await kit.completion(near.queue)
      assert.deepEqual([id, operation], [1, 'write'])
      arrived()
      assert.deepEqual(far.queue.poll(), [], 'the far end learns nothing of it')
      return status
    },
  },
  {
    name: `read of ${name}`,
    expects: 'SUCCESS',
    async run(kit: Kit) {
      const { near, far } = kit.pair()
      const { target, from, arrived } = transfer(kit, bytes(kit.device.port(1).activeMtu))
      const memory = target.length === 0 ? [] : target
      near.queuePair.post({ operation: 'read', id: 1, memory, remote: from.remote.slice(0, target.length) })
      const { id, operation, status } = await kit.completion(near.queue)
      assert.deepEqual([id, operation], [1, 'read'])
      arrived()
      assert.deepEqual(far.queue.poll(), [], 'the far end learns nothing of it')
      return status
    },
  },
])

/** The same random numbers in every run, from 0 to below the limit (a linear congruential generator). */
function randomNumbers(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

export const writesAndReads = group('writes and reads', [
  ...ofSizes,
  {
    name: 'write with immediate',
    expects: '0x12345678',
    async run(kit) {
      const { near, far } = kit.pair()
      const { source, to, arrived } = transfer(kit, 5000)
      far.queuePair.postReceive({ id: 9 })
      near.queuePair.post({ operation: 'writeWithImmediate', memory: source, remote: to.remote, immediate: 0x12345678 })
      const { id, operation, immediate, bytes } = await kit.completion(far.queue)
      assert.deepEqual([id, operation, bytes], [9, 'receiveWriteWithImmediate', 5000])
      assert.equal((await kit.completion(near.queue)).operation, 'write')
      arrived()
      return `0x${immediate?.toString(16)}`
    },
  },
  {
    name: 'write with immediate of no bytes',
    expects: '5',
    async run(kit) {
      const { near, far } = kit.pair()
      const { to, arrived } = transfer(kit, 16)
      far.queuePair.postReceive({})
      near.queuePair.post({
        operation: 'writeWithImmediate',
        memory: [],
        remote: to.remote.slice(0, 0),
        immediate: 5,
      })
      const { immediate, bytes } = await kit.completion(far.queue)
      assert.equal(bytes, 0)
      arrived(0)
      return `${immediate}`
    },
  },
  {
    name: 'write gathered from three places',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const from = kit.buffer().fill(1)
      const to = kit.buffer()
      const memory = [from.registration.slice(9, 3), from.registration.slice(2000, 1), from.registration.slice(0, 4)]
      near.queuePair.post({ operation: 'write', memory, remote: to.remote.slice(77, 8) })
      const status = await kit.status(near.queue)
      const expected = new Uint8Array(4096)
      expected.set(
        [...from.bytes.subarray(9, 12), ...from.bytes.subarray(2000, 2001), ...from.bytes.subarray(0, 4)],
        77,
      )
      assertBytes(to.bytes, expected)
      return status
    },
  },
  {
    name: 'read scattered into three places',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const from = kit.buffer().fill(1)
      const to = kit.buffer()
      const memory = [to.registration.slice(9, 3), to.registration.slice(2000, 1), to.registration.slice(0, 4)]
      near.queuePair.post({ operation: 'read', memory, remote: from.remote.slice(77, 8) })
      const status = await kit.status(near.queue)
      const expected = new Uint8Array(4096)
      expected.set(from.bytes.subarray(77, 80), 9)
      expected.set(from.bytes.subarray(80, 81), 2000)
      expected.set(from.bytes.subarray(81, 85), 0)
      assertBytes(to.bytes, expected)
      return status
    },
  },
  {
    name: 'inline write: the bytes are those when it was posted',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair({ near: { inlineBytes: 24 } })
      const { from, source, to } = transfer(kit, 24)
      const written = Uint8Array.from(from.bytes.subarray(3, 27))
      near.queuePair.post({ operation: 'write', memory: source, remote: to.remote, inline: true })
      from.bytes.fill(0xee)
      const status = await kit.status(near.queue)
      assertBytes(to.bytes.subarray(5, 29), written)
      return status
    },
  },
  {
    name: '16 writes into neighbouring slices of 3 bytes',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const { from, to, arrived } = transfer(kit, 48)
      const remote = to.remote
      for (let index = 0; index < 16; index++) {
        near.queuePair.sends.write(from.registration.slice(index * 3, 3), remote.slice(index * 3, 3), index)
      }
      near.queuePair.sends.post()
      const completions = await kit.completions(near.queue, 16)
      arrived()
      return completions.find(({ ok }) => !ok)?.status ?? 'SUCCESS'
    },
  },
  {
    name: 'a read sees what the write before it has written',
    expects: 'SUCCESS, SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const { from, source, to } = transfer(kit, 3000)
      const back = kit.buffer(3000)
      near.queuePair.post([
        { operation: 'write', memory: source, remote: to.remote },
        { operation: 'read', memory: back.registration, remote: to.remote },
      ])
      const statuses = await kit.statuses(near.queue, 2)
      assertBytes(back.bytes, from.bytes.subarray(3, 3003))
      return statuses
    },
  },
  {
    name: '200 writes and reads of any length at any place',
    expects: 'as a model says',
    async run(kit) {
      const { near } = kit.pair()
      const size = 20_000
      const here = kit.part(size + 9, 9, size).fill(1)
      const there = kit.part(size + 77, 77, size).fill(2)
      const models = [Uint8Array.from(here.bytes), Uint8Array.from(there.bytes)] as const
      const remote = there.remote
      const random = randomNumbers(7)
      for (let round = 0; round < 200; round++) {
        const length = 1 + random(round % 4 === 0 ? 9000 : 40)
        const [from, to] = [random(size - length + 1), random(size - length + 1)]
        const operation = random(2) === 0 ? 'write' : 'read'
        const at = { memory: here.registration.slice(from, length), remote: remote.slice(to, length) }
        // A write may send bytes that a read before it is still to fill in, unless it has a fence (IBTA 10.8.3.3).
        near.queuePair.post({ operation, ...at, signaled: round % 8 === 7, fence: true })
        if (operation === 'write') models[1].set(models[0].subarray(9 + from, 9 + from + length), 77 + to)
        else models[0].set(models[1].subarray(77 + to, 77 + to + length), 9 + from)
        if (round % 8 === 7) assert.equal(await kit.status(near.queue), 'SUCCESS')
      }
      assertBytes(here.bytes, models[0])
      assertBytes(there.bytes, models[1])
      return 'as a model says'
    },
  },
  {
    name: 'a write of no bytes does not need a key',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const to = kit.buffer()
      near.queuePair.post({ operation: 'write', memory: [], remote: to.forged({ rkey: 0 }).slice(0, 0) })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'memory that may only be read locally is written from',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const from = kit.buffer(4096, []).fill(1)
      const to = kit.buffer()
      near.queuePair.post({ operation: 'write', memory: from.registration, remote: to.remote })
      const status = await kit.status(near.queue)
      assertBytes(to.bytes, from.bytes)
      return status
    },
  },
  {
    name: 'memory that peers may only read is read',
    expects: 'SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const from = kit.buffer(4096, ['remoteRead']).fill(1)
      const to = kit.buffer(4096, ['localWrite'])
      near.queuePair.post({ operation: 'read', memory: to.registration, remote: from.remote })
      const status = await kit.status(near.queue)
      assertBytes(to.bytes, from.bytes)
      return status
    },
  },
  {
    name: 'a registration whose address was chosen',
    expects: 'SUCCESS, SUCCESS',
    async run(kit) {
      const { near } = kit.pair()
      const address = 0x1234_5678_9000n
      const to = kit.buffer(8192, everyRight, { address })
      const from = kit.buffer(8192).fill(1)
      assert.equal(to.registration.address, address)
      near.queuePair.post([
        { operation: 'write', memory: from.registration.slice(0, 100), remote: to.remote.slice(4090, 100) },
        // A request of its own side can name this memory, too.
        { operation: 'read', memory: to.registration.slice(0, 50), remote: from.remote.slice(500, 50) },
      ])
      const statuses = await kit.statuses(near.queue, 2)
      const expected = new Uint8Array(8192)
      expected.set(from.bytes.subarray(0, 100), 4090)
      expected.set(from.bytes.subarray(500, 550), 0)
      assertBytes(to.bytes, expected)
      return statuses
    },
  },
])
