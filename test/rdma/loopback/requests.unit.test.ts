import { afterEach, describe, expect, test, vi } from 'vitest'
import { eventTypes } from '../../../src/rdma/contract/async-events.js'
import { completionStatuses } from '../../../src/rdma/contract/completion-status.js'
import { requestOpcodes, sendFlags } from '../../../src/rdma/contract/operations.js'
import type { RefusalReason } from '../../../src/rdma/contract/refusal-reasons.js'
import { receiveHeaderWords, receiveWord } from '../../../src/rdma/contract/work-layout.js'
import { connected, everyAccess, Loop, types } from '../../support/loopback-device.js'

const opcodes = requestOpcodes.byName
const { SUCCESS, WR_FLUSH_ERR, REM_ACCESS_ERR, REM_OP_ERR, LOC_QP_OP_ERR } = completionStatuses.byName
/** The details of the ERR_DEVICE_REFUSED of a batch whose first `posted` requests were posted. */
const details = (reason: RefusalReason, posted = 0) => ({
  syscall: 'ibv_post_send',
  errno: 22,
  values: { posted, index: posted, reason },
})
let loop = new Loop()

afterEach(() => {
  loop.calls.close()
  loop = new Loop()
})

const statuses = (queue: number) => loop.poll(queue).map(({ id, status }) => [id, status])

