import { beforeEach, describe, expect, test } from 'vitest'
import {
  attachPackets,
  createPackets,
  type MemoryRegistry,
  openDevice,
  openRegistrySync,
  type Packets,
  type PacketsOptions,
  packetsBytes,
} from '../../src/index.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { kept } from '../support/registries.js'

// Packets that one thread uses.

let memory: MemoryRegistry

beforeEach(() => {
  memory = kept(openRegistrySync({ leaks: 'off' }))
})

function made({ count = 64, ...options }: PacketsOptions = {}): Packets {
  const wanted = { bufferSize: 256, headroom: 32, ...options, count }
  return createPackets(memory.allocateSync('packets', { size: packetsBytes(wanted), pages: 'base' }), wanted)
}

function region() {
  const found = memory.get('packets')
  if (found === undefined) throw new Error('there is no region')
  return found
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
const letters = (word: string) => Buffer.from(word, 'latin1')

describe('packets', () => {
  test('are each allocated once, and are all free again after they were freed', () => {
    const packets = made()
    const all = Array.from({ length: 64 }, () => packets.allocate())
    expect(new Set(all).size).toBe(64)
    expect([packets.allocate(), packets.available]).toEqual([-1, 0])
    for (const index of all) packets.free(index)
    expect(packets.available).toBe(64)
  })

  test('can be made again where their buffer pool was closed', () => {
    const packets = made()
    packets.pool.close()
    expect(packets.closed).toBe(true)
    using again = createPackets(region(), { bufferSize: 256, count: 8 })
    expect([again === packets, again.available]).toEqual([false, 8])
  })

  test('start empty, behind their headroom, also if they were used before', () => {
    const packets = made({ count: 1 })
    for (let round = 0; round < 3; round++) {
      const index = packets.allocate()
      expect([
        packets.length(index),
        packets.dataLength(index),
        packets.segments(index),
        packets.headroomOf(index),
        packets.tailroomOf(index),
        packets.references(index),
        packets.next(index),
        packets.bytes(index).length,
      ]).toEqual([0, 0, 1, 32, 224, 1, -1, 0])
      packets.append(index, 100)
      packets.adj(index, 40)
      packets.free(index)
    }
  })

  test.for([
    [1, 'the caller'],
    [7, 'the caller'],
    [31, 'the caller'],
    [32, 'the caller'],
    [64, 'the caller'],
    [1, 'burst'],
    [7, 'burst'],
    [31, 'burst'],
    [32, 'burst'],
    [64, 'burst'],
  ] as const)('are allocated and freed %i at once, or not at all, in an array of %s', ([burst, whose]) => {
    const packets = made()
    const values = whose === 'burst' ? packets.burst(64) : new Uint32Array(64)
    for (let round = 0; round < 3; round++) {
      expect(packets.allocateBulk(values, burst)).toBe(burst)
      for (const index of values.subarray(0, burst)) expect(packets.tailroomOf(index)).toBe(224)
      expect(packets.allocateBulk(new Uint32Array(65 - burst))).toBe(0)
      packets.freeBulk(values, burst)
      expect(packets.available).toBe(64)
    }
  })

  test('are allocated in bursts larger than a cache, also after a single one', () => {
    const packets = made({ count: 200, cache: 16 })
    const odd = packets.allocate()
    const values = new Uint32Array(199)
    for (let round = 0; round < 3; round++) {
      expect(packets.allocateBulk(values)).toBe(199)
      expect([new Set([...values, odd]).size, packets.allocateBulk(values, 1)]).toEqual([200, 0])
      packets.freeBulk(values)
      expect(() => packets.freeBulk(values)).toThrowCode('ERR_PACKET_FREE')
    }
    expect(packets.available).toBe(199)
  })

  test('are freed in bulk, also if some are chains and clones', () => {
    const packets = made()
    const [one, other, third] = [packets.allocate(), packets.allocate(), packets.allocate()]
    packets.chain(one, other)
    packets.freeBulk(Uint32Array.of(third, packets.clone(one), one))
    expect(packets.available).toBe(64)
  })

  test('grow and shrink at both ends', () => {
    const packets = made()
    const packet = packets.packet()
    packet.append(letters('world')).prepend(letters('hello, ')).append(letters('!'))
    expect([text(packet.bytes), packet.length, packet.headroom]).toEqual(['hello, world!', 13, 25])
    packet.adj(7).trim(1)
    expect([text(packet.toBytes()), packet.headroom, packet.tailroom]).toEqual(['world', 32, 219])
    expect(packets.offset(packet.index)).toBe(packets.bytes(packet.index).byteOffset - region().bytes.byteOffset)
  })

  test('in a slice count their offsets from the start of the slice', () => {
    const wanted = { bufferSize: 256, headroom: 32, count: 8 }
    const size = packetsBytes(wanted)
    const large = memory.allocateSync('large', { size: size + 2 * basePageSize, pages: 'base' })
    const slice = large.slice(basePageSize, size)
    const inside = createPackets(slice, wanted)
    const placeOf = (index: number) => inside.bytes(index).byteOffset - slice.bytes.byteOffset
    const index = inside.allocate()
    const start = placeOf(index)
    const offsets = [inside.offset(index), inside.append(index, 40), inside.prepend(index, 8), inside.adj(index, 12)]
    expect(offsets).toEqual([start, start, start - 8, start + 4])
    expect([inside.offset(index), placeOf(index)]).toEqual([start + 4, start + 4])
    // With a second holder, `append` takes another code path.
    inside.retain(index)
    expect(inside.append(index, 8)).toBe(start + 40)
    inside.free(index)
    const tail = inside.allocate()
    inside.chain(index, tail)
    expect(inside.append(index, 4)).toBe(placeOf(tail))
    const parts = [
      { index, offset: start + 4, length: 44 },
      { index: tail, offset: placeOf(tail), length: 4 },
    ]
    expect(inside.parts(index)).toEqual(parts)
    expect(inside.compare(index, inside.copy(index))).toBe(0)
    // `slice` of a registration counts from its own start, which is 64 bytes behind the start of the region here.
    const registration = { offset: 64, slice: (offset: number, length: number) => ({ offset: 64 + offset, length }) }
    const inRegion = parts.map(({ offset, length }) => ({ offset: basePageSize + offset, length }))
    expect(inside.scatter(index, registration)).toEqual(inRegion)
    // External memory may lie before the slice.
    const external = inside.allocate()
    inside.attachExternal(external, large.slice(16, 64), () => {})
    expect([inside.offset(external), placeOf(external)]).toEqual([16 - basePageSize, 16 - basePageSize])
  })

  test('are refused a change without room for it, and stay as they were', () => {
    const packets = made()
    const index = packets.allocate()
    packets.append(index, 10)
    expect(() => packets.append(index, 215)).toThrowCode('ERR_PACKET_TAILROOM')
    expect(() => packets.prepend(index, 33)).toThrowCode('ERR_PACKET_HEADROOM')
    expect(() => packets.adj(index, 11)).toThrowCode('ERR_OUT_OF_RANGE')
    expect(() => packets.trim(index, 11)).toThrowCode('ERR_OUT_OF_RANGE')
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 32, '1', null, undefined, {}]) {
      for (const use of [packets.append, packets.prepend, packets.adj, packets.trim]) {
        expect(() => Reflect.apply(use, packets, [index, wrong])).toThrowCode('ERR_OUT_OF_RANGE')
      }
    }
    expect([packets.length(index), packets.headroomOf(index)]).toEqual([10, 32])
  })

  test('are refused if they are free, or if their number is wrong', () => {
    const packets = made()
    const index = packets.allocate()
    packets.free(index)
    const uses = [packets.free, packets.length, packets.bytes, packets.clone, packets.append, packets.retain]
    for (const use of uses) {
      expect(() => Reflect.apply(use, packets, [index])).toThrowCode('ERR_PACKET_FREE')
      for (const wrong of [-1, 64, 0.5, Number.NaN, 2 ** 29, 2 ** 32, '1', null, undefined, {}]) {
        expect(() => Reflect.apply(use, packets, [wrong])).toThrowCode('ERR_POOL_INDEX')
      }
    }
    const one = packets.allocate()
    for (const values of [[one, one], [one, 64], [one, 2 ** 29 + one], [one === 0 ? 1 : 0]]) {
      for (let turn = 0; turn < 2; turn++) {
        expect(() => packets.freeBulk(Uint32Array.from(values))).toThrow(/packet|expected/)
        expect([packets.references(one), packets.available]).toEqual([1, 63])
      }
    }
    packets.free(one)
    expect(packets.available).toBe(64)
    expect(() => packets.free(one)).toThrowCode('ERR_PACKET_FREE')
  })

  test('are chained, cut in two, and brought into one piece', () => {
    const packets = made()
    const packet = packets.packet().append(letters('abc'))
    packet.chain(packets.packet().append(letters('defg'))).chain(packets.packet().append(letters('hi')))
    expect([text(packet.toBytes()), packet.length, packet.segments]).toEqual(['abcdefghi', 9, 3])
    expect(packet.parts.map(({ length }) => length)).toEqual([3, 4, 2])
    const rest = packet.split(5)
    expect([text(packet.toBytes()), text(rest?.toBytes() ?? letters(''))]).toEqual(['abcde', 'fghi'])
    packet.linearize()
    expect([text(packet.bytes), packet.segments]).toEqual(['abcde', 1])
    rest?.free()
    packet.free()
    expect(packets.available).toBe(64)
  })

  test('of very many segments grow at both ends, and are cut', () => {
    const many = 5000
    const packets = made({ count: many, headroom: 0 })
    let head = packets.allocate()
    for (let count = 1; count < many - 1; count++) {
      const one = packets.allocate()
      packets.append(one, count % 3)
      if (count % 2 === 0) {
        packets.chain(one, head)
        head = one
      } else {
        packets.chain(head, one)
        expect(packets.last(head)).toBe(one)
      }
    }
    expect(packets.segments(head)).toBe(many - 1)
    const length = packets.length(head)
    packets.append(head, 7)
    expect(packets.length(head)).toBe(length + 7)
    const rest = packets.split(head, 100)
    expect([packets.length(head), packets.length(rest)]).toEqual([100, length - 93])
    packets.chain(rest, head)
    expect(packets.length(rest)).toBe(length + 7)
    packets.free(rest)
    expect(packets.available).toBe(many)
  })

  test('have no loops, and a later segment is not a packet', () => {
    const packets = made()
    const [one, other] = [packets.allocate(), packets.allocate()]
    packets.chain(one, other)
    expect(() => packets.chain(one, one)).toThrowCode('ERR_PACKET_SHARED')
    for (const use of [packets.free, packets.length, packets.clone, packets.append, packets.linearize]) {
      expect(() => Reflect.apply(use, packets, [other, 0])).toThrowCode('ERR_PACKET_SEGMENT')
    }
    expect(() => packets.chain(packets.allocate(), other)).toThrowCode('ERR_PACKET_SEGMENT')
    expect([packets.next(one), packets.last(one), packets.next(other)]).toEqual([other, other, -1])
  })

  test('are not linearized if they do not fit, or if other packets share their bytes', () => {
    const packets = made()
    const [one, other] = [packets.allocate(), packets.allocate()]
    packets.append(one, 224)
    packets.append(other, 1)
    packets.chain(one, other)
    expect(() => packets.linearize(one)).toThrowCode('ERR_PACKET_TAILROOM')
    packets.split(one, 224)
    packets.trim(one, 100)
    packets.chain(one, other)
    const clone = packets.clone(one)
    for (const index of [one, clone]) expect(() => packets.linearize(index)).toThrowCode('ERR_PACKET_SHARED')
    packets.free(clone)
    packets.linearize(one)
    expect(packets.length(one)).toBe(125)
  })

  test('share their buffers with their clones until the last clone is freed', () => {
    const packets = made()
    const packet = packets.packet().append(letters('shared'))
    const clone = packet.clone()
    if (clone === undefined) throw new Error('there is no packet')
    expect([packets.isShared(packet.index), packet.references, packets.available]).toEqual([true, 1, 62])
    clone.adj(2)
    packet.bytes[2] = 'A'.charCodeAt(0)
    expect([text(packet.bytes), text(clone.bytes)]).toEqual(['shAred', 'Ared'])
    for (const one of [packet, clone]) expect([one.headroom, one.tailroom]).toEqual([0, 0])
    const second = packets.clone(clone.index)
    packet.free()
    expect(() => packet.free()).toThrowCode('ERR_PACKET_FREE')
    clone.free()
    expect([text(packets.bytes(second)), packets.available]).toEqual(['Ared', 62])
    expect([packets.isShared(second), packets.headroomOf(second)]).toEqual([false, 34])
    packets.free(second)
    expect(packets.available).toBe(64)
  })

  test('are freed once more than they were retained', () => {
    const packets = made()
    const [one, other] = [packets.allocate(), packets.allocate()]
    packets.chain(one, other)
    packets.retain(one)
    packets.free(one)
    expect([packets.references(one), packets.available]).toEqual([1, 62])
    packets.free(one)
    expect(packets.available).toBe(64)
    expect(() => packets.free(one)).toThrowCode('ERR_PACKET_FREE')
  })

  test('are copied and compared, however they are cut into segments', () => {
    const packets = made()
    const packet = packets
      .packet()
      .append(letters('abc'))
      .chain(packets.packet().append(letters('defg')))
    const copy = packet.copy()
    if (copy === undefined) throw new Error('there is no packet')
    expect([copy.segments, text(copy.bytes), packets.compare(packet.index, copy.index)]).toEqual([1, 'abcdefg', 0])
    copy.trim(1)
    expect([packets.compare(packet.index, copy.index), packets.compare(copy.index, packet.index)]).toEqual([1, -1])
    expect(text(packet.copy(2, 3)?.bytes ?? letters(''))).toBe('cde')
    packets.write(packet.index, 2, letters('XY'))
    expect([text(packet.toBytes()), text(copy.bytes)]).toEqual(['abXYefg', 'abcdef'])
    expect(() => packets.write(packet.index, 6, letters('XY'))).toThrowCode('ERR_OUT_OF_RANGE')
    const large = packets.packet()
    for (let more = 0; more < 5; more++) large.chain(packets.packet().append(new Uint8Array(200).fill(more)))
    const again = large.copy()
    expect([again?.segments, packets.compare(large.index, again?.index ?? 0)]).toEqual([5, 0])
  })

  test('are not lost if there are too few for a clone or a copy', () => {
    const packets = made({ count: 4 })
    const packet = packets
      .packet()
      .append(letters('abc'))
      .chain(packets.packet().append(letters('d')))
    const third = packets.packet()
    expect([packet.clone(), packet.split(2)?.length]).toEqual([undefined, 2])
    expect(() => packets.packet()).toThrowCode('ERR_PACKETS_EXHAUSTED')
    expect([third.clone(), third.copy(), packets.available]).toEqual([undefined, undefined, 0])
  })

  test('use external memory, and call its release once when no packet uses it any more', () => {
    const packets = made({ externals: 1 })
    const wanted = { bufferSize: 256, headroom: 32, count: 8 }
    const size = packetsBytes(wanted)
    const large = memory.allocateSync('large', { size: size + basePageSize, pages: 'base' })
    const [inside, outside] = [createPackets(large.slice(0, size), { ...wanted, externals: 1 }), large.slice(size, 500)]
    outside.bytes.set(letters('external'))
    let released = 0
    const release = () => {
      released += 1
    }
    const index = inside.allocate()
    inside.attachExternal(index, outside, release)
    expect([inside.length(index), inside.tailroomOf(index), inside.offset(index)]).toEqual([500, 0, size])
    inside.trim(index, 492)
    const clone = inside.clone(index)
    inside.adj(clone, 2)
    expect([text(inside.bytes(index)), text(inside.bytes(clone))]).toEqual(['external', 'ternal'])
    expect(() => inside.attachExternal(inside.allocate(), outside, release)).toThrowCode('ERR_PACKETS_EXHAUSTED')
    inside.free(index)
    expect(released).toBe(0)
    inside.detach(clone)
    expect([released, inside.length(clone), inside.tailroomOf(clone)]).toEqual([1, 0, 224])
    const own = packets.allocate()
    expect(() => packets.attachExternal(own, outside, release)).toThrowCode('ERR_INVALID_ARGUMENT')
    expect(() => Reflect.apply(packets.attachExternal, packets, [own, region().slice(0, 1)])).toThrowCode(
      'ERR_INVALID_ARGUMENT',
    )
  })

  test('keep fields and a private area of their own, which other attachments read', () => {
    const fields = {
      flags: 'uint8',
      port: 'uint16',
      hash: 'uint32',
      delta: 'int32',
      id: 'uint64',
      at: 'float64',
    } as const
    const packets = made({ fields, privateSize: 10 })
    const [one, other] = [packets.allocate(), packets.allocate()]
    const values = { flags: 255, port: 65_535, hash: 2 ** 32 - 1, delta: -5, at: 0.5 } as const
    for (const name of ['flags', 'port', 'hash', 'delta', 'at'] as const) {
      const field = packets.field(name, fields[name])
      field.set(one, values[name])
      expect([field.get(one), field.get(other)]).toEqual([values[name], 0])
    }
    packets.field('id', 'uint64').set(one, 2n ** 64n - 1n)
    packets.privateOf(one).fill(7)
    expect([packets.privateOf(other).length, Math.max(...packets.privateOf(other))]).toEqual([10, 0])
    expect(packets.field('flags', 'uint8').get(one)).toBe(255)
    packets.close()
    using again = attachPackets(region())
    expect(again.field('id', 'uint64').get(one)).toBe(2n ** 64n - 1n)
    expect(() => again.field('id', 'uint32')).toThrowCode('ERR_INVALID_ARGUMENT')
    expect(() => again.field('name', 'uint32')).toThrowCode('ERR_INVALID_ARGUMENT')
  })

  test('are entries of a work request', () => {
    const packets = made()
    const packet = packets
      .packet()
      .append(letters('abc'))
      .chain(packets.packet().append(letters('d')))
    const device = openDevice({ loopback: true })
    try {
      using registration = memory.registerSync(region(), device.createDomain(), ['localWrite'])
      const entries = packet.scatter(registration).map(({ offset, length }) => ({ offset, length }))
      expect(entries).toEqual(packet.parts.map(({ offset, length }) => ({ offset, length })))
    } finally {
      device.close({ force: true })
    }
  })

  test('are one object in a thread, hold their region, and refuse calls when they are closed', () => {
    const packets = made()
    expect(attachPackets(region())).toBe(packets)
    expect(() => createPackets(region())).toThrowCode('ERR_POOL_OPEN')
    const index = packets.allocate()
    packets.close()
    packets.close()
    for (const use of [packets.free, packets.length, packets.allocate]) {
      expect(() => Reflect.apply(use, packets, [index])).toThrowCode('ERR_POOL_CLOSED')
    }
    const again = attachPackets(region())
    expect([again.length(index), again.available]).toEqual([0, 63])
    expect(() => region().close()).toThrowCode('ERR_REGION_HELD')
    memory.close()
    for (const use of [again.free, again.length, again.allocate, again.bytes]) {
      expect(() => Reflect.apply(use, again, [index])).toThrowCode('ERR_POOL_CLOSED')
    }
    again.close()
  })

  test('are not attached in memory without packets', () => {
    const other = memory.allocateSync('other', { size: '64KiB', pages: 'base' })
    expect(() => attachPackets(other)).toThrowCode('ERR_PACKETS_LAYOUT')
    expect(() => createPackets(other, { count: 1000 })).toThrowCode('ERR_OUT_OF_RANGE')
    expect(() => createPackets(other, { headroom: 3000 })).toThrowCode('ERR_OUT_OF_RANGE')
  })

  test('begin their errors with the name of the function that was called', () => {
    const other = memory.allocateSync('other', { size: '64KiB', pages: 'base' })
    expect(() => attachPackets(other)).toThrow(/^attachPackets: /)
    expect(() => createPackets(other, { count: 1000 })).toThrow(/^createPackets: 1000 packets take /)
    expect(() => createPackets(other, { headroom: 3000 })).toThrow(/^createPackets: headroom: /)
    expect(() => createPackets(other, { externals: -1 })).toThrow(/^createPackets: externals: /)
    expect(() => packetsBytes({ count: 1, headroom: 3000 })).toThrow(/^packetsBytes: headroom: /)
  })
})
