import { createPackets, packetsBytes } from '../../packet/open-packets.js'
import type { Packets } from '../../packet/packets.js'
import type { Region } from '../../registry/region.js'
import { KiB } from '../../sizes.js'
import type { Benchmark } from './benchmark.js'
import { type Probe, secondsOf } from './sampling.js'
import { randomCycle } from './tlb.js'

/** The number of packets that are allocated at any time, like those in the queues of an adapter. */
const inFlight = 4096
const burst = 32
const headroom = 128
const wordsInLine = 64 / Uint32Array.BYTES_PER_ELEMENT

/**
 * The cost of a packet before a program uses its data. The packet is allocated and gets its length, and one word is
 * written into each of its cache lines, as a receiver would do. It is freed after 4,096 other packets were allocated:
 * by then its lines have left the smaller caches. Packets lie in random order, as they do when they have been used for
 * a while.
 */
export const buffers: Benchmark = {
  name: 'buffers',
  about: `packets are allocated, written in each line, and freed ${inFlight.toLocaleString('en-US')} packets later`,
  varied: 'packet size',
  variedIn: 'bytes',
  measured: 'a packet, in bursts of 32',
  unit: 'ns',
  sizes: [64, 128, 256, 512, KiB, 2 * KiB, 4 * KiB, 8 * KiB],
  quickSizes: [64, 512, 2 * KiB],
  accepts: {
    text: 'multiples of 4 bytes, from 64B to 64KiB',
    accepts: (size) => size % 4 === 0 && size >= 64 && size <= 64 * KiB,
  },
  regionSize: (largest) => packetsBytes(shapeOf(largest)),
  prepare(size) {
    const order = randomCycle(inFlight)
    return (region) => new Passage(region, size, order)
  },
  figure: (seconds) => (seconds / burst) * 1e9,
}

/**
 * Packets may cross the borders of pages. So a region has room for the same number of packets on every kind of pages.
 */
function shapeOf(size: number) {
  return { bufferSize: headroom + size, headroom, count: inFlight + 1024, crossPages: true }
}

class Passage implements Probe {
  readonly #packets: Packets
  readonly #words: Uint32Array
  readonly #size: number
  readonly #taken = new Uint32Array(inFlight)
  #at = 0

  constructor(region: Region, size: number, order: Uint32Array) {
    const shape = shapeOf(size)
    const { buffer, byteOffset } = region.view(0, 0)
    this.#packets = createPackets(region, shape)
    this.#words = new Uint32Array(buffer, byteOffset, Math.floor(packetsBytes(shape) / Uint32Array.BYTES_PER_ELEMENT))
    this.#size = size
    const taken = new Uint32Array(inFlight)
    this.#packets.allocateBulk(taken)
    for (const [at, from] of order.entries()) this.#taken[at] = taken[from] ?? 0
  }

  warmUp(): void {
    this.run(inFlight / burst)
  }

  run(rounds: number): number {
    return secondsOf(() => {
      this.#at = pass(this.#packets, this.#words, this.#size, this.#taken, this.#at, rounds)
    })
  }

  close(): void {
    this.#packets.close()
  }
}

/**
 * Frees and allocates `rounds` bursts of the taken packets, beginning at place `at`. Returns the place after the last
 * burst.
 */
function pass(
  packets: Packets,
  words: Uint32Array,
  size: number,
  taken: Uint32Array,
  at: number,
  rounds: number,
): number {
  const wordsInPacket = size / Uint32Array.BYTES_PER_ELEMENT
  for (let round = 0; round < rounds; round++) {
    packets.freeBulk(taken, burst, at)
    packets.allocateBulk(taken, burst, at)
    for (let one = at; one < at + burst; one++) {
      // The word of the region at which the packet's data start.
      const first = packets.append(taken[one] ?? 0, size) >>> 2
      for (let word = 0; word < wordsInPacket; word += wordsInLine) words[first + word] = round
    }
    at = (at + burst) % inFlight
  }
  return at
}
