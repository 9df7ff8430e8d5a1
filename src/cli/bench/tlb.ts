import type { Region } from '../../registry/region.js'
import { GiB, KiB, MiB } from '../../sizes.js'
import type { Benchmark } from './benchmark.js'
import { type Probe, secondsOf } from './sampling.js'

/** Bytes of a cache line. Every access goes to another line. */
const line = 64
const wordsInLine = line / Uint32Array.BYTES_PER_ELEMENT

/** The number of loads after which page tables, too, are in the caches as they are in the long run. */
const mostWarmUpLoads = 2 ** 17

/**
 * The latency of a random access, by the size of the memory that a program works on. The benchmark follows pointers
 * through all of that memory: each line contains the place of the next. The lines make one cycle in random order. So no
 * prefetcher can know the next line, and no load can begin before the previous one has ended. If an address is not in
 * the TLB, the load also waits for a walk of the page tables. Larger pages save such walks.
 */
export const tlb: Benchmark = {
  name: 'tlb',
  about: 'random access: one dependent load for each cache line, in one random cycle through all lines',
  varied: 'working set',
  variedIn: 'bytes',
  measured: 'latency of a load',
  unit: 'ns',
  sizes: [64 * KiB, 256 * KiB, ...powersOfTwo(MiB, GiB)],
  quickSizes: [64 * KiB, MiB, 16 * MiB, 64 * MiB],
  accepts: {
    text: 'multiples of 64 bytes, from 128B to 2GiB',
    accepts: (size) => size % line === 0 && size >= 2 * line && size <= 2 * GiB,
  },
  regionSize: (largest) => largest,
  prepare(size) {
    const order = randomCycle(size / line)
    return (region) => new Chase(region, order)
  },
  figure: (seconds) => seconds * 1e9,
}

class Chase implements Probe {
  readonly #links: Uint32Array
  readonly #sum: number
  #at = 0

  constructor(region: Region, order: Uint32Array) {
    const { buffer, byteOffset } = region.view(0, order.length * line)
    this.#links = new Uint32Array(buffer, byteOffset, order.length * wordsInLine)
    writeLinks(this.#links, order)
    this.#sum = sumOfLinks(this.#links)
  }

  warmUp(): void {
    // The sum is compared, so that V8 must read the lines.
    if (sumOfLinks(this.#links) !== this.#sum) throw new Error('the links of a benchmark have changed')
    this.#at = chase(this.#links, this.#at, Math.min(mostWarmUpLoads, this.#links.length / wordsInLine))
  }

  run(rounds: number): number {
    return secondsOf(() => {
      this.#at = chase(this.#links, this.#at, rounds)
    })
  }
}

/** Follows `loads` links from `at`. The result depends on every load, so V8 must do them all. */
function chase(links: Uint32Array, at: number, loads: number): number {
  for (let load = 0; load < loads; load++) at = links[at] ?? 0
  return at
}

/** Reads every line in order. This brings the lines into the caches faster than `chase` does. */
function sumOfLinks(links: Uint32Array): number {
  let sum = 0
  for (let at = 0; at < links.length; at += wordsInLine) sum = (sum + (links[at] ?? 0)) | 0
  return sum
}

function writeLinks(links: Uint32Array, order: Uint32Array): void {
  for (let at = 0; at < order.length; at++) links[at * wordsInLine] = (order[at] ?? 0) * wordsInLine
}

/**
 * A permutation that is one cycle: from any place, it leads through all other places before it comes back. Source:
 * Sattolo, "An algorithm to generate a random cyclic permutation" (Information Processing Letters 22, 1986). It is the
 * same in every run, so that runs can be compared.
 */
export function randomCycle(length: number): Uint32Array {
  const order = new Uint32Array(length)
  for (let at = 0; at < length; at++) order[at] = at
  let state = 0x2545f491
  for (let last = length - 1; last > 0; last--) {
    // xorshift32: Marsaglia, "Xorshift RNGs" (Journal of Statistical Software 8, 2003).
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const other = Math.floor(((state >>> 0) / 2 ** 32) * last)
    const kept = order[last] ?? 0
    order[last] = order[other] ?? 0
    order[other] = kept
  }
  return order
}

function powersOfTwo(first: number, last: number): number[] {
  return Array.from({ length: Math.log2(last / first) + 1 }, (_, power) => first * 2 ** power)
}
