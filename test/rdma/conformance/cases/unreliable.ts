import assert from 'node:assert/strict'
import { type Buffer, everyRight } from '../buffer.js'
import { group } from '../case.js'
import type { Kit, Pair } from '../kit.js'
import { refusal } from '../kit.js'
import type { RemoteMemory } from '../rdma.js'
import { assertBytes, sizes, transfer } from '../transfer.js'

/**
 * Sends a marker, and asserts that only the marker arrives. A dropped message is not reported, but after the marker has
 * arrived, no earlier message can still be on its way.
 */
async function nothingButMarker(kit: Kit, { near, far }: Pair): Promise<void> {
  const id = 99
  far.queuePair.postReceive({ id })
  near.queuePair.post({ operation: 'sendWithImmediate', memory: [], immediate: 99 })
  const received = await kit.completion(far.queue)
  assert.deepEqual([received.immediate, received.bytes], [99, 0])
}

const drops: readonly { readonly name: string; remote(kit: Kit, to: Buffer): RemoteMemory }[] = [
  { name: 'with a key that nobody has', remote: (_, to) => to.forged({ rkey: to.registration.rkey ^ 0x5a00 }) },
  { name: 'that begins one byte before the memory', remote: (_, to) => to.forged({ before: 1 }) },
]

export const unreliable = group('unreliable connections (UC)', [
  ...sizes.flatMap(({ name, bytes }) => [
    {
      name: `send of ${name}`,
      expects: 'SUCCESS',
      async run(kit: Kit) {
        const { near, far } = kit.pair({ type: 'UC' })
        const { source, target, arrived } = transfer(kit, bytes(kit.device.port(1).activeMtu))
        far.queuePair.postReceive({ memory: source.length === 0 ? [] : target })
        near.queuePair.post({ operation: 'send', memory: source.length === 0 ? [] : source })
        assert.equal(await kit.status(near.queue), 'SUCCESS')
        const received = await kit.completion(far.queue)
        assert.deepEqual([received.bytes, received.hasHeader], [source.length, false])
        arrived()
        return received.status
      },
    },
    {
      name: `write with immediate of ${name}`,
      expects: 'SUCCESS',
      async run(kit: Kit) {
        const { near, far } = kit.pair({ type: 'UC' })
        const { source, to, arrived } = transfer(kit, bytes(kit.device.port(1).activeMtu))
        far.queuePair.postReceive({})
        near.queuePair.post({
          operation: 'writeWithImmediate',
          memory: source.length === 0 ? [] : source,
          remote: to.remote.slice(0, source.length),
          immediate: 3,
        })
        assert.equal(await kit.status(near.queue), 'SUCCESS')
        const { status, immediate } = await kit.completion(far.queue)
        assert.equal(immediate, 3)
        arrived()
        return status
      },
    },
  ]),
  {
    name: 'write',
    expects: 'SUCCESS',
    async run(kit) {
      const pair = kit.pair({ type: 'UC' })
      const { source, to, arrived } = transfer(kit, 10_000)
      pair.near.queuePair.post({ operation: 'write', memory: source, remote: to.remote })
      const status = await kit.status(pair.near.queue)
      await nothingButMarker(kit, pair)
      arrived()
      return status
    },
  },
  ...(['read', 'compareAndSwap', 'fetchAndAdd'] as const).map((operation) => ({
    name: operation,
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    async run(kit: Kit) {
      const { near } = kit.pair({ type: 'UC' })
      const memory = kit.buffer(8)
      const at = { memory: memory.registration, remote: memory.remote }
      const refused = refusal(() =>
        near.queuePair.post(
          operation === 'read'
            ? { operation, ...at }
            : operation === 'fetchAndAdd'
              ? { operation, ...at, add: 1n }
              : { operation, ...at, compare: 0n, swap: 1n },
        ),
      )
      return refused === 'taken' ? await kit.status(near.queue) : refused
    },
  })),
  ...drops.map(({ name, remote }) => ({
    name: `write ${name} is dropped`,
    expects: 'SUCCESS',
    async run(kit: Kit) {
      const pair = kit.pair({ type: 'UC' })
      const { source, to } = transfer(kit, 8)
      const before = Uint8Array.from(to.bytes)
      pair.near.queuePair.post({ operation: 'write', memory: source, remote: remote(kit, to).slice(0, 8) })
      const status = await kit.status(pair.near.queue)
      await nothingButMarker(kit, pair)
      assertBytes(to.bytes, before)
      assert.equal(pair.far.queuePair.query().state, 'RTS')
      return status
    },
  })),
  {
    name: 'write of memory without remoteWrite is dropped',
    expects: 'SUCCESS',
    async run(kit) {
      const pair = kit.pair({ type: 'UC' })
      const from = kit.buffer(8).fill(1)
      const to = kit.buffer(8, ['localWrite', 'remoteRead'])
      pair.near.queuePair.post({ operation: 'write', memory: from.registration, remote: to.remote })
      const status = await kit.status(pair.near.queue)
      await nothingButMarker(kit, pair)
      assertBytes(to.bytes, new Uint8Array(8))
      return status
    },
  },
  {
    name: 'write through a queue pair without remoteWrite is dropped',
    expects: 'SUCCESS',
    async run(kit) {
      const pair = kit.pair({ type: 'UC', far: { access: [] } })
      const from = kit.buffer(8).fill(1)
      const to = kit.buffer(8)
      pair.near.queuePair.post({ operation: 'write', memory: from.registration, remote: to.remote })
      const status = await kit.status(pair.near.queue)
      await nothingButMarker(kit, pair)
      assertBytes(to.bytes, new Uint8Array(8))
      return status
    },
  },
  {
    name: 'send without a receive is dropped',
    expects: 'SUCCESS',
    async run(kit) {
      const pair = kit.pair({ type: 'UC' })
      pair.near.queuePair.post({ operation: 'sendWithImmediate', memory: [], immediate: 1 })
      const status = await kit.status(pair.near.queue)
      // The message has left. The device of both ends handles it before the next request.
      await new Promise((resolve) => setTimeout(resolve, 20))
      await nothingButMarker(kit, pair)
      return status
    },
  },
  {
    name: 'send of one byte more than the receive has room for',
    expects: 'receiver LOC_QP_OP_ERR, sender SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair({ type: 'UC' })
      const to = kit.part(4096, 8, 64)
      far.queuePair.postReceive({ memory: to.registration })
      near.queuePair.post({ operation: 'send', memory: kit.buffer(65).fill(1).registration })
      const received = await kit.status(far.queue)
      assertBytes(to.bytes.subarray(72), new Uint8Array(4096 - 72))
      assert.equal(far.queuePair.query().state, 'ERR')
      return `receiver ${received}, sender ${await kit.status(near.queue)}`
    },
  },
  {
    name: 'receive into memory in another domain',
    expects: 'receiver LOC_QP_OP_ERR, sender SUCCESS',
    async run(kit) {
      const { near, far } = kit.pair({ type: 'UC' })
      const to = kit.buffer(64, everyRight, { domain: kit.device.createDomain() })
      far.queuePair.postReceive({ memory: to.registration })
      near.queuePair.post({ operation: 'send', memory: kit.buffer(64).fill(1).registration })
      const received = await kit.status(far.queue)
      assertBytes(to.bytes, new Uint8Array(64))
      return `receiver ${received}, sender ${await kit.status(near.queue)}`
    },
  },
  {
    name: 'send from memory in another domain',
    expects: 'LOC_QP_OP_ERR',
    async run(kit) {
      const { near } = kit.pair({ type: 'UC' })
      const from = kit.buffer(8, everyRight, { domain: kit.device.createDomain() })
      near.queuePair.post({ operation: 'send', memory: from.registration })
      return await kit.status(near.queue)
    },
  },
])
