import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { createPackets, openRegistrySync, type Packets, packetsBytes } from '../../src/index.js'
import { mappedRegions } from '../support/mapped-regions.js'

// A packet is a string of bytes, however it is cut into segments, and however its buffers are shared.

const options = { bufferSize: 48, headroom: 8, count: 24, cache: 4 }
const memory = openRegistrySync()
const region = memory.allocateSync('packets', { size: packetsBytes(options), pages: 'base' })

afterAll(() => {
  memory.close()
  expect(mappedRegions()).toEqual([])
})

interface Known {
  readonly index: number
  bytes: number[]
}

/** A step on one or two of the known packets, chosen by number. */
interface Step {
  readonly what: (typeof kinds)[number]
  readonly which: number
  readonly other: number
  readonly count: number
}

const kinds = [
  'allocate',
  'append',
  'prepend',
  'adj',
  'trim',
  'chain',
  'split',
  'linearize',
  'clone',
  'copy',
  'write',
  'retain',
  'free',
] as const
const steps = fc.array(
  fc.record({ what: fc.constantFrom(...kinds), which: fc.nat(), other: fc.nat(), count: fc.nat(20) }),
  { maxLength: 60 },
)

/** The codes with which a step may be refused. Any other error fails the test. */
const refusals = ['ERR_PACKET_HEADROOM', 'ERR_PACKET_TAILROOM', 'ERR_PACKET_SHARED', 'ERR_OUT_OF_RANGE']

let mark = 0
const marks = (count: number) => Array.from({ length: count }, () => (mark = (mark + 1) & 0xff))

function contents(packets: Packets, index: number): number[] {
  const bytes = new Uint8Array(packets.length(index))
  packets.read(index, 0, bytes)
  return [...bytes]
}

/** Carries out the step, and updates the known packets. */
function act(packets: Packets, known: Known[], { what, which, other, count }: Step): void {
  const add = (index: number, bytes: number[]) => {
    if (index >= 0) known.push({ index, bytes })
    return index >= 0
  }
  if (what === 'allocate' || known.length === 0) {
    add(packets.allocate(), [])
    return
  }
  const at = which % known.length
  const one = known[at]
  const second = known[other % known.length]
  if (one === undefined || second === undefined) return
  const { index } = one
  const place = Math.min(count, one.bytes.length)
  switch (what) {
    case 'append': {
      packets.append(index, count)
      const bytes = marks(count)
      packets.write(index, one.bytes.length, Uint8Array.from(bytes))
      one.bytes = [...one.bytes, ...bytes]
      break
    }
    case 'prepend': {
      packets.prepend(index, count)
      const bytes = marks(count)
      packets.write(index, 0, Uint8Array.from(bytes))
      one.bytes = [...bytes, ...one.bytes]
      break
    }
    case 'adj':
      packets.adj(index, count)
      one.bytes = one.bytes.slice(count)
      break
    case 'trim':
      packets.trim(index, count)
      one.bytes = one.bytes.slice(0, one.bytes.length - count)
      break
    case 'chain':
      packets.chain(index, second.index)
      one.bytes = [...one.bytes, ...second.bytes]
      known.splice(known.indexOf(second), 1)
      break
    case 'split':
      if (add(packets.split(index, place), one.bytes.slice(place))) one.bytes = one.bytes.slice(0, place)
      break
    case 'linearize':
      packets.linearize(index)
      expect(packets.segments(index)).toBe(1)
      break
    case 'clone':
      add(packets.clone(index), [...one.bytes])
      break
    case 'copy':
      add(packets.copy(index, place), one.bytes.slice(place))
      break
    case 'write': {
      // A write to a shared buffer would change other packets, so only packets without shared buffers are written to.
      const parts = packets.parts(index)
      if (parts.some((part) => packets.isShared(part.index))) break
      one.bytes = marks(one.bytes.length)
      packets.write(index, 0, Uint8Array.from(one.bytes))
      break
    }
    case 'retain':
      packets.retain(index)
      packets.free(index)
      break
    case 'free':
      packets.free(index)
      known.splice(at, 1)
      break
  }
}

test('packets keep their bytes through any steps, and all are free at the end', () => {
  fc.assert(
    fc.property(steps, (todo) => {
      using packets = createPackets(region, options)
      const known: Known[] = []
      for (const step of todo) {
        try {
          act(packets, known, step)
        } catch (error) {
          expect(refusals).toContain(Reflect.get(Object(error), 'code'))
        }
        for (const { index, bytes } of known) expect(contents(packets, index)).toEqual(bytes)
        for (const { index } of known) {
          const parts = packets.parts(index)
          expect([parts.length, parts.reduce((sum, { length }) => sum + length, 0)]).toEqual([
            packets.segments(index),
            packets.length(index),
          ])
        }
      }
      const [first] = known
      if (first !== undefined) for (const { index } of known) packets.compare(first.index, index)
      const burst = packets.burst(options.count)
      burst.set(known.map(({ index }) => index))
      packets.freeBulk(burst, known.length)
      expect(packets.available).toBe(options.count)
    }),
    { numRuns: 300 },
  )
})
