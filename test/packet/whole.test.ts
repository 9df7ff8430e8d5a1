import { beforeEach, describe, expect, test } from 'vitest'
import {
  createPackets,
  type MemoryRegistry,
  openRegistrySync,
  type PacketsOptions,
  packetsBytes,
} from '../../src/index.js'
import { kept } from '../support/registries.js'
import { needs, whyNotTransfer } from '../support/requirements.js'

// Calls that are refused half-way, and callers that do something else in the middle of a call.

let memory: MemoryRegistry

beforeEach(() => {
  memory = kept(openRegistrySync({ leaks: 'off' }))
})

function made({ count = 16, name = 'packets', ...options }: PacketsOptions & { name?: string } = {}) {
  const wanted = { bufferSize: 64, headroom: 16, ...options, count }
  const size = packetsBytes(wanted)
  const region = memory.allocateSync(name, { size: size + 128 * 1024, pages: 'base' })
  return { region, packets: createPackets(region.slice(0, size), wanted), outside: region.slice(size, 128 * 1024) }
}

describe('a release callback', () => {
  test('may throw: the packets are freed, and all other callbacks are called', () => {
    const { packets, outside } = made()
    const [one, other] = [packets.allocate(), packets.allocate()]
    let released = 0
    packets.attachExternal(one, outside.slice(0, 8), () => {
      throw new Error('no')
    })
    packets.attachExternal(other, outside.slice(8, 8), () => {
      released += 1
    })
    packets.chain(one, other)
    expect(() => packets.free(one)).toThrow('no')
    expect([packets.available, released]).toEqual([16, 1])
    expect(() => packets.free(one)).toThrowCode('ERR_PACKET_FREE')
  })

  test('may use the packets, and finds them in a consistent state', () => {
    const { packets, outside } = made()
    const [one, other] = [packets.allocate(), packets.allocate()]
    const seen: unknown[] = []
    packets.attachExternal(one, outside.slice(0, 8), () => {
      seen.push(packets.available, packets.references(other))
      packets.free(other)
      seen.push(packets.available)
    })
    packets.free(one)
    expect(seen).toEqual([15, 1, 16])
  })

  test('may free the packet that is getting a buffer, or close the packets or their registry', () => {
    const uses = [
      { use: ({ packets }: ReturnType<typeof made>, index: number) => packets.free(index), code: 'ERR_PACKET_FREE' },
      { use: ({ packets }: ReturnType<typeof made>) => packets.close(), code: 'ERR_POOL_CLOSED' },
      { use: () => memory.close(), code: 'ERR_POOL_CLOSED' },
    ]
    for (const [place, { use, code }] of uses.entries()) {
      const all = made({ name: `use${place}`, externals: 2 })
      const { packets, outside, region } = all
      const [one, other] = [packets.allocate(), packets.allocate()]
      packets.attachExternal(one, outside.slice(0, 8), () => use(all, other))
      // This imitates another thread that frees the last packet with this buffer.
      new Int32Array(region.bytes.buffer, region.bytes.byteOffset + 33 * 64, 1)[0] = 0
      expect(() => packets.attachExternal(other, outside.slice(8, 8), () => {})).toThrowCode(code)
    }
  })

  test('that reuses the slot of another callback is not called in its place', () => {
    const { packets, outside, region } = made({ externals: 2 })
    const [one, other, third] = [packets.allocate(), packets.allocate(), packets.allocate()]
    const references = new Int32Array(region.bytes.buffer, region.bytes.byteOffset + 33 * 64, 16)
    let early = 0
    const again = () => {
      packets.runReleases() // calls the other callback, whose slot becomes free
      packets.attachExternal(third, outside.slice(16, 8), () => {
        early += 1
      })
    }
    packets.attachExternal(one, outside.slice(0, 8), again)
    packets.attachExternal(other, outside.slice(8, 8), () => {
      const fourth = packets.allocate()
      packets.attachExternal(fourth, outside.slice(24, 8), () => {
        early += 1
      })
    })
    references[0] = 0
    references[8] = 0
    packets.runReleases()
    expect([early, packets.length(third)]).toEqual([0, 8])
  })
})

describe('a call that cannot go on undoes its changes:', () => {
  test('a clone of a packet that is shared as often as possible', () => {
    const { packets } = made({ count: 33_000, bufferSize: 1, headroom: 0 })
    const [one, other] = [packets.allocate(), packets.allocate()]
    for (let times = 0; times < 32_766; times++) packets.clone(other)
    packets.chain(one, other)
    const before = packets.available
    for (const use of [() => packets.clone(one), () => packets.split(one, 0), () => packets.split(other, 0)]) {
      try {
        packets.free(use())
      } catch (error) {
        expect(error).toMatchObject({ name: 'PinfoldError' })
      }
    }
    expect([packets.available, packets.isShared(one)]).toEqual([before, false])
  })

  test('a copy with more segments than a packet can contain', () => {
    const { packets, outside } = made({ count: 66_000, bufferSize: 1, headroom: 0 })
    const index = packets.allocate()
    packets.attachExternal(index, outside.slice(0, 65_536), () => {})
    expect(() => packets.copy(index)).toThrowCode('ERR_OUT_OF_RANGE')
    packets.trim(index, 1)
    const copy = packets.copy(index)
    expect([packets.segments(copy), packets.available]).toEqual([65_535, 464])
    packets.free(copy)
    expect(packets.available).toBe(65_999)
  })
})

