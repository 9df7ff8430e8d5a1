import { describe, expect, test } from 'vitest'
import {
  attachRing,
  createRing,
  openRegistrySync,
  type Region,
  type RegionOptions,
  ringBytes,
} from '../../src/index.js'
import { type RegionMemory, rangeOf } from '../../src/memory/region-memory.js'
import { addressOf, Shadow } from '../../src/shadow/shadow.js'
import { wasmInstance } from '../../src/shadow/webassembly.js'
import { MiB } from '../../src/sizes.js'
import { poolPages } from '../support/hugepage-pools.js'
import { base, kept } from '../support/registries.js'
import { opened, sharedRegion } from '../support/shared-memory.js'

function memory(options: RegionOptions = base): Region {
  return kept(openRegistrySync()).allocateSync('shadowed', options)
}

function shadowOf(range: RegionMemory, length = range.bytes.length): Shadow | undefined {
  return Shadow.of(rangeOf(range), length)
}

/** A ring that WebAssembly alone works on, with its number of values. */
function ringIn(region: Region) {
  const ring = createRing(region.slice(4096), { count: 16 })
  const burst = ring.burst(16)
  burst.set([7, 8, 9])
  return { ring, burst }
}

describe('pages of a region that are mapped a second time', () => {
  test.each<[string, RegionOptions]>([
    ['base', base],
    ['locked', { ...base, lock: true }],
    ['transparent', { size: '4MiB', pages: 'transparent' }],
    ['hugetlb', { size: '4MiB', pages: '2MiB' }],
  ])('contain what the region contains: %s', (_, options) => {
    const region = memory(options)
    const { ring, burst } = ringIn(region)
    using _open = ring
    const { buffer, byteOffset } = region.view(4096, 64)
    expect(addressOf(buffer, byteOffset, 64)).toBeGreaterThan(0)
    expect(ring.enqueueBulk(burst, 3)).toBe(3)
    expect([...ring.slots.subarray(0, 3)]).toEqual([7, 8, 9])
    ring.slots[1] = 80
    expect([ring.dequeueBurst(burst), ...burst.subarray(0, 3)]).toEqual([3, 7, 80, 9])
  })

  test('of memory that another program has made, too', () => {
    const { region, path } = sharedRegion(MiB)
    const adopted = memory({ size: MiB, pages: 'base', backing: { descriptor: opened(path), mayShrink: true } })
    const ring = createRing(adopted.slice(4096), { count: 16 })
    ring.enqueueBulk(ring.burst(16).fill(7), 3)
    const theirs = attachRing(region.slice(4096))
    const burst = theirs.burst(16)
    expect([theirs.dequeueBulk(burst, 3), ...burst.subarray(0, 4)]).toEqual([3, 7, 7, 7, 0])
    expect(addressOf(adopted.bytes.buffer, adopted.bytes.byteOffset + 4096, ringBytes(16))).toBeGreaterThan(0)
  })

  test('are none for anonymous memory, and a ring there works all the same', () => {
    const region = memory({ ...base, backing: 'anonymous' })
    expect(shadowOf(region)).toBeUndefined()
    const { ring, burst } = ringIn(region)
    using _open = ring
    expect([ring.enqueueBulk(burst, 3), ring.dequeueBulk(burst, 2), ring.count]).toEqual([3, 2, 1])
  })

  test('serve all ranges that lie on them', () => {
    const region = memory()
    const first = shadowOf(region, 8192)
    const second = shadowOf(region.slice(4096, 64))
    expect((second?.address ?? 0) - (first?.address ?? 0)).toBe(4096)
    first?.close()
    const { buffer, byteOffset } = region.view(4096, 64)
    expect(addressOf(buffer, byteOffset, 64)).toBe(second?.address)
    second?.close()
    expect(addressOf(buffer, byteOffset, 64)).toBe(0)
  })

  test('are given back when the region is closed', () => {
    const before = poolPages()
    for (let round = 0; round < 20; round++) {
      using registry = openRegistrySync()
      const region = registry.allocateSync('huge', { size: '4MiB', pages: '2MiB' })
      const { ring, burst } = ringIn(region)
      ring.enqueueBulk(burst, 3)
    }
    expect(poolPages()).toBe(before)
  })

  test('are mapped at the same place again after they were closed, for hundreds of regions', () => {
    const first = shadowOf(memory())
    const { address } = first ?? { address: 0 }
    first?.close()
    for (let round = 0; round < 300; round++) {
      using registry = openRegistrySync()
      const shadow = shadowOf(registry.allocateSync('region', base))
      expect(shadow?.address).toBe(address)
      shadow?.close()
    }
  })

  test('read as zeros once they are retired, until others are mapped there', () => {
    const region = memory()
    const ring = createRing(region, { count: 16, producers: 'one', consumers: 'one' })
    const burst = ring.burst(16)
    ring.enqueue(1)
    const place = addressOf(region.bytes.buffer, region.bytes.byteOffset, ringBytes(16))
    ring.close()
    // A side that nobody owns is not this thread's.
    expect(wasmInstance()?.calls.dequeue(place, 15, 1, place, 1, 0)).toBe(-1)
    expect(burst.length).toBe(0)
  })
})

