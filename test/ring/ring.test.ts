import { describe, expect, test } from 'vitest'
import { attachRing, createRing, openRegistrySync, type Ring, type RingOptions, ringBytes } from '../../src/index.js'
import { consumerWord, producerWord, SideWord } from '../../src/ring/layout.js'
import { ticketMask } from '../../src/threads/participants.js'
import { base, kept } from '../support/registries.js'

function memory(size: number | string = base.size) {
  return kept(openRegistrySync()).allocateSync('rings', { ...base, size })
}

function ring(options: RingOptions = { count: 8 }): Ring {
  return createRing(memory(), options)
}

const bothModes = [
  ['one thread on each side', { producers: 'one', consumers: 'one' }],
  ['many threads on each side', { producers: 'many', consumers: 'many' }],
  ['many producers, one consumer', { producers: 'many', consumers: 'one' }],
  ['one producer, many consumers', { producers: 'one', consumers: 'many' }],
] as const

describe.each(bothModes)('a ring for %s', (_, modes) => {
  test('returns values in the order in which they were put in', () => {
    using queue = ring({ count: 8, ...modes })
    for (const value of [7, 0, 2 ** 32 - 1, 2 ** 31]) expect(queue.enqueue(value)).toBe(true)
    expect([queue.count, queue.free]).toEqual([4, 4])
    expect([queue.dequeue(), queue.dequeue(), queue.dequeue(), queue.dequeue()]).toEqual([7, 0, 2 ** 32 - 1, 2 ** 31])
    expect(queue.dequeue()).toBe(-1)
  })

  test('holds as many values as its count says, and takes no more', () => {
    using queue = ring({ count: 8, ...modes })
    for (let value = 0; value < 8; value++) expect(queue.enqueue(value)).toBe(true)
    expect(queue.enqueue(8)).toBe(false)
    expect([queue.count, queue.free, queue.capacity]).toEqual([8, 0, 8])
  })

  test('takes all of a bulk or none of it, and of a burst as many as fit', () => {
    using queue = ring({ count: 8, ...modes })
    const six = Uint32Array.of(1, 2, 3, 4, 5, 6)
    expect(queue.enqueueBulk(six)).toBe(6)
    expect(queue.enqueueBulk(six)).toBe(0)
    expect(queue.enqueueBurst(six)).toBe(2)
    const out = new Uint32Array(10)
    expect(queue.dequeueBulk(out)).toBe(0)
    expect(queue.dequeueBurst(out)).toBe(8)
    expect([...out]).toEqual([1, 2, 3, 4, 5, 6, 1, 2, 0, 0])
    expect(queue.dequeueBurst(out)).toBe(0)
  })

  test('moves a part of an array, from and to any place in it, across its own end', () => {
    using queue = ring({ count: 64, ...modes })
    const values = Uint32Array.from({ length: 200 }, (_, index) => index * 0x01234567)
    const out = new Uint32Array(200)
    for (let round = 0; round < 300; round++) {
      const count = round % 33
      const at = (round * 7) % 150
      expect(queue.enqueueBulk(values, count, at)).toBe(count)
      out.fill(0)
      expect(queue.dequeueBulk(out, count, at + 1)).toBe(count)
      expect(out.subarray(at + 1, at + 1 + count)).toEqual(values.subarray(at, at + count))
      expect(out[at]).toBe(0)
      expect(out[at + 1 + count]).toBe(0)
    }
  })

  test('lends slots to be written and read in place', () => {
    using queue = ring({ count: 8, ...modes })
    for (let value = 0; value < 6; value++) queue.enqueue(value)
    for (let value = 0; value < 6; value++) queue.dequeue()
    const { first, length, rest } = queue.reserveEnqueueBulk(5)
    expect([first, length, rest]).toEqual([6, 2, 3])
    for (let index = 0; index < length; index++) queue.slots[first + index] = 100 + index
    for (let index = 0; index < rest; index++) queue.slots[index] = 100 + length + index
    expect(queue.count).toBe(0)
    queue.commitEnqueue(4)
    expect(queue.count).toBe(4)
    expect(queue.reserveDequeueBulk(5)).toEqual({ first: 0, length: 0, rest: 0 })
    expect(queue.reserveDequeueBurst(5)).toEqual({ first: 6, length: 2, rest: 2 })
    expect([6, 7, 0, 1].map((slot) => queue.slots[slot])).toEqual([100, 101, 102, 103])
    queue.commitDequeue(1)
    expect([queue.count, queue.dequeue()]).toEqual([3, 101])
  })

  test('refuses a second reservation and other calls on a reserved side', () => {
    using queue = ring({ count: 8, ...modes })
    queue.enqueue(1)
    queue.reserveEnqueueBulk(2)
    queue.reserveDequeueBulk(1)
    expect(() => queue.enqueue(2)).toThrowCode('ERR_RING_RESERVATION')
    expect(() => queue.reserveEnqueueBurst(1)).toThrowCode('ERR_RING_RESERVATION')
    expect(() => queue.dequeueBurst(new Uint32Array(1))).toThrowCode('ERR_RING_RESERVATION')
    expect(() => queue.commitEnqueue(3)).toThrowCode('ERR_OUT_OF_RANGE')
    queue.commitEnqueue(0)
    queue.commitDequeue(0)
    expect(() => queue.commitDequeue()).toThrowCode('ERR_RING_RESERVATION')
    expect([queue.enqueue(2), queue.count]).toEqual([true, 2])
  })

  test('goes on past 2^32 values', () => {
    const region = memory()
    using queue = createRing(region, { count: 4, ...modes })
    const words = new Int32Array(region.bytes.buffer, region.bytes.byteOffset)
    // Sets the indexes and the producers' limit to their values after 2^32 - 3 values (src/ring/layout.ts).
    for (const side of [producerWord, consumerWord]) words[side + SideWord.index] = words[side + SideWord.limit] = -3
    words[producerWord + SideWord.limit] = 1
    for (let value = 0; value < 10; value++) {
      expect(queue.enqueue(value)).toBe(true)
      expect(queue.enqueue(value)).toBe(true)
      expect([queue.count, queue.free]).toEqual([2, 2])
      expect([queue.dequeue(), queue.dequeue(), queue.dequeue()]).toEqual([value, value, -1])
    }
  })
})

