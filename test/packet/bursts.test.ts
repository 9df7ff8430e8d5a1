import { afterEach, describe, expect, test } from 'vitest'
import { createPackets, openRegistrySync, type Packets } from '../../src/index.js'
import { mappedRegions } from '../support/mapped-regions.js'
import { randomNumbers } from '../support/random.mjs'
import { kept } from '../support/registries.js'
import { needs, whyNotTransfer } from '../support/requirements.js'

// Bursts of packets in arrays that WebAssembly uses, and in others. test/packet runs with and without WebAssembly.

const count = 200
const made: Packets[] = []

function makePackets(options = {}): Packets {
  const memory = kept(openRegistrySync({ leaks: 'off' }))
  const region = memory.allocateSync('packets', { size: '256KiB', pages: 'base' })
  const packets = createPackets(region, { bufferSize: 256, count, cache: 64, ...options })
  made.push(packets)
  return packets
}

afterEach(() => {
  for (const packets of made.splice(0)) packets.close()
})

const arrays = {
  'of burst': (packets: Packets) => packets.burst(64),
  'of the caller': () => new Uint32Array(64),
  'of the pool': (packets: Packets) => packets.pool.burst(64),
  'on the packets themselves': (packets: Packets) => {
    const { buffer, byteOffset } = packets.bytes(packets.allocate())
    return new Uint32Array(buffer, byteOffset, 32)
  },
}

describe.for(Object.keys(arrays) as (keyof typeof arrays)[])('a burst in an array %s', (kind) => {
  test('writes the record of a new packet, whatever the record was', () => {
    const packets = makePackets()
    const burst = arrays[kind](packets)
    const before = packets.available
    for (let round = 0; round < 4; round++) {
      expect(packets.allocateBulk(burst, 29, round % 3)).toBe(29)
      for (const index of burst.slice(round % 3, 29 + (round % 3))) {
        expect([packets.length(index), packets.segments(index), packets.references(index)]).toEqual([0, 1, 1])
        expect([packets.headroomOf(index), packets.next(index)]).toEqual([128, -1])
        packets.append(index, 100)
        packets.adj(index, 10)
      }
      packets.freeBulk(burst, 29, round % 3)
      expect(packets.available).toBe(before)
    }
  })

  // Whichever place it has in the burst, and among the four that WebAssembly looks at together.
  test.for([0, 1, 2, 3, 7, 12, 13, 18])('frees nothing if packet %i of it cannot be freed', (place) => {
    const packets = makePackets()
    const burst = arrays[kind](packets)
    packets.freeBulk(burst, packets.allocateBulk(burst, 19)) // the array is known from here on
    expect(packets.allocateBulk(burst, 19)).toBe(19)
    const { available } = packets
    const own = burst[place] ?? 0
    const free = packets.allocate()
    packets.free(free)
    const wrong: readonly [number, string][] = [
      [free, 'ERR_PACKET_FREE'],
      [burst[(place + 1) % 19] ?? 0, 'ERR_PACKET_FREE'], // there twice
      [count, 'ERR_POOL_INDEX'],
      [0xffffffff, 'ERR_POOL_INDEX'],
    ]
    for (const [index, code] of wrong) {
      burst[place] = index
      expect(() => packets.freeBulk(burst, 19)).toThrowCode(code)
      burst[place] = own
      expect(packets.available).toBe(available)
      for (const one of burst.slice(0, 19)) expect(packets.references(one)).toBe(1)
    }
    packets.freeBulk(burst, 19)
    expect(packets.available).toBe(available + 19)
  })

  test('frees packets that are chains, clones and held twice, too', () => {
    const packets = makePackets()
    const burst = arrays[kind](packets)
    packets.freeBulk(burst, packets.allocateBulk(burst, 16))
    const { available } = packets
    expect(packets.allocateBulk(burst, 16)).toBe(16)
    const [held, head, origin] = [burst[3] ?? 0, burst[6] ?? 0, burst[9] ?? 0]
    packets.retain(held)
    packets.chain(head, packets.allocate())
    burst[10] = packets.clone(origin)
    packets.freeBulk(burst, 16)
    expect([packets.references(held), packets.available]).toEqual([1, available - 2])
    packets.free(held)
  })
})

