import { beforeEach, describe, expect, test } from 'vitest'
import {
  attachBufferPool,
  type BufferPool,
  type BufferPoolOptions,
  bufferPoolBytes,
  createBufferPool,
  type MemoryRegistry,
  openDevice,
  openRegistrySync,
} from '../../src/index.js'
import { depotWord } from '../../src/pool/layout.js'
import { MiB } from '../../src/sizes.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { kept } from '../support/registries.js'
import { needs, whyNotPhysical } from '../support/requirements.js'

// A buffer pool that one thread uses. buffer-pool.threads.test.ts runs several threads, and lets them die.

let memory: MemoryRegistry

beforeEach(() => {
  memory = kept(openRegistrySync({ leaks: 'off' }))
})

function pool(options: Partial<BufferPoolOptions> & { count: number }): BufferPool {
  const wanted = { elementSize: 64, ...options }
  const size = bufferPoolBytes(wanted, basePageSize)
  return createBufferPool(memory.allocateSync('pool', { size, pages: 'base' }), wanted)
}

/** Takes all elements of the pool, in the order in which it gives them. */
function drained(from: BufferPool): number[] {
  const all: number[] = []
  for (let index = from.get(); index >= 0; index = from.get()) all.push(index)
  return all
}

const sorted = (values: Iterable<number>) => [...values].sort((one, other) => one - other)
const allOf = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('a buffer pool', () => {
  test.for([1, 2, 7, 256, 257, 1000, 5000])('of %i elements gives each element once, and then none', (count) => {
    const from = pool({ count })
    expect(from.available).toBe(count)
    expect(sorted(drained(from))).toEqual(allOf(count))
    expect([from.get(), from.available, from.stats().failures]).toEqual([-1, 0, 2])
  })

  test.for([2, 3, 4, 64, 512])('with a cache of %i takes all elements back, in any order', (cache) => {
    const from = pool({ count: 1000, cache })
    for (let round = 0; round < 3; round++) {
      const all = drained(from)
      expect(sorted(all)).toEqual(allOf(1000))
      for (const index of round === 1 ? all.reverse() : all) from.put(index)
      expect(from.available).toBe(1000)
    }
  })

  test.for([1, 4, 31, 32, 33, 200, 256, 999, 1000])('gives and takes %i elements at once, or none', (burst) => {
    const from = pool({ count: 1000 })
    const values = new Uint32Array(1008).fill(77_777)
    const seen = new Set<number>()
    let bursts = 0
    const places: number[] = []
    for (let at = 0; from.getBulk(values, burst, at) > 0; at = 1) {
      for (const index of values.subarray(at, at + burst)) seen.add(index)
      expect([...values.subarray(at + burst)].every((value) => value >= 1000 || seen.has(value))).toBe(true)
      places.push(...values.subarray(at, at + burst))
      bursts += 1
    }
    expect([bursts, seen.size]).toEqual([Math.floor(1000 / burst), Math.floor(1000 / burst) * burst])
    expect(from.available).toBe(1000 % burst)
    const back = Uint32Array.from(places)
    for (let at = 0; at < back.length; at += burst) from.putBulk(back, burst, at)
    expect(from.available).toBe(1000)
    expect(sorted(drained(from))).toEqual(allOf(1000))
  })

  test.for<[number, number, number]>([
    [1, 4, 0],
    [1, 32, 0],
    [0, 31, 1],
    [1, 31, 1],
    [0, 32, 1],
    [1, 2, 3],
    [0, 1, 1],
    [1, 0, 1],
  ])('with %i elements taken gives and takes bursts of %i at index %i, each element once', ([before, burst, at]) => {
    const from = pool({ count: 600, cache: 128 })
    const held = Array.from({ length: before }, () => from.get())
    const values = new Uint32Array(64).fill(77_777)
    for (let round = 0; round < 3; round++) {
      expect(from.getBulk(values, burst, at)).toBe(burst)
      held.push(...values.subarray(at, at + burst))
      expect(sorted(new Set(held))).toEqual(sorted(held))
      expect([...values].filter((value) => value === 77_777).length).toBe(64 - burst)
      values.fill(77_777)
    }
    for (let done = before; done < held.length; done += Math.max(1, burst)) {
      values.set(held.slice(done, done + burst), at)
      from.putBulk(values, burst, at)
    }
    for (const index of held.slice(0, before)) from.put(index)
    expect(sorted(drained(from))).toEqual(allOf(600))
  })

  test('with statistics counts the elements that its cache had, and those that it lacked', () => {
    const region = memory.allocateSync('counted', { size: '64KiB', pages: 'base' })
    const from = createBufferPool(region, { elementSize: 64, count: 104, cache: 16, statistics: true })
    const values = new Uint32Array(8)
    for (let round = 0; round < 5; round++) {
      from.getBulk(values)
      from.putBulk(values)
      from.put(from.get())
      from.take(4)
      from.give(4)
    }
    expect(from.stats()).toMatchObject({ hits: 5 * 13 - 8, missed: 8, refills: 1, flushes: 0, failures: 0 })
    expect(pool({ count: 100 }).stats()).not.toHaveProperty('hits')
  })

  test('refuses a wrong index into the array of its last call, and keeps its elements', () => {
    const from = pool({ count: 100 })
    const values = new Uint32Array(32)
    from.getBulk(values, 4)
    from.putBulk(values, 4)
    const wrong: [number, number][] = [
      [4, 0.5],
      [4, 30],
      [4, -2],
      [-4, 8],
      [4.5, 0],
      [34, 0],
      [2 ** 31, 0],
      [2 ** 32 + 4, 0],
    ]
    for (const [count, at] of wrong) {
      for (const call of ['getBulk', 'putBulk'] as const) {
        expect(() => from[call](values, count, at), `${call} ${count} ${at}`).toThrow(/expected a whole number/)
      }
    }
    const bytes = structuredClone(values.buffer, { transfer: [values.buffer] })
    expect(bytes.byteLength).toBe(128)
    expect(() => from.getBulk(values, 4)).toThrow(/expected a whole number/)
    expect(() => from.putBulk(values, 4)).toThrow(/expected a whole number/)
    // This array was detached before the pool saw it.
    const unknown = new Uint32Array(8)
    structuredClone(unknown.buffer, { transfer: [unknown.buffer] })
    expect(from.getBulk(unknown)).toBe(0)
    expect(() => from.getBulk(unknown, 4)).toThrow(/expected a whole number/)
    expect(() => from.putBulk(unknown, 4)).toThrow(/expected a whole number/)
    expect(from.available).toBe(100)
  })

  test('lends a span of its own numbers, and takes elements back from a span', () => {
    const from = pool({ count: 1000, cache: 64 })
    const mine: number[] = []
    for (let place = from.take(24); place >= 0; place = from.take(24)) {
      mine.push(...from.spans.subarray(place, place + 24))
    }
    expect([mine.length, new Set(mine).size, from.available]).toEqual([984, 984, 16])
    while (mine.length > 0) {
      const place = from.room(24)
      from.spans.set(mine.splice(0, 24), place)
      from.give(24)
    }
    expect(from.available).toBe(1000)
    const place = from.take(10)
    const first = from.spans[place]
    from.give(10)
    expect([from.take(10), from.spans[place], from.available]).toEqual([place, first, 990])
  })

  test.for([
    { elementSize: 64, count: 100 },
    { elementSize: 1, count: 100 },
    { elementSize: 1500, count: 50 },
    { elementSize: 2048, count: 50 },
    { elementSize: 9000, count: 10 },
    { elementSize: 100, count: 100, align: 4 },
    { elementSize: 3000, count: 30, crossPages: true },
    { elementSize: 200, count: 30, align: 1024 },
  ])(
    'lays out %o: aligned, without overlap, and within pages if they fit',
    ({ elementSize, count, align = 64, crossPages }) => {
      const from = pool({ elementSize, count, align, ...(crossPages === undefined ? {} : { crossPages }) })
      const region = memory.get('pool')
      const places = allOf(count).map((index) => from.offset(index))
      for (const [index, place] of places.entries()) {
        expect(place % align).toBe(0)
        expect(place).toBeGreaterThanOrEqual(index === 0 ? 0 : (places[index - 1] ?? 0) + elementSize)
        const isWhole = Math.floor(place / basePageSize) === Math.floor((place + elementSize - 1) / basePageSize)
        if (elementSize <= basePageSize && crossPages !== true) expect(isWhole).toBe(true)
        expect([from.indexAt(place), from.indexAt(place + elementSize - 1)]).toEqual([index, index])
        expect(from.view(index).byteLength).toBe(elementSize)
        from.view(index).fill(index + 1)
      }
      expect((places.at(-1) ?? 0) + elementSize).toBeLessThanOrEqual(region?.size ?? 0)
      for (const index of allOf(count)) expect(new Set(from.view(index))).toEqual(new Set([(index + 1) & 0xff]))
      expect(from.view(0)).toBe(from.view(0))
      // The bytes of elements contain nothing that the pool needs.
      expect(sorted(drained(from))).toEqual(allOf(count))
    },
  )

  test('contains as many elements as fit if no count is given', () => {
    const region = memory.allocateSync('pool', { size: MiB, pages: 'base' })
    using from = createBufferPool(region, { elementSize: 2048 })
    expect(from.offset(from.capacity - 1) + 2048).toBeLessThanOrEqual(region.size)
    expect(from.capacity).toBeGreaterThan(300)
    expect(() => bufferPoolBytes({ elementSize: 2048, count: from.capacity + 1 })).not.toThrow()
    from.close()
    expect(() => createBufferPool(region, { elementSize: 2048, count: from.capacity + 1 })).toThrowCode(
      'ERR_OUT_OF_RANGE',
    )
  })

  test('gives the physical address of an element, and its entry for a work request', (context) => {
    const region = memory.allocateSync('dma', { size: MiB, pages: 'base' })
    using from = createBufferPool(region.slice(4096, MiB - 4096), { elementSize: 2048, count: 100 })
    const device = openDevice({ loopback: true })
    try {
      const domain = device.createDomain()
      using registration = memory.registerSync(region.slice(4096, MiB - 4096), domain, ['localWrite'])
      const entry = from.sge(7, registration, 60)
      expect([entry.offset, entry.length]).toEqual([from.offset(7), 60])
      expect(() => from.sge(7, registration, 2049)).toThrowCode('ERR_OUT_OF_RANGE')
    } finally {
      device.close({ force: true })
    }
    needs(context, whyNotPhysical)
    const translation = region.translate()
    expect(from.physicalAt(7, translation)).toBe(translation.physicalAt(4096 + from.offset(7)))
  })

  test('is one object in a thread, and returns the elements of its cache when it is closed', () => {
    const from = pool({ count: 1000 })
    const region = memory.get('pool')
    if (region === undefined) throw new Error('there is no region')
    expect(attachBufferPool(region)).toBe(from)
    expect(() => createBufferPool(region, { elementSize: 64 })).toThrowCode('ERR_POOL_OPEN')
    const index = from.get()
    from.close()
    from.close()
    expect(() => from.get()).toThrowCode('ERR_POOL_CLOSED')
    using again = attachBufferPool(region)
    expect([again === from, again.available]).toEqual([false, 999])
    again.put(index)
    expect(sorted(drained(again))).toEqual(allOf(1000))
  })

  test('whose bookkeeping was overwritten ends every call', () => {
    const from = pool({ count: 600, cache: 64 })
    const region = memory.get('pool')
    if (region === undefined) throw new Error('there is no region')
    const { buffer, byteOffset } = region.view(0, from.offset(0))
    const words = new Int32Array(buffer, byteOffset, from.offset(0) / 4)
    const elements = region.view(from.offset(0), 64).fill(9)
    for (const garbage of [0x7fffffff, -1, 0, 0x7f7f7f7f, 5]) {
      // All words of the depot except its owner.
      words.fill(garbage, depotWord.owner, depotWord.targetCount + 1)
      words[depotWord.owner] = 0
      for (let call = 0; call < 200; call++) {
        try {
          from.put(Math.abs(from.get()) % 600)
          from.getBulk(new Uint32Array(40))
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_POOL_LAYOUT' })
        }
      }
    }
    expect(new Set(elements)).toEqual(new Set([9]))
  })

  test('refuses wrong elements, holds its region, and refuses calls when it is closed', () => {
    const from = pool({ count: 10 })
    for (const wrong of [-1, 10, 0.5, Number.NaN, 2 ** 32, '1', null, undefined, {}]) {
      for (const use of [from.put, from.offset, from.view]) {
        expect(() => Reflect.apply(use, from, [wrong])).toThrowCode('ERR_POOL_INDEX')
      }
    }
    for (const wrong of [-1, 257, 0.5, Number.NaN, '1', null]) {
      for (const use of [from.take, from.room, from.give]) {
        expect(() => Reflect.apply(use, from, [wrong])).toThrowCode('ERR_OUT_OF_RANGE')
      }
    }
    expect(() => from.getBulk(new Uint32Array(4), 5)).toThrowCode('ERR_OUT_OF_RANGE')
    expect(from.available).toBe(10)
    expect(() => memory.get('pool')?.close()).toThrowCode('ERR_REGION_HELD')
    memory.close()
    for (const use of [() => from.get(), () => from.put(1), () => from.take(1), () => from.flush()]) {
      expect(use).toThrowCode('ERR_POOL_CLOSED')
    }
    expect(() => from.view(1)).toThrowCode('ERR_REGION_CLOSED')
    from.close()
  })

  test.for([
    ['off', 'pool'],
    ['off', 'registry'],
    ['all', 'pool'],
    ['all', 'registry'],
  ] as const)('with tracking %s refuses calls when the %s is closed, also for 0 elements', ([tracking, closed]) => {
    const from = pool({ count: 10, tracking })
    const values = new Uint32Array(4)
    // The fast paths begin with the arrays of the last calls.
    from.getBulk(values, 2, 2)
    from.putBulk(values, 2, 2)
    if (closed === 'pool') from.close()
    else memory.close()
    const code = 'ERR_POOL_CLOSED'
    const uses = [
      ...[0, 2].flatMap((at) => [() => from.getBulk(values, 0, at), () => from.putBulk(values, 0, at)]),
      () => from.getBulk(new Uint32Array(0)),
      () => from.putBulk(new Uint32Array(0)),
      () => from.take(0),
      () => from.room(0),
      () => from.give(0),
    ]
    for (const use of uses) expect(use).toThrowCode(code)
    from.close()
  })
})

describe('a caller that waits for an element', () => {
  test('gets it at once if one is free, and otherwise in the order of the waiters', async () => {
    const from = pool({ count: 2 })
    const [one, other] = [await from.wait(), await from.wait()]
    const order: string[] = []
    const waits = ['first', 'second', 'third'].map(async (who) => {
      const index = await from.wait()
      order.push(who)
      return index
    })
    from.put(one)
    await waits[0]
    from.put(other)
    const second = await waits[1]
    from.put(second ?? -1)
    expect([await waits[0], second, await waits[2]]).toEqual([one, other, other])
    expect(order).toEqual(['first', 'second', 'third'])
    from.put(one)
    from.put(other)
    expect(from.available).toBe(2)
  })

  test('may give up, and the waiters behind it get their elements', async () => {
    const from = pool({ count: 1 })
    const index = from.get()
    const stop = new AbortController()
    const left = from.wait({ signal: stop.signal })
    const stays = from.wait()
    stop.abort(new Error('enough'))
    await expect(left).rejects.toThrow('enough')
    from.put(index)
    expect(await stays).toBe(index)
    await expect(from.wait({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
    const closing = from.wait()
    from.close()
    await expect(closing).rejects.toThrowCode('ERR_POOL_CLOSED')
  })
})
