import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createHeap, type Heap, openRegistrySync, type Region } from '../../src/index.js'
import { coreOf } from '../../src/memory/region-memory.js'
import { kept } from '../support/registries.js'

let region: Region
let other: Region
let heap: Heap

beforeEach(() => {
  const memory = kept(openRegistrySync())
  region = memory.allocateSync('rx', { size: '64KiB', pages: 'base' })
  other = memory.allocateSync('other', { size: '64KiB', pages: 'base' })
  heap = createHeap(region)
})
afterEach(() => heap.close({ force: true }))

describe('a heap', () => {
  test('returns the offset of a block in its region, and a view of the region shows the same bytes', () => {
    const offset = heap.allocate(100)
    heap.view(offset).fill(7)
    expect(region.view(offset, 100).every((byte) => byte === 7)).toBe(true)
    expect(heap.sizeOf(offset)).toBe(100)
    expect(heap.view(offset)).toHaveLength(100)
  })

  test('in a slice returns offsets in the slice', () => {
    using inSlice = createHeap(other.slice(4096, 1024))
    const offset = inSlice.allocate(1024)
    expect(offset).toBe(0)
    inSlice.view(offset).fill(9)
    expect(other.view(4096, 1024).every((byte) => byte === 9)).toBe(true)
    expect(other.view(4095, 1)[0]).toBe(0)
  })

  test('writes nothing to its memory, except the zeros of allocateZeroed', () => {
    region.bytes.fill(5)
    const offset = heap.allocate(200)
    heap.free(offset)
    expect(region.bytes.every((byte) => byte === 5)).toBe(true)
    expect(heap.view(heap.allocateZeroed(200)).every((byte) => byte === 0)).toBe(true)
    expect(region.bytes.filter((byte) => byte === 0)).toHaveLength(200)
  })

  test('is not damaged by writes past the end of a block', () => {
    const offsets = Array.from({ length: 100 }, () => heap.allocate(48))
    region.bytes.fill(0xff)
    heap.check()
    for (const offset of offsets) heap.free(offset)
    expect([...heap.walk()]).toEqual([{ offset: 0, length: region.size, size: 0, free: true }])
  })

  test('lists its live and free blocks in the order of their offsets', () => {
    const [, second] = [heap.allocate(16), heap.allocate(100), heap.allocate(1)]
    heap.free(second)
    expect([...heap.walk()]).toEqual([
      { offset: 0, length: 16, size: 16, free: false },
      { offset: 16, length: 112, size: 0, free: true },
      { offset: 128, length: 16, size: 1, free: false },
      { offset: 144, length: region.size - 144, size: 0, free: true },
    ])
  })

  test('lists each byte at most once if blocks are allocated and freed during the walk', () => {
    const offsets = Array.from({ length: 50 }, () => heap.allocate(64))
    let end = 0
    for (const { offset, length } of heap.walk()) {
      expect(offset).toBeGreaterThanOrEqual(end)
      end = offset + length
      const [gone] = offsets.splice(offsets.length >> 1, 1)
      if (gone !== undefined) heap.free(gone)
      heap.allocate(16)
    }
    expect(offsets.length).toBeLessThan(10)
  })

  test('counts its bytes, its blocks and its allocations', () => {
    const offsets = [heap.allocate(100), heap.allocate(16)]
    expect(() => heap.allocate(2 ** 20)).toThrow()
    heap.free(offsets[0] ?? -1)
    expect(heap.stats()).toEqual({
      size: 65536,
      used: 16,
      peak: 128,
      free: 65520,
      largestFree: 65536 - 128,
      blocks: 1,
      freeBlocks: 2,
      allocations: 2,
      failures: 1,
      overhead: expect.any(Number),
    })
    expect(heap.stats().overhead).toBeLessThan(16 * 1024)
    expect(`${heap.size} ${heap.closed}`).toBe('65536 false')
  })
})