describe('an access outside of the memory', () => {
  test('is a RuntimeError, and the ring goes on', () => {
    const region = memory()
    const { ring, burst } = ringIn(region)
    using _open = ring
    const calls = wasmInstance()?.calls
    const place = addressOf(region.bytes.buffer, region.bytes.byteOffset + 4096, ringBytes(16))
    burst.set([7, 8, 9, 10])
    ring.enqueueBulk(burst, 4)
    const ticket: number = Reflect.get(ring, 'ticket')
    for (let round = 0; round < 100; round++) {
      expect(() => calls?.dequeue(place, 15, ticket, 2 ** 32 - 8, 4, 1)).toThrow(
        expect.objectContaining({ name: 'RuntimeError' }),
      )
      // The call was cut off while it owned the side.
      expect([ring.dequeueBulk(burst, 4), ...burst.subarray(0, 4)]).toEqual([4, 7, 8, 9, 10])
      ring.enqueueBulk(burst, 4)
    }
  })
})

describe('an array for bursts', () => {
  test('has a length of 0 once its ring is closed', () => {
    const { ring, burst } = ringIn(memory())
    ring.close()
    expect(burst.length).toBe(0)
    expect(() => ring.burst(1)).toThrowCode('ERR_RING_CLOSED')
  })

  test('may be longer than the memory that is made at a time', () => {
    const region = memory()
    using ring = createRing(region, { count: 4096 })
    const arrays = [ring.burst(4096), ring.burst(1), ring.burst(4096)]
    for (const [index, array] of arrays.entries()) array.fill(index)
    expect(arrays.map((array) => array.every((value) => value === arrays.indexOf(array)))).toEqual([true, true, true])
    expect([
      ring.enqueueBulk(arrays[2] ?? arrays[0] ?? new Uint32Array()),
      ring.dequeueBurst(ring.burst(4096)),
    ]).toEqual([4096, 4096])
  })

  test('works with the other rings of the thread, until its own is closed', () => {
    const one = ringIn(memory())
    const two = ringIn(memory())
    using _two = two.ring
    expect(two.ring.enqueueBulk(one.burst, 3)).toBe(3)
    one.ring.close()
    expect(() => two.ring.enqueueBulk(one.burst, 3)).toThrowCode('ERR_OUT_OF_RANGE')
    expect([two.ring.dequeueBurst(two.burst), ...two.burst.subarray(0, 3)]).toEqual([3, 7, 8, 9])
  })

  test('that a program has given a length of its own is copied within its bounds', () => {
    const { ring, burst } = ringIn(memory())
    using _open = ring
    const wrong = burst.subarray(0, 2)
    const next = burst.subarray(2)
    next.fill(5)
    Object.defineProperty(wrong, 'length', { value: 16 })
    ring.enqueueBulk(Uint32Array.from({ length: 16 }, () => 1))
    ring.dequeueBurst(wrong, 16)
    expect([...next]).toEqual(next.length === 14 ? Array.from({ length: 14 }, () => 5) : [])
  })

  test.each([0, -1, 1.5, 2 ** 24 + 1, '8', undefined, null])('of %s numbers is refused', (count) => {
    const { ring } = ringIn(memory())
    using _open = ring
    expect(() => ring.burst(count as number)).toThrowCode('ERR_OUT_OF_RANGE')
  })
})
