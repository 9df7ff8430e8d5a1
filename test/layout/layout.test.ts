import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { beforeEach, describe, expect, expectTypeOf, test } from 'vitest'
import {
  attachLayout,
  type BufferPool,
  createLayout,
  type Heap,
  layoutBytes,
  type MemoryRegistry,
  openRegistrySync,
  type Packets,
  type Region,
  type Ring,
} from '../../src/index.js'
import { coreOf } from '../../src/memory/region-memory.js'
import { kept } from '../support/registries.js'

const parts = {
  packets: { count: 64, cache: 16 },
  ring: { count: 256 },
  free: { kind: 'ring', count: 64, producers: 'one' },
  pool: { elementSize: 100, count: 50, cache: 16 },
  blocks: { kind: 'heap', size: '64KiB' },
} as const

let memory: MemoryRegistry
let region: Region

beforeEach(() => {
  memory = kept(openRegistrySync())
  region = memory.allocateSync('all', { size: layoutBytes(parts), pages: 'base' })
})

describe('a layout', () => {
  test('contains every thing by its name, with its type', () => {
    using all = memory.layout(region, parts)
    expectTypeOf(all.packets).toEqualTypeOf<Packets>()
    expectTypeOf(all.ring).toEqualTypeOf<Ring>()
    expectTypeOf(all.free).toEqualTypeOf<Ring>()
    expectTypeOf(all.pool).toEqualTypeOf<BufferPool>()
    expectTypeOf(all.blocks).toEqualTypeOf<Heap>()
    expect(Object.keys(all)).toEqual(Object.keys(parts))
    expect([all.packets.capacity, all.ring.capacity, all.free.capacity, all.pool.capacity]).toEqual([64, 256, 64, 50])
    expect(all.blocks.size).toBe(64 * 1024)
  })

  test('keeps its things apart: no thing changes the contents of another', () => {
    using all = memory.layout(region, parts)
    const taken = Array.from({ length: 64 }, () => all.packets.allocate())
    for (const index of taken) all.packets.bytes(index).fill(1)
    for (let value = 0; value < 256; value++) all.ring.enqueue(value)
    for (let value = 0; value < 64; value++) all.free.enqueue(value)
    const elements = Array.from({ length: 50 }, () => all.pool.get())
    for (const index of elements) all.pool.view(index).fill(2)
    all.blocks.view(all.blocks.allocate(64 * 1024)).fill(3)
    expect([all.ring.dequeue(), all.free.dequeue(), all.ring.count, all.free.count]).toEqual([0, 0, 255, 63])
    for (const index of elements) all.pool.put(index)
    for (const index of taken) all.packets.free(index)
    expect([all.pool.available, all.packets.available]).toEqual([50, 64])
  })

  test('holds its region once for every thing, until it is disposed', () => {
    {
      using _ = memory.layout(region, parts)
      expect(coreOf(region).holds.count('all')).toBe(5)
    }
    expect(coreOf(region).holds.count('all')).toBe(0)
  })

  test('is attached with the same parts, in this thread and in another', async () => {
    using all = memory.layout(region, parts)
    using again = attachLayout(region, parts)
    expectTypeOf(again).not.toHaveProperty('blocks')
    expect(Object.keys(again)).toEqual(['packets', 'ring', 'free', 'pool'])
    expect(again.packets).toBe(all.packets)
    all.ring.enqueue(7)
    expect(again.ring.dequeue()).toBe(7)
    const program = new URL('../support/programs/layout-worker.mjs', import.meta.url)
    const worker = new Worker(program, { workerData: { handle: region.handle, parts } })
    all.ring.enqueue(8)
    const [answer] = await once(worker, 'message')
    expect(answer).toEqual({ ring: 8, packets: 64, pool: 50 })
    await once(worker, 'exit')
    expect(all.free.dequeue()).toBe(9)
  })

  test('leaves things open that were open before it was attached', () => {
    using all = memory.layout(region, parts)
    attachLayout(region, parts)[Symbol.dispose]()
    const wrong = { ...parts, ring: { count: 512 } }
    expect(() => attachLayout(region, wrong)).toThrow()
    expect([all.packets.closed, all.pool.closed, all.ring.closed]).toEqual([false, false, false])
  })

  test('fits into as many bytes as layoutBytes says, also with large alignments', () => {
    const large = { pool: { elementSize: 64, count: 3, align: 65_536, cache: 2 }, heap: { size: 100 } } as const
    const larger = memory.allocateSync('larger', { size: layoutBytes(large), pages: 'base' })
    using all = memory.layout(larger, large)
    expect(all.heap.size).toBe(112)
    expect(() => layoutBytes(large, Number.NaN)).toThrowCode('ERR_INVALID_ARGUMENT')
  })

  test('lies in a slice, too', () => {
    const larger = memory.allocateSync('larger', { size: layoutBytes(parts) + 8192, pages: 'base' })
    using all = createLayout(larger.slice(64), parts)
    all.ring.enqueue(1)
    expect(larger.view(0, 64).every((byte) => byte === 0)).toBe(true)
  })
})

describe('a layout is refused, and leaves nothing open,', () => {
  test.each([
    ['that does not fit', () => createLayout(region.slice(0, 8192), parts), 'ERR_OUT_OF_RANGE'],
    ['without a size', () => Reflect.apply(createLayout, undefined, [region, { ring: {} }]), 'ERR_INVALID_ARGUMENT'],
    [
      'without a kind',
      () => Reflect.apply(createLayout, undefined, [region, { x: { count: 2 } }]),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'with a wrong option behind a right one',
      () =>
        Reflect.apply(createLayout, undefined, [region, { ring: { count: 2 }, pool: { count: 4, elementSize: -1 } }]),
      'ERR_INVALID_ARGUMENT',
    ],
    [
      'in an object that is not memory',
      () => Reflect.apply(createLayout, undefined, [{}, parts]),
      'ERR_INVALID_ARGUMENT',
    ],
    ['with a number as its parts', () => Reflect.apply(createLayout, undefined, [region, 7]), 'ERR_INVALID_ARGUMENT'],
    ['with null as options', () => Reflect.apply(layoutBytes, undefined, [{ ring: null }]), 'ERR_INVALID_ARGUMENT'],
  ])('%s', (_, call, code) => {
    expect(call).toThrowCode(code)
    expect(coreOf(region).holds.count('all')).toBe(0)
  })

  test('over an open layout', () => {
    using _ = memory.layout(region, parts)
    expect(() => createLayout(region, { ring: parts.ring })).toThrowCode('ERR_RANGE_IN_USE')
    expect(coreOf(region).holds.count('all')).toBe(5)
  })

  test('in a closed registry', () => {
    memory.close()
    expect(() => memory.layout(region, parts)).toThrowCode('ERR_REGISTRY_CLOSED')
  })
})