describe('a block that is reallocated', () => {
  test('stays in place when it shrinks, and when the next block is free', () => {
    const offset = heap.allocate(100)
    expect(heap.reallocate(offset, 20)).toBe(offset)
    expect(heap.sizeOf(offset)).toBe(20)
    expect(heap.reallocate(offset, 60_000)).toBe(offset)
    expect(heap.reallocate(offset, 60_000)).toBe(offset)
    expect(heap.stats()).toMatchObject({ allocations: 1, blocks: 1 })
  })

  test('moves with its bytes when the next block is live', () => {
    const offset = heap.allocate(100)
    heap.view(offset).fill(3)
    heap.allocate(16)
    const moved = heap.reallocate(offset, 200)
    expect(moved).not.toBe(offset)
    expect([...heap.view(moved).subarray(0, 100)]).toEqual(Array(100).fill(3))
    expect(() => heap.free(offset)).toThrowCode('ERR_BLOCK_FREE')
  })

  test('moves when it does not have the wanted alignment', () => {
    heap.allocate(16)
    const offset = heap.allocate(16)
    expect(heap.reallocate(offset, 16, 16)).toBe(offset)
    expect(heap.reallocate(offset, 16, 4096)).toBe(4096)
  })

  test('stays as it was when there is no room', () => {
    const offset = heap.allocate(100)
    heap.view(offset).fill(3)
    heap.allocate(16)
    const before = [...heap.walk()]
    expect(() => heap.reallocate(offset, 2 ** 16)).toThrowCode('ERR_HEAP_FULL', {
      values: expect.objectContaining({ size: 2 ** 16 }),
    })
    expect([...heap.walk()]).toEqual(before)
    expect(heap.view(offset).every((byte) => byte === 3)).toBe(true)
  })
})

describe('the red zone of a block', () => {
  let watched: Heap

  beforeEach(() => {
    watched = createHeap(other.slice(4096, 4096), { redZones: true })
  })
  afterEach(() => watched.close({ force: true }))

  test.each([
    ['check', () => watched.check()],
    ['free', (offset: number) => watched.free(offset)],
    ['reallocate', (offset: number) => watched.reallocate(offset, 8)],
  ])('makes %s report a write past the end, with the block and the byte', (_, call) => {
    watched.allocate(100)
    const offset = watched.allocate(100)
    watched.allocate(100)
    watched.view(offset).fill(0xff)
    watched.check()
    other.view(4096 + offset + 103, 1)[0] = 0
    const values = { heap: "the heap in region 'other'", offset, size: 100, written: 103 }
    expect(() => call(offset)).toThrowCode('ERR_BLOCK_OVERRUN', { values: expect.objectContaining(values) })
    expect(watched.stats().blocks).toBe(3)
  })

  test('moves with the end of a block that is resized or moved', () => {
    const offset = watched.allocate(100)
    expect(watched.reallocate(offset, 200)).toBe(offset)
    watched.check()
    expect(watched.reallocate(offset, 30)).toBe(offset)
    watched.allocate(16)
    const moved = watched.reallocate(offset, 300)
    watched.view(moved).fill(0)
    watched.check()
    watched.free(moved)
  })
})