describe('a ring', () => {
  test('is the same for every Ring object on it', () => {
    const region = memory()
    using one = createRing(region.slice(4096, 8192), { count: 16 })
    using other = attachRing(region.slice(4096, 8192))
    one.enqueue(5)
    expect([other.capacity, other.dequeue(), one.count]).toEqual([16, 5, 0])
  })

  test('keeps a reservation until the Ring that made it commits, whatever other Rings of this thread do', () => {
    const region = memory()
    using one = createRing(region, { count: 16 })
    const other = attachRing(region)
    other.enqueue(1)
    one.reserveEnqueueBulk(2)
    one.reserveDequeueBulk(1)
    other.close()
    one.commitEnqueue()
    one.commitDequeue()
    expect(one.count).toBe(2)
  })

  test('goes on after a call of its own was cut off while it owned the side', () => {
    const region = memory()
    using queue = createRing(region, { count: 16, patience: 20 })
    const words = new Int32Array(region.bytes.buffer, region.bytes.byteOffset)
    const ownerWord = producerWord + SideWord.owner
    queue.reserveEnqueueBulk(1)
    const ticket = (words[ownerWord] ?? 0) & ticketMask
    queue.commitEnqueue(0)
    words[ownerWord] = ticket
    expect([queue.enqueue(2), queue.dequeue(), words[ownerWord]]).toEqual([true, 2, 0])
  })

  test('fills its memory unless its count is given', () => {
    const region = memory(64 * 1024)
    using largest = createRing(region)
    expect(largest.capacity).toBe(8192)
    expect(ringBytes(8192)).toBeLessThanOrEqual(region.size)
  })

  test('is congested from its high watermark until it has fallen to the low one', () => {
    using queue = ring({ count: 8, highWatermark: 6, lowWatermark: 2 })
    const seen = [1, 2, 3, 4, 5, 6, 7].map(() => {
      queue.enqueue(0)
      return queue.congested
    })
    expect(seen).toEqual([false, false, false, false, false, true, true])
    const emptying = [1, 2, 3, 4, 5, 6].map(() => {
      queue.dequeue()
      return queue.congested
    })
    expect(emptying).toEqual([true, true, true, true, false, false])
  })

  test('is not attached where there is no ring, or garbage', () => {
    const region = memory()
    expect(() => attachRing(region)).toThrowCode('ERR_RING_LAYOUT')
    using _ = createRing(region, { count: 8 })
    expect(() => attachRing(region.slice(0, 4096))).toThrowCode('ERR_RING_LAYOUT')
    const words = new Int32Array(region.bytes.buffer, region.bytes.byteOffset)
    for (const [word, value] of [
      [0, 1],
      [1, 9],
      [2, 7],
      [2, 2 ** 30],
      [2, -8],
      [3, 4],
      [4, 9],
      [5, -1],
    ] as const) {
      const right = words[word] ?? 0
      words[word] = value
      expect(() => attachRing(region)).toThrowCode('ERR_RING_LAYOUT')
      words[word] = right
    }
    attachRing(region).close()
  })

  test('goes on, and closes, after its ArrayBuffer was moved away', async () => {
    const region = memory()
    using queue = createRing(region, { count: 8 })
    queue.enqueue(1)
    // The reads of a byte stream move the buffer, as ArrayBuffer.prototype.transfer does on newer Nodes.
    const stream = new ReadableStream({ type: 'bytes', start: (controller) => controller.enqueue(region.bytes) })
    await stream.getReader().read()
    expect(queue.slots).toHaveLength(0)
    expect([queue.enqueue(2), queue.dequeue(), queue.dequeue()]).toEqual([true, 1, 2])
    queue.close()
    expect(() => queue.enqueue(1)).toThrowCode('ERR_RING_CLOSED')
  })

  test('holds its region until it is closed, and then refuses every call', () => {
    const region = memory()
    const closed = createRing(region, { count: 8 })
    closed.close()
    closed.close()
    expect(() => closed.enqueue(1)).toThrowCode('ERR_RING_CLOSED')
    expect(() => closed.count).toThrowCode('ERR_RING_CLOSED')
    const queue = attachRing(region)
    queue.enqueue(1)
    expect(() => region.close()).toThrowCode('ERR_REGION_HELD')
    queue.close()
    region.close()
    const out = new Uint32Array(32)
    for (const call of [
      () => queue.enqueue(1),
      () => queue.dequeue(),
      () => queue.enqueueBulk(out),
      () => queue.dequeueBulk(out),
      () => queue.reserveDequeueBulk(1),
      () => queue.commitEnqueue(),
      () => queue.count,
    ]) {
      expect(call).toThrowCode('ERR_RING_CLOSED')
    }
    queue.close()
  })
})
