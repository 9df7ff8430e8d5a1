import { beforeEach, describe, expect, test } from 'vitest'
import {
  attachBufferPool,
  attachPackets,
  attachRing,
  createBufferPool,
  createHeap,
  createPackets,
  createRing,
  type MemoryRegistry,
  openRegistrySync,
  type Region,
  type RegistrableMemory,
} from '../../src/index.js'
import { coreOf, rangeOf } from '../../src/memory/region-memory.js'
import { readPackets } from '../../src/packet/layout.js'
import { mostParticipants, participantAt } from '../../src/threads/participants.js'
import { kept } from '../support/registries.js'

// Claims: the ranges of a region that this thread has given to rings, buffer pools, packets and heaps.

let memory: MemoryRegistry
let region: Region

beforeEach(() => {
  memory = kept(openRegistrySync())
  region = memory.allocateSync('rx', { size: '4MiB', pages: 'base' })
})

const things = [
  { kind: 'ring', text: 'a ring', make: (place: RegistrableMemory) => createRing(place, { count: 16 }) },
  {
    kind: 'buffer pool',
    text: 'a buffer pool',
    make: (place: RegistrableMemory) => createBufferPool(place, { elementSize: 64, count: 16 }),
  },
  { kind: 'packets', text: 'packets', make: (place: RegistrableMemory) => createPackets(place, { count: 16 }) },
  { kind: 'heap', text: 'a heap', make: (place: RegistrableMemory) => createHeap(place) },
] as const
const place = (at: number) => region.slice(at, 1024 * 1024)

describe.each(things)('$text', ({ kind, text, make }) => {
  test('keeps its region open until it is closed, and is named by the refusal', () => {
    const thing = make(place(4096))
    expect(() => region.close()).toThrowCode('ERR_REGION_HELD', {
      message: expect.stringMatching(`^region 'rx' is held: ${text} \\(bytes 4096 to \\d+\\)$`),
    })
    expect(region.closed).toBe(false)
    thing.close()
    thing.close()
    region.close()
  })

  test('is closed by its registry before the region', () => {
    const thing = make(place(0))
    memory.close()
    expect([thing.closed, region.closed]).toEqual([true, true])
  })

  test.each(things)('is not made over the middle of $text of this thread, and leaves it as it was', (other) => {
    const first = other.make(place(0))
    const before = region.bytes.slice()
    expect(() => make(place(1024))).toThrowCode('ERR_RANGE_IN_USE', {
      message: expect.stringMatching(`${text} \\(bytes 1024 to .*${other.text} \\(bytes 0 to `),
      values: expect.objectContaining({
        ...{ name: 'rx', kind, offset: 1024 },
        inUse: expect.objectContaining({ kind: other.kind, offset: 0 }),
      }),
    })
    expect(Buffer.compare(before, region.bytes)).toBe(0)
    expect(coreOf(region).holds.reasons('all').names).toHaveLength(1)
    first.close()
    make(place(1024)).close()
  })

  test('leaves the rest of the region to others', () => {
    const first = make(place(0))
    make(place(2 * 1024 * 1024))
    expect(first.closed).toBe(false)
    expect(coreOf(region).holds.reasons('all').names).toHaveLength(2)
  })

  test('that cannot be made claims nothing', () => {
    expect(() => make(region.slice(0, 8))).toThrow()
    expect(coreOf(region).holds.reasons('all').names).toEqual([])
  })
})

test('a ring is attached many times, and created once', () => {
  const ring = createRing(region, { count: 16 })
  const again = attachRing(region)
  expect(() => createRing(region, { count: 16 })).toThrowCode('ERR_RANGE_IN_USE')
  ring.close()
  expect(() => createRing(region, { count: 16 })).toThrowCode('ERR_RANGE_IN_USE')
  again.enqueue(1)
  again.close()
  expect(attachRing(region).count).toBe(1)
})

