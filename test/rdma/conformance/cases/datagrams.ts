import assert from 'node:assert/strict'
import { group } from '../case.js'
import type { End, Kit } from '../kit.js'
import { refusal } from '../kit.js'
import type { AddressHandle, SendRequest } from '../rdma.js'
import { assertBytes, sizes } from '../transfer.js'

const headerBytes = 40

interface Datagrams {
  readonly near: End
  readonly far: End
  readonly addressHandle: AddressHandle
  /** The destination of datagrams to the far end. */
  readonly to: NonNullable<Extract<SendRequest, { operation: 'send' }>['to']>
}

/** Two ends for datagrams, and the address of the far end. */
function datagramEnds(kit: Kit): Datagrams {
  const near = kit.end({ type: 'UD' })
  const far = kit.end({ type: 'UD' })
  near.queuePair.activate()
  far.queuePair.activate()
  const { gid, number, queueKey } = far.queuePair.describe()
  const addressHandle = kit.domain.createAddressHandle({ gid })
  return { near, far, addressHandle, to: { addressHandle, queuePair: number, queueKey } }
}

/** Asserts that an earlier datagram was dropped: only the marker that is sent now arrives. */
async function nothingButMarker(kit: Kit, { near, far, to }: Datagrams): Promise<void> {
  far.queuePair.postReceive({ id: 99, memory: kit.buffer(headerBytes).registration })
  near.queuePair.post({ operation: 'sendWithImmediate', memory: [], immediate: 99, to })
  assert.equal((await kit.completion(far.queue)).immediate, 99)
}

const notHeard = 'what is sent to a group is not heard on the same machine'

/** A multicast GID for these cases: link-local and transient (RFC 4291, 2.7). */
const multicastGid = 'ff12:401b:ffff:0000:0000:0000:0000:0077'