describe('a burst that is larger than a magazine of the pool', () => {
  const large = 150 // a magazine holds 32

  test.for([0, 31, 32, 100, large - 1])('frees nothing if packet %i of it cannot be freed', (place) => {
    const packets = makePackets()
    const burst = new Uint32Array(large)
    const free = packets.allocate()
    expect(packets.allocateBulk(burst)).toBe(large)
    packets.free(free)
    const { available } = packets
    const own = burst[place] ?? 0
    const wrong: readonly [number, string][] = [
      [free, 'ERR_PACKET_FREE'],
      [burst[(place + 1) % large] ?? 0, 'ERR_PACKET_FREE'], // there twice
      [count, 'ERR_POOL_INDEX'],
    ]
    for (const [index, code] of wrong) {
      burst[place] = index
      expect(() => packets.freeBulk(burst)).toThrowCode(code)
      burst[place] = own
      expect(packets.available).toBe(available)
      for (const one of burst) expect(packets.references(one)).toBe(1)
    }
    packets.freeBulk(burst)
    expect(packets.available).toBe(count)
  })

  test('frees packets that are chains, clones and held twice, too', () => {
    const packets = makePackets()
    const burst = new Uint32Array(large)
    expect(packets.allocateBulk(burst)).toBe(large)
    const [held, head, origin] = [burst[3] ?? 0, burst[60] ?? 0, burst[90] ?? 0]
    packets.retain(held)
    packets.chain(head, packets.allocate())
    packets.free(burst[91] ?? 0)
    burst[91] = packets.clone(origin)
    packets.freeBulk(burst)
    expect([packets.references(held), packets.available]).toEqual([1, count - 1])
    packets.free(held)
    expect(new Set(allOf(packets)).size).toBe(count)
  })
})

/** Takes every packet. */
function allOf(packets: Packets): number[] {
  return Array.from({ length: packets.available }, () => packets.allocate())
}

test('random bursts in all kinds of arrays leave each packet with one owner', () => {
  const packets = makePackets({ cache: 16 })
  const all = Object.values(arrays).map((make) => make(packets))
  const random = randomNumbers(7)
  const held: number[] = []
  const { available } = packets
  for (let round = 0; round < 20_000; round++) {
    const array = all[random(all.length)] ?? new Uint32Array(32)
    const wanted = random(24)
    const at = random(8)
    if (random(2) === 0) {
      const got = packets.allocateBulk(array, wanted, at)
      held.push(...array.slice(at, at + got))
    } else if (held.length >= wanted) {
      array.set(held.splice(0, wanted), at)
      packets.freeBulk(array, wanted, at)
    }
    if (round % 100 === 0)
      expect([new Set(held).size, packets.available]).toEqual([held.length, available - held.length])
  }
})

test('an array of burst has a length of 0 once the packets are closed, and no other packets use its memory', () => {
  const packets = makePackets()
  const burst = packets.burst(32)
  expect(packets.allocateBulk(burst)).toBe(32)
  packets.freeBulk(burst)
  packets.close()
  // Without WebAssembly it is an array as any other.
  expect(burst.length).toBe(process.env.PINFOLD_WEBASSEMBLY === 'off' ? 32 : 0)
  const others = makePackets()
  expect(() => others.allocateBulk(burst, 1, burst.length)).toThrowCode('ERR_OUT_OF_RANGE')
  expect(() => packets.allocateBulk(burst, 0)).toThrowCode('ERR_POOL_CLOSED')
  expect(() => packets.freeBulk(burst, 0)).toThrowCode('ERR_POOL_CLOSED')
  expect(() => packets.burst(1)).toThrowCode('ERR_POOL_CLOSED')
})

test('closed packets refuse arrays of the caller, too, and make no memory to copy them', () => {
  const packets = makePackets()
  packets.close()
  const before = mappedRegions()
  expect(() => packets.allocateBulk(new Uint32Array(8))).toThrowCode('ERR_POOL_CLOSED')
  expect(() => packets.freeBulk(new Uint32Array(8))).toThrowCode('ERR_POOL_CLOSED')
  expect(mappedRegions()).toEqual(before)
})

test('bursts go on after a program has transferred the region away', (context) => {
  needs(context, whyNotTransfer)
  const packets = makePackets()
  const burst = packets.burst(32)
  packets.freeBulk(burst, packets.allocateBulk(burst))
  const { buffer } = packets.bytes(packets.allocate())
  Reflect.apply(Reflect.get(ArrayBuffer.prototype, 'transfer'), buffer, [])
  expect(buffer.byteLength).toBe(0)
  for (let round = 0; round < 3; round++) {
    expect(packets.allocateBulk(burst)).toBe(32)
    expect(packets.references(burst[0] ?? 0)).toBe(1)
    packets.freeBulk(burst)
  }
  expect(packets.available).toBe(count - 1)
})
