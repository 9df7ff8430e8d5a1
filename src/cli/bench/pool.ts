import type { BufferPool } from '../../pool/buffer-pool.js'
import { bufferPoolBytes, createBufferPool } from '../../pool/open-pool.js'
import type { Region } from '../../registry/region.js'
import type { Benchmark } from './benchmark.js'
import { type Probe, secondsOf } from './sampling.js'

const shape = { elementSize: 2048, count: 8192, cache: 512 }
const mostInBurst = 256

/**
 * The time to take elements out of a buffer pool and to put them back, by the number that is taken at once. The
 * elements are not touched.
 */
export const pool: Benchmark = {
  name: 'pool',
  about: 'elements are taken out of a buffer pool and put back: one by get and put, more by getBulk and putBulk',
  varied: 'burst',
  variedIn: 'elements',
  measured: 'get and put of an element',
  unit: 'ns',
  sizes: [1, 2, 4, 8, 16, 32, 64, 128, 256],
  quickSizes: [1, 4, 32],
  accepts: { text: `bursts of 1 to ${mostInBurst}`, accepts: (burst) => burst <= mostInBurst },
  regionSize: () => bufferPoolBytes(shape),
  prepare: (burst) => (region) => new Exchange(region, burst),
  figure: (seconds, burst) => (seconds / burst) * 1e9,
}

class Exchange implements Probe {
  readonly #pool: BufferPool
  readonly #values: Uint32Array

  constructor(region: Region, burst: number) {
    this.#pool = createBufferPool(region, shape)
    this.#values = new Uint32Array(burst)
  }

  warmUp(): void {
    this.#pool.put(this.#pool.get())
  }

  run(rounds: number): number {
    const { length } = this.#values
    return secondsOf(() => {
      if (length === 1) exchangeOne(this.#pool, rounds)
      else exchangeBurst(this.#pool, this.#values, length, rounds)
    })
  }

  close(): void {
    this.#pool.close()
  }
}

function exchangeOne(pool: BufferPool, rounds: number): void {
  for (let round = 0; round < rounds; round++) pool.put(pool.get())
}

function exchangeBurst(pool: BufferPool, values: Uint32Array, burst: number, rounds: number): void {
  for (let round = 0; round < rounds; round++) {
    pool.getBulk(values, burst)
    pool.putBulk(values, burst)
  }
}