test('every call works after a program has transferred the ArrayBuffer of the region away', (context) => {
  needs(context, whyNotTransfer)
  const { region, packets } = made({ fields: { port: 'uint16' } })
  const port = packets.field('port', 'uint16')
  const burst = new Uint32Array(4)
  for (let turn = 0; turn < 2; turn++) packets.freeBulk(burst, packets.allocateBulk(burst, 4))
  const [one, other] = [packets.allocate(), packets.allocate()]
  const uses: readonly (readonly [() => unknown, unknown])[] = [
    [() => packets.free(one), undefined],
    [() => packets.allocate() >= 0, true],
    [() => packets.append(other, 5) === packets.offset(other), true],
    [() => packets.length(other), 5],
    [() => packets.allocateBulk(burst, 4), 4],
    [() => packets.freeBulk(burst, 4), undefined],
    [() => port.set(other, 7), undefined],
    [() => port.get(packets.clone(other)), 7],
    [() => packets.isShared(other), true],
    [() => packets.available, 13],
  ]
  for (const [use, expected] of uses) {
    const { buffer } = region.view(0, 1)
    Reflect.apply(Reflect.get(ArrayBuffer.prototype, 'transfer'), buffer, [])
    expect([buffer.byteLength, use()]).toEqual([0, expected])
  }
})

test('thousands of segments are copied and compared in a bounded time', { timeout: 4000 }, () => {
  const { packets, outside } = made({ count: 60_000, bufferSize: 1, headroom: 0 })
  const index = packets.allocate()
  packets.attachExternal(index, outside.slice(0, 25_000), () => {})
  outside.bytes[24_999] = 7
  const first = packets.copy(index)
  const second = packets.copy(first)
  expect([packets.compare(first, second), packets.compare(index, second), packets.piece(second).at(-1)]).toEqual([
    0, 0, 7,
  ])
})

test('a piece of bytes is a view if it lies in one segment, and a copy if it does not', () => {
  const { packets } = made()
  const packet = packets
    .packet()
    .append(Buffer.from('abc'))
    .chain(packets.packet().append(Buffer.from('defg')))
  packet.piece(1, 2).fill(0x58)
  packet.piece(3).fill(0x59)
  packet.piece(2, 2).fill(0x5a)
  expect([Buffer.from(packet.toBytes()).toString(), Buffer.from(packet.piece(2, 2)).toString()]).toEqual([
    'aXXYYYY',
    'XY',
  ])
  expect([packet.piece(7).length, packet.piece(3, 0).length]).toEqual([0, 0])
  expect(() => packet.piece(6, 2)).toThrowCode('ERR_OUT_OF_RANGE')
})

test('clones, copies and split packets get the fields of the original', () => {
  const { packets } = made({ fields: { port: 'uint16' }, privateSize: 4 })
  const port = packets.field('port', 'uint16')
  const index = packets.allocate()
  packets.append(index, 4)
  port.set(index, 4791)
  packets.privateOf(index).fill(9)
  const rest = packets.split(index, 2)
  const copies = [packets.clone(index), packets.copy(index), rest]
  expect(copies.map((one) => port.get(one))).toEqual([4791, 4791, 4791])
  expect(copies.map((one) => packets.privateOf(one)[0])).toEqual([0, 0, 0])
})

describe('an argument that is not what it seems', () => {
  test('is refused if it is a packet of other packets', () => {
    const [one, other] = [made(), made({ name: 'other' })]
    const packet = one.packets.packet()
    const proxy = new Proxy(one.packets.packet(), {})
    for (const tail of [other.packets.packet(), proxy]) {
      expect(() => packet.chain(tail)).toThrowCode('ERR_INVALID_ARGUMENT')
    }
    expect(packet.segments).toBe(1)
  })

  test('is read by its true length if it is an array with another `length`', () => {
    class Lies extends Uint8Array {
      override get length(): number {
        return 1000
      }
      override subarray(): never {
        throw new Error('never called')
      }
    }
    const { packets } = made()
    const packet = packets.packet().append(new Lies(4).fill(5))
    expect([packet.length, ...packet.bytes]).toEqual([4, 5, 5, 5, 5])
    packets.read(packet.index, 0, new Lies(4))
    packets.write(packet.index, 0, new Lies(4))
    expect([...packet.bytes]).toEqual([0, 0, 0, 0])
  })

  test('is read once if it is an object with changing options', () => {
    const { region } = made()
    let turn = 0
    const options = {
      count: 4,
      get headroom() {
        turn += 1
        return turn === 1 ? 8 : -5
      },
    }
    const slice = region.slice(0, region.size)
    const first = region.size // packets are open there, so none are made
    expect(() => createPackets(slice, options)).toThrowCode('ERR_POOL_OPEN')
    expect([turn, region.size]).toEqual([1, first])
  })

  test('is refused if it only looks like a slice, and a slice cannot be changed', () => {
    const { packets, outside } = made()
    const index = packets.allocate()
    const slice = outside.slice(0, 8)
    expect(() => Object.defineProperty(slice, 'length', { value: 2 ** 40 })).toThrow(TypeError)
    expect(Reflect.set(slice, 'offset', -8)).toBe(false)
    for (const alike of [Object.create(slice, { length: { value: 2 ** 40 } }), new Proxy(slice, {})]) {
      expect(() => packets.attachExternal(index, alike, () => {})).toThrowCode('ERR_INVALID_ARGUMENT')
    }
    packets.attachExternal(index, slice, () => {})
    expect(packets.length(index)).toBe(8)
  })
})