export const datagrams = group('datagrams (UD)', [
  ...sizes.slice(0, 5).map(({ name, bytes }) => ({
    name: `send of ${name}: a header of 40 bytes stands before it`,
    expects: 'SUCCESS',
    async run(kit: Kit) {
      const ends = datagramEnds(kit)
      const { near, far, to } = ends
      const size = bytes(kit.device.port(1).activeMtu)
      const from = kit.buffer(Math.max(size, 1)).fill(1)
      const into = kit.buffer(headerBytes + size + 8)
      into.bytes.fill(0xcc)
      far.queuePair.postReceive({ memory: into.registration })
      near.queuePair.post({ operation: 'send', memory: size === 0 ? [] : from.registration, to })
      const received = await kit.completion(far.queue)
      assert.equal(await kit.status(near.queue), 'SUCCESS')
      assert.deepEqual([received.bytes, received.hasHeader], [headerBytes + size, true])
      assert.equal(received.sourceQueuePair, near.queuePair.queuePairNumber)
      assertBytes(into.bytes.subarray(headerBytes, headerBytes + size), from.bytes.subarray(0, size))
      assertBytes(into.bytes.subarray(headerBytes + size), new Uint8Array(8).fill(0xcc))
      return received.status
    },
  })),
  {
    name: 'send with immediate',
    expects: '0xcafe',
    async run(kit) {
      const { near, far, to } = datagramEnds(kit)
      far.queuePair.postReceive({ memory: kit.buffer(100).registration })
      near.queuePair.post({ operation: 'sendWithImmediate', memory: [], immediate: 0xcafe, to })
      return `0x${(await kit.completion(far.queue)).immediate?.toString(16)}`
    },
  },
  {
    name: 'an answer goes to the queue pair that the completion names',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far, to, addressHandle } = datagramEnds(kit)
      far.queuePair.postReceive({ memory: kit.buffer(100).registration })
      near.queuePair.postReceive({ memory: kit.buffer(100).registration })
      near.queuePair.post({ operation: 'send', memory: [], signaled: false, to })
      const { sourceQueuePair } = await kit.completion(far.queue)
      far.queuePair.post({
        operation: 'send',
        memory: [],
        to: { addressHandle, queuePair: sourceQueuePair, queueKey: near.queuePair.queueKey },
      })
      const answer = await kit.completion(near.queue)
      assert.equal(answer.sourceQueuePair, far.queuePair.queuePairNumber)
      return answer.status
    },
  },
  {
    name: 'an answer goes back by what the completion and the header tell',
    expects: 'SUCCESS',
    async run(kit) {
      const { near, far, to } = datagramEnds(kit)
      const asked = kit.buffer(headerBytes + 8)
      far.queuePair.postReceive({ memory: asked.registration })
      near.queuePair.postReceive({ memory: kit.buffer(100).registration })
      near.queuePair.post({ operation: 'send', memory: kit.buffer(8).registration, signaled: false, to })
      const received = await kit.completion(far.queue)
      const sender = kit.domain.answerHandle(received, asked.bytes)
      const back = { addressHandle: sender, queuePair: received.sourceQueuePair, queueKey: near.queuePair.queueKey }
      far.queuePair.post({ operation: 'sendWithImmediate', memory: [], immediate: 3, to: back })
      const answer = await kit.completion(near.queue)
      assert.deepEqual([answer.immediate, answer.sourceQueuePair], [3, far.queuePair.queuePairNumber])
      return answer.status
    },
  },
  {
    name: 'an answer by bytes that are no header, and by a completion of no datagram',
    expects: 'ERR_INVALID_ARGUMENT',
    async run(kit) {
      const { near, far, to } = datagramEnds(kit)
      far.queuePair.postReceive({ memory: kit.buffer(headerBytes).registration })
      near.queuePair.post({ operation: 'send', memory: [], to })
      const [received, sent] = [await kit.completion(far.queue), await kit.completion(near.queue)]
      const outcomes = [
        () => kit.domain.answerHandle(received, new Uint8Array(headerBytes)),
        () => kit.domain.answerHandle(sent, new Uint8Array(headerBytes)),
      ].map(refusal)
      return [...new Set(outcomes)].join(', ')
    },
  },
  {
    name: 'an answer to a datagram that was sent to a GID which is none of ours',
    expects: 'ERR_OUT_OF_RANGE',
    async run(kit) {
      const { near, far, to } = datagramEnds(kit)
      const asked = kit.buffer(headerBytes)
      far.queuePair.postReceive({ memory: asked.registration })
      near.queuePair.post({ operation: 'send', memory: [], to })
      const received = await kit.completion(far.queue)
      // Changes the last byte of the destination address, which lies here in the headers of both IP versions.
      asked.bytes[headerBytes - 1] = 255 - (asked.bytes[headerBytes - 1] ?? 0)
      return refusal(() => kit.domain.answerHandle(received, asked.bytes))
    },
  },
  {
    name: 'send with another key than the receiver has is dropped',
    expects: 'SUCCESS',
    async run(kit) {
      const ends = datagramEnds(kit)
      const { near, to } = ends
      near.queuePair.post({ operation: 'send', memory: [], to: { ...to, queueKey: to.queueKey ^ 1 } })
      const status = await kit.status(near.queue)
      await nothingButMarker(kit, ends)
      return status
    },
  },
  {
    name: 'send to a queue pair that there is not is dropped',
    expects: 'SUCCESS',
    async run(kit) {
      const ends = datagramEnds(kit)
      const { near, to } = ends
      near.queuePair.post({ operation: 'send', memory: [], to: { ...to, queuePair: 0xff_fff0 } })
      const status = await kit.status(near.queue)
      await nothingButMarker(kit, ends)
      return status
    },
  },
  {
    name: 'send without a receive is dropped',
    expects: 'SUCCESS',
    async run(kit) {
      const ends = datagramEnds(kit)
      ends.near.queuePair.post({ operation: 'send', memory: [], to: ends.to })
      const status = await kit.status(ends.near.queue)
      await new Promise((resolve) => setTimeout(resolve, 20))
      await nothingButMarker(kit, ends)
      return status
    },
  },
  {
    // IBTA 1.2.1, C10-93.1.1: nothing is sent, and nothing is reported.
    name: 'send of one byte more than the MTU is dropped',
    expects: 'SUCCESS',
    async run(kit) {
      const ends = datagramEnds(kit)
      const { near, to } = ends
      const from = kit.buffer(kit.device.port(1).activeMtu + 1)
      near.queuePair.post({ operation: 'send', memory: from.registration, to })
      const status = await kit.status(near.queue)
      await nothingButMarker(kit, ends)
      return status
    },
  },
  ...[
    { name: 'the header', bytes: 0 },
    { name: 'the last byte', bytes: 8 },
  ].map(({ name, bytes }) => ({
    name: `send to a receive without room for ${name}`,
    expects: 'receiver LOC_QP_OP_ERR, sender SUCCESS',
    async run(kit: Kit) {
      const { near, far, to } = datagramEnds(kit)
      const into = kit.part(4096, 0, headerBytes + bytes - 1)
      far.queuePair.postReceive({ memory: into.registration })
      near.queuePair.post({ operation: 'send', memory: kit.buffer(bytes + 1).registration.slice(0, bytes), to })
      const received = await kit.status(far.queue)
      assertBytes(into.bytes.subarray(headerBytes + bytes - 1), new Uint8Array(4096 - headerBytes - bytes + 1))
      assert.equal(far.queuePair.query().state, 'ERR')
      return `receiver ${received}, sender ${await kit.status(near.queue)}`
    },
  })),
  ...(['write', 'read'] as const).map((operation) => ({
    name: operation,
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    async run(kit: Kit) {
      const { near } = datagramEnds(kit)
      const memory = kit.buffer(8)
      const refused = refusal(() =>
        near.queuePair.post({ operation, memory: memory.registration, remote: memory.remote }),
      )
      return refused === 'taken' ? await kit.status(near.queue) : refused
    },
  })),
  {
    name: 'send without saying whereto',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    async run(kit) {
      const { near } = datagramEnds(kit)
      const refused = refusal(() => near.queuePair.post({ operation: 'send', memory: [] }))
      return refused === 'taken' ? await kit.status(near.queue) : refused
    },
  },
  {
    name: 'send to an address handle that was closed',
    expects: 'ERR_OBJECT_CLOSED',
    run(kit) {
      const { near, to, addressHandle } = datagramEnds(kit)
      addressHandle.close()
      return refusal(() => near.queuePair.post({ operation: 'send', memory: [], to }))
    },
  },
  {
    name: 'connect',
    expects: 'ERR_INVALID_ARGUMENT',
    run(kit) {
      const { near, far } = datagramEnds(kit)
      return refusal(() => near.queuePair.connect(far.queuePair.describe()))
    },
  },
  {
    name: 'activate of a connected type',
    expects: 'ERR_INVALID_ARGUMENT',
    run: (kit) => refusal(() => kit.end().queuePair.activate()),
  },
  {
    name: 'an address handle with a GID index that there is not',
    expects: 'ERR_DEVICE_REFUSED ENODATA',
    run(kit) {
      const { gid } = kit.device.bestGid(1)
      return refusal(() => kit.domain.createAddressHandle({ gid, gidIndex: 255 }))
    },
  },
  {
    name: 'an address handle for a port that there is not',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run(kit) {
      const { gid, index } = kit.device.bestGid(1)
      return refusal(() =>
        kit.domain.createAddressHandle({ gid, gidIndex: index, port: kit.device.attributes.ports + 1 }),
      )
    },
  },
  {
    name: 'multicast: all that are attached receive it, each once',
    expects: 'SUCCESS, SUCCESS',
    async run(kit) {
      const { near } = datagramEnds(kit)
      const listeners = [1, 2].map(() => kit.end({ type: 'UD', queueKey: 0x1111_1111 }))
      for (const { queuePair } of listeners) {
        queuePair.activate()
        kit.optional('multicast', () => queuePair.attachMulticast({ gid: multicastGid }))
        queuePair.postReceive({ memory: kit.buffer(100).registration })
        queuePair.postReceive({ memory: kit.buffer(100).registration })
      }
      const group = kit.domain.createAddressHandle({ gid: multicastGid })
      near.queuePair.post({
        operation: 'sendWithImmediate',
        memory: [],
        immediate: 4,
        to: { addressHandle: group, queuePair: 0xff_ffff, queueKey: 0x1111_1111 },
      })
      assert.equal(await kit.status(near.queue), 'SUCCESS')
      const statuses: (string | undefined)[] = []
      for (const { queue } of listeners) statuses.push((await kit.completionSoon(queue))?.status)
      kit.excuse(statuses.includes(undefined), notHeard)
      for (const { queue } of listeners) assert.deepEqual(queue.poll(), [])
      return statuses.join(', ')
    },
  },
  {
    name: 'multicast: one that was detached receives it no more',
    expects: '0',
    async run(kit) {
      const { near } = datagramEnds(kit)
      const [stays, leaves] = [1, 2].map(() => kit.end({ type: 'UD', queueKey: 0x1111_1111 }))
      assert.ok(stays !== undefined && leaves !== undefined)
      for (const { queuePair } of [stays, leaves]) {
        queuePair.activate()
        kit.optional('multicast', () => queuePair.attachMulticast({ gid: multicastGid }))
        queuePair.postReceive({ memory: kit.buffer(100).registration })
      }
      leaves.queuePair.detachMulticast({ gid: multicastGid })
      const group = kit.domain.createAddressHandle({ gid: multicastGid })
      const to = { addressHandle: group, queuePair: 0xff_ffff, queueKey: 0x1111_1111 }
      near.queuePair.post({ operation: 'send', memory: [], to })
      kit.excuse((await kit.completionSoon(stays.queue)) === undefined, notHeard)
      return `${leaves.queue.poll().length}`
    },
  },
  {
    name: 'detach from a group that it is not attached to',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run(kit) {
      const { near } = datagramEnds(kit)
      return refusal(() => near.queuePair.detachMulticast({ gid: multicastGid }))
    },
  },
  {
    name: 'attach of a connected queue pair',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run: (kit) => refusal(() => kit.pair().near.queuePair.attachMulticast({ gid: multicastGid })),
  },
  {
    name: 'attach to a GID that is no group',
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    run(kit) {
      const { near } = datagramEnds(kit)
      return refusal(() => near.queuePair.attachMulticast({ gid: kit.device.bestGid(1).gid }))
    },
  },
])
