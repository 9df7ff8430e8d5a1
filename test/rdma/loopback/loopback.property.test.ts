import fc from 'fast-check'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { PinfoldError } from '../../../src/errors.js'
import { openRegistrySync } from '../../../src/index.js'
import { coreOf } from '../../../src/memory/region-memory.js'
import { requestOpcodes, sendFlags } from '../../../src/rdma/contract/operations.js'
import { sendStride } from '../../../src/rdma/contract/work-layout.js'
import { connected, Loop } from '../../support/loopback-device.js'

/** The number of writes on the fast path. */
const taken = vi.hoisted(() => ({ count: 0 }))
vi.mock(import('../../../src/rdma/loopback/fast-write.js'), async (original) => {
  const { writeAtOnce, ...others } = await original()
  return {
    ...others,
    writeAtOnce: (...parameters) => {
      const isDone = writeAtOnce(...parameters)
      if (isDone) taken.count += 1
      return isDone
    },
  }
})

const { write, read, fetchAndAdd } = requestOpcodes.byName
const { signaled, fence, inline } = sendFlags
const size = 4096

test('writes and reads at any offsets and lengths, gathered and scattered, act like a copy of the bytes', () => {
  const place = fc.record({
    from: fc.nat(2000),
    to: fc.nat(2000),
    first: fc.nat(80),
    second: fc.nat(80),
    isRead: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(place, { minLength: 1, maxLength: 8 }), fc.integer(), (moves, seed) => {
      const loop = new Loop()
      const { near } = connected(loop)
      const model = Uint8Array.from({ length: size }, (_, index) => (index * 31 + seed) & 0xff)
      loop.calls.writeDeviceMemory(loop.memory, 0, model)
      // The lower half is the requester's memory, and the upper half the peer's.
      const ours = loop.register(0, 2048 + 160)
      const theirs = loop.register(1840, size - 1840)
      for (const { from, to, first, second, isRead } of moves) {
        const here = isRead ? to : from
        const there = 1840 + (isRead ? from : to)
        const entries = [
          { registration: ours.handle, offset: here, length: first },
          { registration: ours.handle, offset: here + first, length: second },
        ]
        const address = BigInt(there - 1840)
        loop.post(near.handle, { opcode: isRead ? read : write, rkey: theirs.rkey, address, entries })
        const length = first + second
        if (isRead) model.copyWithin(here, there, there + length)
        else model.copyWithin(there, here, here + length)
        expect(loop.poll(near.queue).map(({ status }) => status)).toEqual([0])
      }
      // A move whose source and target overlap may copy its pieces in any order, so its bytes are not compared.
      if (moves.every((move) => !overlaps(move))) expect(Buffer.compare(loop.bytes(), model)).toBe(0)
      loop.calls.close()
    }),
    { numRuns: 200 },
  )
})

function overlaps({
  from,
  to,
  first,
  second,
  isRead,
}: {
  from: number
  to: number
  first: number
  second: number
  isRead: boolean
}) {
  const here = isRead ? to : from
  const there = 1840 + (isRead ? from : to)
  return Math.abs(here - there) < first + second
}

test('requests of random words reach no byte outside of registered memory', () => {
  const loop = new Loop()
  const before = new Uint8Array(size).fill(0xee)
  loop.calls.writeDeviceMemory(loop.memory, 0, before)
  const memory = loop.register(1024, 1024)
  const window = loop.calls.allocateWindow(loop.domain, 2)
  // Meaningful numbers are more likely than others.
  const word = fc.oneof(
    fc.constantFrom(0, 1, 2, 8, 1023, 1024, 1025, 2 ** 31, 2 ** 32 - 1),
    fc.constantFrom(memory.handle, memory.rkey, window.handle, window.rkey),
    fc.nat(10),
    fc.nat(1100),
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  )
  const stride = sendStride(2)
  fc.assert(
    fc.property(fc.array(word, { minLength: stride, maxLength: stride }), fc.nat(2), (words, kind) => {
      const type = kind + 2
      const { near, far } = connected(loop, { type })
      try {
        loop.calls.postSend(near.handle, Uint32Array.from(words), stride, 1)
      } catch (error) {
        if (!(error instanceof PinfoldError)) throw error
      }
      try {
        loop.calls.postReceive(far.handle, Uint32Array.from(words), stride, 1)
      } catch (error) {
        if (!(error instanceof PinfoldError)) throw error
      }
      for (const { queue, handle } of [near, far]) {
        loop.poll(queue)
        loop.calls.destroyQueuePair(handle)
        loop.calls.destroyCompletionQueue(queue)
      }
    }),
    { numRuns: 5000 },
  )
  const after = loop.bytes()
  expect(after.subarray(0, 1024)).toEqual(before.subarray(0, 1024))
  expect(after.subarray(2048)).toEqual(before.subarray(2048))
  loop.calls.close()
})