test('a ring is not made over the buffer pool of packets', () => {
  const packets = createPackets(region, { count: 16 })
  const inPool = Math.ceil(packets.pool.offset(3) / 64) * 64
  expect(() => createRing(region.slice(inPool, 8192), { count: 16 })).toThrowCode('ERR_RANGE_IN_USE', {
    values: expect.objectContaining({ inUse: expect.objectContaining({ kind: 'packets' }) }),
  })
})

test('packets are attached after this thread has attached their buffer pool by itself', () => {
  createPackets(region, { count: 16 }).close()
  const { pool: ofPackets } = attachPackets(region)
  const layout = readPackets(rangeOf(region))
  ofPackets.close()
  const pool = attachBufferPool(region.slice(layout.pool))
  const packets = attachPackets(region)
  expect(packets.pool).toBe(pool)
  packets.close()
  expect(coreOf(region).holds.reasons('all').names).toEqual([])
})

test('packets close with their buffer pool, and their claim ends', () => {
  const packets = createPackets(region, { count: 16 })
  packets.pool.close()
  expect(packets.closed).toBe(true)
  region.close()
})

test('a buffer pool that is attached twice is one object with one claim', () => {
  const pool = createBufferPool(region, { elementSize: 64, count: 16 })
  expect(attachBufferPool(region)).toBe(pool)
  pool.close()
  expect(coreOf(region).holds.reasons('all').names).toEqual([])
})

test('the end of a claim is the end of the last element, not of its page', () => {
  const options = { elementSize: 1500, count: 50, cache: 4 }
  const pool = createBufferPool(region, options)
  const end = Math.ceil((pool.offset(49) + 1500) / 64) * 64
  expect(createRing(region.slice(end, 8192), { count: 16 }).capacity).toBe(16)
})

test('packets whose buffer pool the program has closed do not keep their memory', () => {
  createPackets(region, { count: 16 }).close()
  const { pool: poolAt } = readPackets(rangeOf(region))
  const pool = attachBufferPool(region.slice(poolAt))
  const packets = attachPackets(region)
  pool.close()
  expect(packets.closed).toBe(true)
  expect(attachPackets(region)).not.toBe(packets)
})

test('a ring and a buffer pool leave nothing behind if they are closed after their ArrayBuffer was moved', async () => {
  const shapes = { count: 16, producers: 'one', consumers: 'one' } as const
  const ring = createRing(place(0), shapes)
  ring.enqueue(1)
  const pool = createBufferPool(place(2 * 1024 * 1024), { elementSize: 64, count: 16, cache: 8 })
  pool.put(pool.get())
  // The reads of a byte stream move the buffer, as ArrayBuffer.prototype.transfer does on newer Nodes.
  const stream = new ReadableStream({ type: 'bytes', start: (controller) => controller.enqueue(region.bytes) })
  await stream.getReader().read()
  expect([ring.slots.length, pool.spans.length]).toEqual([0, 0])
  ring.close()
  pool.close()
  const again = attachRing(place(0))
  expect([again.enqueue(2), again.dequeue(), again.dequeue()]).toEqual([true, 1, 2])
  const lines = new Int32Array(place(0).bytes.buffer, place(0).bytes.byteOffset)
  again.close()
  for (let line = 0; line < mostParticipants; line++) expect(lines[participantAt(line)]).toBe(0)
  expect(attachBufferPool(place(2 * 1024 * 1024)).available).toBe(16)
})

test('an object that cannot be closed keeps no other object open', () => {
  const one = createRing(place(0), { count: 16 })
  const packets = createPackets(place(1024 * 1024), { count: 16 })
  const other = createRing(region.slice(3 * 1024 * 1024, 8192), { count: 16 })
  packets.close = () => {
    throw new Error('not now')
  }
  expect(() => memory.close()).toThrow('not now')
  expect([one.closed, other.closed, packets.closed, region.closed]).toEqual([true, true, false, false])
  Reflect.deleteProperty(packets, 'close')
  memory.close()
  expect([packets.closed, region.closed]).toEqual([true, true])
})
