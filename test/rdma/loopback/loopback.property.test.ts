import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PinfoldError } from '../../../src/errors.js'
import { requestOpcodes } from '../../../src/rdma/contract/operations.js'
import { sendStride } from '../../../src/rdma/contract/work-layout.js'
import { connected, Loop } from '../../support/loopback-device.js'

const { write, read } = requestOpcodes.byName
const size = 4096

test('writes and reads of any places and lengths, gathered and scattered, move what a copy of the bytes moves', () => {
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
      // Ours is the lower half, the peer's the upper.
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
      // Pieces that overlap each other in a move may come in any order, so only the others are the same byte for byte.
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

test('words of any kind reach no byte outside of what was registered', () => {
  const loop = new Loop()
  const before = new Uint8Array(size).fill(0xee)
  loop.calls.writeDeviceMemory(loop.memory, 0, before)
  const memory = loop.register(1024, 1024)
  const window = loop.calls.allocateWindow(loop.domain, 2)
  // Numbers that mean something are likelier than others.
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