describe('a heap refuses, and changes nothing:', () => {
  const cases: [string, string, object, (offset: number) => unknown][] = [
    ['more than it contains', 'ERR_HEAP_FULL', { size: 65537, alignment: 16 }, () => heap.allocate(65537)],
    ['more than any heap can contain', 'ERR_HEAP_FULL', { size: 2 ** 52 }, () => heap.allocate(2 ** 52)],
    [
      'more than any heap can contain, with an alignment',
      'ERR_HEAP_FULL',
      { size: 2 ** 52, alignment: 64 },
      () => heap.allocate(2 ** 52, 64),
    ],
    [
      'a size for which no aligned offset is left',
      'ERR_HEAP_FULL',
      { size: 65000, alignment: 4096 },
      () => heap.allocate(65000, 4096),
    ],
    ['a block that was freed', 'ERR_BLOCK_FREE', { offset: 224, block: 224 }, () => heap.free(224)],
    ['memory that is free', 'ERR_BLOCK_FREE', { offset: 1024 }, () => heap.free(1024)],
    ['the inside of a block', 'ERR_BLOCK_UNKNOWN', { offset: 16, block: 0, length: 112 }, () => heap.free(16)],
    ['a byte in a block', 'ERR_BLOCK_UNKNOWN', { offset: 1 }, () => heap.view(1)],
    ['the end of its memory', 'ERR_OUT_OF_RANGE', { offset: 65536 }, () => heap.sizeOf(65536)],
    ['an alignment that is not a power of two', 'ERR_OUT_OF_RANGE', { alignment: 48 }, () => heap.allocate(16, 48)],
    [
      'an alignment that is too large',
      'ERR_OUT_OF_RANGE',
      { alignment: 2 ** 31 },
      () => heap.reallocate(0, 16, 2 ** 31),
    ],
    ['a size of 0', 'ERR_OUT_OF_RANGE', { size: 0 }, () => heap.reallocate(0, 0)],
    ['to close it with live blocks', 'ERR_HEAP_IN_USE', { blocks: 2 }, () => heap.close()],
    ['to close its region', 'ERR_REGION_HELD', { holders: ['a heap (bytes 0 to 65535)'] }, () => region.close()],
  ]

  test.for(cases)('%s', ([, code, values, misuse]) => {
    // Blocks at 0, 112 and 224. The last is free again.
    const [first, , last] = [heap.allocate(100), heap.allocate(100), heap.allocate(100)]
    heap.free(last)
    const before = [...heap.walk()]
    expect(() => misuse(first)).toThrowCode(code, { values: expect.objectContaining(values) })
    expect([...heap.walk()]).toEqual(before)
    heap.check()
  })
})

describe('a closed heap', () => {
  test('releases its region, and may be closed again', () => {
    heap.close()
    heap.close()
    expect(heap.closed).toBe(true)
    region.close()
  })

  test('refuses every call', () => {
    const offset = heap.allocate(100)
    heap.close({ force: true })
    const calls = [
      () => heap.allocate(16),
      () => heap.allocate(16, 64),
      () => heap.allocateZeroed(16),
      () => heap.reallocate(offset, 16),
      () => heap.free(offset),
      () => heap.sizeOf(offset),
      () => heap.view(offset),
      () => heap.stats(),
      () => heap.walk(),
      () => heap.check(),
    ]
    for (const call of calls) {
      expect(call).toThrowCode('ERR_HEAP_CLOSED', {
        values: expect.objectContaining({ heap: "the heap in region 'rx'" }),
      })
    }
  })

  test('ends a walk that was under way', () => {
    heap.allocate(16)
    const walk = heap.walk()
    walk.next()
    heap.close({ force: true })
    expect(walk.next().done).toBe(true)
  })

  test('is closed at the end of its scope, even with live blocks', () => {
    {
      using scoped = createHeap(other.slice(4096, 1024))
      scoped.allocate(16)
    }
    expect(coreOf(other).holds.reasons('all').names).toEqual([])
  })
})

describe('a heap is not made on', () => {
  test.each([
    [
      'a closed region',
      'ERR_REGION_CLOSED',
      () => {
        const closed = kept(openRegistrySync()).allocateSync('closed', { size: '64KiB', pages: 'base' })
        closed.close()
        return createHeap(closed)
      },
    ],
    ['a slice of less than 16 bytes', 'ERR_INVALID_ARGUMENT', () => createHeap(other.slice(0, 15))],
    ['the memory of an open heap', 'ERR_POOL_OPEN', () => createHeap(region)],
    [
      'a slice at an offset that is not a multiple of 16',
      'ERR_INVALID_ARGUMENT',
      () => createHeap(other.slice(8, 1024)),
    ],
  ])('%s', (_, code, open) => {
    expect(open).toThrowCode(code)
    expect(coreOf(region).holds.reasons('all').names).toEqual(['a heap (bytes 0 to 65535)'])
    expect(coreOf(other).holds.reasons('all').names).toEqual([])
  })
})

test('an error says how much is free, and how large the largest free block is', () => {
  for (let count = 0; count < 64; count++) heap.allocate(1024)
  for (let offset = 0; offset < 65536; offset += 2048) heap.free(offset)
  const message = "allocate: 2KiB wanted in the heap in region 'rx', 32KiB free, at most 1KiB of it in one block"
  expect(() => heap.allocate(2048)).toThrow(message)
})