describe('a write that is carried out at once', () => {
  /** The size of each half of the region: one for the fast path, and one for the general path. */
  const half = 64 * 1024
  const memory = openRegistrySync({ regions: { bytes: { size: 2 * half, pages: 'base' } } })
  const core = coreOf(memory.regions.bytes)
  afterAll(() => memory.close())

  const length = fc.oneof(fc.nat(64), fc.integer({ min: 3000, max: 20_000 }), fc.constantFrom(0, 4095, 4096, 30_000))
  // Most requests are right, since a wrong request ends its batch.
  const request = fc.record({
    opcode: fc.oneof({ weight: 6, arbitrary: fc.constant(write) }, fc.constantFrom(read, fetchAndAdd, 99)),
    flags: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(0, signaled) }, fc.constantFrom(fence, inline, 1 << 4)),
    from: fc.nat(30_000),
    to: fc.nat(30_000),
    length,
    key: fc.oneof({ weight: 20, arbitrary: fc.constant('right') }, fc.constantFrom('readOnly', 'window', 'stale')),
    beyond: fc.oneof({ weight: 20, arbitrary: fc.constant('neither') }, fc.constantFrom('local', 'remote')),
  })
  type Request = typeof request extends fc.Arbitrary<infer Value> ? Value : never

  /**
   * Posts requests in a half of the region. The fast path takes a request with one scatter entry. A second, empty entry
   * forces the general path, where each request is a batch of its own, so that no copy is deferred.
   */
  function carriedOut(requests: readonly Request[], base: number, isGeneral: boolean) {
    const bytes = memory.regions.bytes.view(base, half)
    for (let at = 0; at < half; at++) bytes[at] = (at * 31) ^ (at >> 8)
    const loop = new Loop()
    const { near, far } = connected(loop, { access: 0b1110 })
    const register = (access: number) =>
      loop.calls.register(loop.domain, { core, offset: base, length: half }, 0n, access)
    const [ours, theirs, readOnly, stale] = [register(1), register(0b1_1111), register(0b101), register(0b111)]
    loop.calls.deregister(stale.handle)
    const window = loop.calls.allocateWindow(loop.domain, 1)
    const bind = { registration: theirs.handle, offset: 0, length: half }
    loop.post(far.handle, { opcode: requestOpcodes.byName.bind, window: window.handle, bind, bindAccess: 0b110 })
    // The fast path takes only registrations that were used before, so one read uses each of them.
    for (const { rkey } of [theirs, readOnly]) {
      loop.post(near.handle, { opcode: read, rkey, entries: [{ registration: ours.handle, length: 1 }] })
    }
    expect([...loop.poll(far.queue), ...loop.poll(near.queue)].map(({ status }) => status)).toEqual([0, 0, 0])
    const keys = {
      right: theirs.rkey,
      readOnly: readOnly.rkey,
      window: loop.calls.windowKey(window.handle),
      stale: stale.rkey,
    }
    const nothing = { registration: ours.handle, offset: 0, length: 0 }
    const sends = requests.map(({ opcode, flags, from, to, length, key, beyond }, id) => ({
      id,
      opcode,
      flags,
      rkey: keys[key],
      address: BigInt(beyond === 'remote' ? half - length + 1 : opcode === fetchAndAdd ? to & ~7 : to),
      compareAdd: 5n,
      entries: [
        { registration: ours.handle, offset: beyond === 'local' ? half - length + 1 : from, length },
        ...(isGeneral ? [nothing] : []),
      ],
    }))
    let refused: unknown
    let posted = 0
    try {
      if (!isGeneral) loop.post(near.handle, ...sends)
      else for (; posted < sends.length; posted++) loop.post(near.handle, ...sends.slice(posted, posted + 1))
    } catch (error) {
      if (!(error instanceof PinfoldError)) throw error
      const { posted: before, reason } = error.values
      refused = { message: error.message, reason, posted: Number(before) + posted }
    }
    const done = loop.poll(near.queue).map(({ id, status, vendorError, bytes }) => ({ id, status, vendorError, bytes }))
    const result = { refused, done, bytes: Buffer.from(bytes) }
    loop.calls.close()
    return result
  }

  test('ends as on the general path, and moves the same bytes', () => {
    const before = taken.count
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 8 }), (requests) => {
        const atOnce = carriedOut(requests, 0, false)
        const count = taken.count
        const general = carriedOut(requests, half, true)
        expect(taken.count).toBe(count)
        expect([atOnce.refused, atOnce.done]).toEqual([general.refused, general.done])
        expect(Buffer.compare(atOnce.bytes, general.bytes)).toBe(0)
      }),
      { numRuns: 500 },
    )
    expect(taken.count - before).toBeGreaterThan(500)
  })
})