describe('a call is refused for', () => {
  test.each([
    ['an unknown operation', 'operation', { opcode: 10 }],
    ['an unknown flag', 'flags', { opcode: opcodes.write, flags: 1 << 4 }],
    ['an inline read', 'inlineOperation', { opcode: opcodes.read, flags: sendFlags.inline }],
    ['an inline atomic', 'inlineOperation', { opcode: opcodes.fetchAndAdd, flags: sendFlags.inline }],
    ['an inline write from memory of no region', 'inlineMemory', { opcode: opcodes.write, flags: sendFlags.inline }],
    [
      'an atomic at an address that is not a multiple of 8',
      'misalignedAtomic',
      { opcode: opcodes.fetchAndAdd, address: 4n },
    ],
    ['a bind of no window', 'bindWindow', { opcode: opcodes.bind, window: 12345 }],
  ] as const)('%s', (_, reason, send) => {
    const { near } = connected(loop)
    const { handle, rkey } = loop.register(0, 64)
    const entries = [{ registration: handle, length: 8 }]
    expect(() => loop.post(near.handle, { rkey, entries, ...send })).toThrowCode('ERR_DEVICE_REFUSED', details(reason))
    expect(loop.poll(near.queue)).toEqual([])
  })

  test.each([
    ['beyond its registration', { offset: 57, length: 8 }],
    ['far beyond its registration', { offset: 2 ** 32 - 1, length: 1 }],
    ['longer than its registration', { length: 2 ** 32 - 1 }],
  ])('a scatter entry %s', (_, range) => {
    const { near } = connected(loop)
    const { handle, rkey } = loop.register(0, 64)
    const entries = [{ registration: handle, ...range }]
    const post = () => loop.post(near.handle, { opcode: opcodes.write, rkey, entries })
    expect(post).toThrowCode('ERR_DEVICE_REFUSED', details('entryRange'))
  })

  test('one wrong request of a batch, and the error says how many before it were posted', () => {
    const { near } = connected(loop)
    const { handle, rkey } = loop.register(0, 64)
    const good = { opcode: opcodes.write, rkey, entries: [{ registration: handle, length: 8 }] }
    const post = () => loop.post(near.handle, good, good, { ...good, opcode: 99 }, good)
    expect(post).toThrowCode('ERR_DEVICE_REFUSED', details('operation', 2))
    expect(loop.poll(near.queue)).toHaveLength(2)
  })

  test('one request more than the queue can keep in SQD; in RTS the others are done in order', () => {
    const { near } = connected(loop)
    const { handle, rkey } = loop.register(0, 64)
    const write = (id: number) => ({ id, opcode: opcodes.write, rkey, entries: [{ registration: handle, length: 8 }] })
    loop.calls.modifyQueuePair(near.handle, { state: 4 })
    loop.post(near.handle, ...[0, 1, 2, 3, 4, 5, 6, 7].map(write))
    expect(() => loop.post(near.handle, write(8))).toThrowCode('ERR_QUEUE_FULL', { errno: 12 })
    expect(loop.poll(near.queue)).toEqual([])
    loop.calls.modifyQueuePair(near.handle, { state: 3 })
    expect(loop.poll(near.queue).map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test('more device memory than is left, and for the whole address space with rights of peers', () => {
    expect(() => loop.calls.allocateDeviceMemory(2 ** 40, 0)).toThrowCode('ERR_DEVICE_REFUSED', {
      syscall: 'ibv_alloc_dm',
      errno: 12,
    })
    expect(() => loop.calls.registerImplicit(loop.domain, everyAccess)).toThrowCode('ERR_DEVICE_REFUSED', {
      syscall: 'ibv_reg_mr',
      errno: 22,
    })
  })

  test('a queue pair of an unknown type', () => {
    expect(() => loop.create(9, loop.queue())).toThrowCode('ERR_UNSUPPORTED', { errno: 95 })
  })
})

describe('a request that waits', () => {
  test('fails when its registration is closed before its turn', () => {
    const { near } = connected(loop)
    const { handle, rkey } = loop.register(0, 64)
    loop.calls.modifyQueuePair(near.handle, { state: 4 })
    loop.post(near.handle, { id: 1, opcode: opcodes.write, rkey, entries: [{ registration: handle, length: 8 }] })
    loop.post(near.handle, { id: 2, opcode: opcodes.write, rkey })
    loop.calls.deregister(handle)
    loop.calls.modifyQueuePair(near.handle, { state: 3 })
    expect(statuses(near.queue)).toEqual([
      [1, LOC_QP_OP_ERR],
      [2, WR_FLUSH_ERR],
    ])
  })

  test('for a receive is tried again when a receive is posted, after the delay that the peer asks for', async () => {
    const { near, far } = connected(loop)
    loop.calls.modifyQueuePair(near.handle, { state: 4 })
    loop.calls.modifyQueuePair(near.handle, { rnrRetry: 7 })
    loop.calls.modifyQueuePair(near.handle, { state: 3 })
    loop.post(near.handle, { id: 1, opcode: opcodes.send })
    expect(loop.poll(near.queue)).toEqual([])
    loop.receive(far.handle, 5)
    await vi.waitFor(() => expect(statuses(near.queue)).toEqual([[1, SUCCESS]]))
    expect(statuses(far.queue)).toEqual([[5, SUCCESS]])
  })

  test('for a read credit stays in the queue until there is one', async () => {
    const { near } = connected(loop)
    const { handle, rkey } = loop.register(0, 64)
    const credit = (maxReadsStarted: number) => {
      loop.calls.modifyQueuePair(near.handle, { state: 4 })
      loop.calls.modifyQueuePair(near.handle, { maxReadsStarted })
      loop.calls.modifyQueuePair(near.handle, { state: 3 })
    }
    credit(0)
    loop.post(near.handle, { id: 1, opcode: opcodes.read, rkey, entries: [{ registration: handle, length: 8 }] })
    await new Promise(setImmediate)
    expect(loop.poll(near.queue)).toEqual([])
    credit(1)
    expect(statuses(near.queue)).toEqual([[1, SUCCESS]])
  })

  test('behind a failing request is flushed after it, also if a queue pair is connected to itself', () => {
    const queue = loop.queue()
    const self = loop.create(types.RC, queue)
    loop.connect(types.RC, self.handle, self.number)
    loop.receive(self.handle, 9)
    loop.calls.modifyQueuePair(self.handle, { state: 4 })
    const source = [{ registration: loop.register(0, 8).handle, length: 8 }]
    loop.post(self.handle, { id: 1, opcode: opcodes.write, rkey: 1, entries: source }, { id: 2, opcode: opcodes.send })
    loop.calls.modifyQueuePair(self.handle, { state: 3 })
    expect(statuses(queue)).toEqual([
      [1, REM_ACCESS_ERR],
      [2, WR_FLUSH_ERR],
      [9, WR_FLUSH_ERR],
    ])
  })
})

describe('a receive', () => {
  test('that is posted in the error state is flushed, also before one that is refused', () => {
    const { near } = connected(loop)
    loop.calls.modifyQueuePair(near.handle, { state: 6 })
    const words = new Uint32Array(2 * receiveHeaderWords)
    words[receiveHeaderWords + receiveWord.entries] = 9
    expect(() => loop.calls.postReceive(near.handle, words, receiveHeaderWords, 2)).toThrowCode('ERR_DEVICE_REFUSED', {
      values: { posted: 1, index: 1, reason: 'entries' },
    })
    expect(statuses(near.queue)).toEqual([[0, WR_FLUSH_ERR]])
  })

  test('is checked only for the bytes of its message', () => {
    const { near, far } = connected(loop)
    const good = loop.register(0, 8).handle
    const readOnly = loop.register(8, 8, 0).handle
    const source = [{ registration: loop.register(64, 16).handle, length: 8 }]
    const entries = [
      { registration: good, length: 8 },
      { registration: readOnly, length: 8 },
    ]
    loop.receive(far.handle, 1, ...entries)
    loop.receive(far.handle, 2, ...entries)
    loop.post(near.handle, { opcode: opcodes.send, entries: source })
    expect(statuses(far.queue)).toEqual([[1, SUCCESS]])
    loop.post(near.handle, { opcode: opcodes.send, entries: source.map((entry) => ({ ...entry, length: 9 })) })
    expect(statuses(far.queue)).toEqual([[2, LOC_QP_OP_ERR]])
    expect(loop.poll(near.queue).map(({ status }) => status)).toEqual([SUCCESS, REM_OP_ERR])
  })

  test('of a write with immediate data fails if its key is refused, and the receives behind it are flushed', () => {
    const { near, far } = connected(loop)
    loop.receive(far.handle, 1)
    loop.receive(far.handle, 2)
    const source = [{ registration: loop.register(0, 8).handle, length: 8 }]
    loop.post(near.handle, { id: 3, opcode: opcodes.writeWithImmediate, rkey: 1, entries: source })
    expect(statuses(near.queue)).toEqual([[3, REM_ACCESS_ERR]])
    expect(statuses(far.queue)).toEqual([
      [1, REM_ACCESS_ERR],
      [2, WR_FLUSH_ERR],
    ])
  })
})

test('large writes, small writes and reads of one batch each see the bytes of the requests before them', () => {
  const { near } = connected(loop)
  const large = 8192
  const places = 20
  const bytes = loop.calls.allocateDeviceMemory((places + 1) * large, 0)
  const { handle, rkey } = loop.calls.registerDeviceMemory(loop.domain, bytes, 0, (places + 1) * large, everyAccess)
  const first = Uint8Array.from({ length: large }, (_, index) => (index * 13 + 5) & 0xff)
  loop.calls.writeDeviceMemory(bytes, 0, first)
  // Large writes and reads copy the bytes from place to place. After each copy, a small write changes one byte.
  const chain = Array.from({ length: places * 4 }, (_, step) => {
    const from = (step % places) * large
    const to = ((step + 1) % places) * large
    const isRead = step % 3 === 0
    const local = { registration: handle, offset: isRead ? to : from, length: large }
    const zero = { registration: handle, offset: places * large, length: 1 }
    const write = { opcode: opcodes.write, flags: 0, rkey }
    return [
      {
        ...write,
        opcode: isRead ? opcodes.read : opcodes.write,
        address: BigInt(isRead ? from : to),
        entries: [local],
      },
      { ...write, address: BigInt(to + step), entries: [zero] },
    ]
  }).flat()
  loop.post(near.handle, ...chain)

  const last = new Uint8Array(large)
  loop.calls.readDeviceMemory(bytes, 0, last)
  expect(last).toEqual(first.map((value, index) => (index < places * 4 ? 0 : value)))
})

test('a null registration always reads as zeros, whatever was written into it', () => {
  const { near } = connected(loop)
  const nothing = loop.calls.registerNull(loop.domain)
  const memory = loop.register(0, 64)
  loop.calls.writeDeviceMemory(loop.memory, 0, new Uint8Array(64).fill(7))
  const dropped = { opcode: opcodes.read, rkey: memory.rkey, entries: [{ registration: nothing.handle, length: 64 }] }
  const zeros = { opcode: opcodes.write, rkey: memory.rkey, entries: [{ registration: nothing.handle, length: 32 }] }
  loop.post(near.handle, dropped, zeros)
  expect(loop.poll(near.queue).map(({ status }) => status)).toEqual([SUCCESS, SUCCESS])
  expect(loop.bytes().subarray(0, 64)).toEqual(Uint8Array.from({ length: 64 }, (_, index) => (index < 32 ? 0 : 7)))
})

test('events come from the event loop, never from inside the call that caused them, and none after close', async () => {
  const told: string[] = []
  const { near, far } = connected(loop)
  const { handle } = loop.register(0, 8, everyAccess)
  loop.calls.listen({ completion: () => {}, event: (type) => told.push(eventTypes.nameOf(type)) })
  loop.post(near.handle, { opcode: opcodes.write, rkey: 1, entries: [{ registration: handle, length: 8 }] })
  expect(told).toEqual([])
  await new Promise(setImmediate)
  expect(told).toEqual(['QP_ACCESS_ERR'])
  loop.calls.modifyQueuePair(far.handle, { state: 0 })
  const other = connected(loop)
  loop.post(other.near.handle, { opcode: opcodes.write, rkey: 1, entries: [{ registration: handle, length: 8 }] })
  loop.calls.close()
  await new Promise(setImmediate)
  expect(told).toEqual(['QP_ACCESS_ERR'])
})
