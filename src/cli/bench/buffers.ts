import type { BufferPool } from '../../pool/buffer-pool.js'
import { bufferPoolBytes, createBufferPool } from '../../pool/open-pool.js'
import type { Region } from '../../registry/region.js'
import { KiB } from '../../sizes.js'
import type { Benchmark } from './benchmark.js'
import { type Probe, secondsOf } from './sampling.js'
import { randomCycle } from './tlb.js'

/** Buffers that are out at any time, as in the queues of an adapter. */
const inFlight = 4096
const burst = 32
const wordsInLine = 64 / Uint32Array.BYTES_PER_ELEMENT

/**
 * What a packet costs before anybody does anything with it: a buffer is taken, each of its lines is written as by whoever
 * receives, and it is put back when 4,096 others have been taken, so that its lines have left the caches that they do not
 * fit into. Buffers lie in random order, as they do in a pool that has been used for a while.
 */
export const buffers: Benchmark = {
  name: 'buffers',
  about: `buffers of a pool taken, written a word in each cache line, put back ${inFlight.toLocaleString('en-US')} later`,
  varied: 'buffer size',
  variedIn: 'bytes',
  measured: 'a buffer, in bursts of 32',
  unit: 'ns',
  sizes: [64, 128, 256, 512, KiB, 2 * KiB, 4 * KiB, 8 * KiB],
  quickSizes: [64, 512, 2 * KiB],
  accepts: {
    text: 'multiples of 4 bytes, from 64B to 64KiB',
    accepts: (size) => size % 4 === 0 && size >= 64 && size <= 64 * KiB,
  },
  regionSize: (largest) => bufferPoolBytes(shapeOf(largest)),
  prepare(size) {
    const order = randomCycle(inFlight)
    return (region) => new Passage(region, size, order)
  },
  figure: (seconds) => (seconds / burst) * 1e9,
}

/** A buffer may lie across pages, so that the same memory has room for as many whatever its pages are. */
function shapeOf(elementSize: number) {
  return { elementSize, count: inFlight + 1024, crossPages: true }
}

class Passage implements Probe {
  readonly #pool: BufferPool
  readonly #words: Uint32Array
  readonly #wordsInBuffer: number
  readonly #taken: Uint32Array
  #at = 0

  constructor(region: Region, size: number, order: Uint32Array) {
    const { buffer, byteOffset } = region.view(0, 0)
    this.#pool = createBufferPool(region, shapeOf(size))
    this.#words = new Uint32Array(buffer, byteOffset, bufferPoolBytes(shapeOf(size)) / Uint32Array.BYTES_PER_ELEMENT)
    this.#wordsInBuffer = size / Uint32Array.BYTES_PER_ELEMENT
    this.#taken = new Uint32Array(inFlight)
    const taken = new Uint32Array(inFlight)
    this.#pool.getBulk(taken)
    for (const [at, from] of order.entries()) this.#taken[at] = taken[from] ?? 0
  }

  warmUp(): void {
    this.run(inFlight / burst)
  }

  run(rounds: number): number {
    return secondsOf(() => {
      this.#at = pass(this.#pool, this.#words, this.#wordsInBuffer, this.#taken, this.#at, rounds)
    })
  }

  close(): void {
    this.#pool.close()
  }
}

/** Bursts from the place `at` of those that are out; returns the place after the last. */
function pass(
  pool: BufferPool,
  words: Uint32Array,
  wordsInBuffer: number,
  taken: Uint32Array,
  at: number,
  rounds: number,
): number {
  for (let round = 0; round < rounds; round++) {
    pool.putBulk(taken, burst, at)
    pool.getBulk(taken, burst, at)
    for (let one = at; one < at + burst; one++) {
      const first = pool.offset(taken[one] ?? 0) >>> 2
      for (let word = 0; word < wordsInBuffer; word += wordsInLine) words[first + word] = round
    }
    at = (at + burst) % inFlight
  }
  return at
}
