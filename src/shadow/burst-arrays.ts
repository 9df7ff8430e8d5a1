import { PinfoldError } from '../errors.js'
import { allocateCoreSync } from '../memory/allocate/allocate.js'
import type { RegionCore } from '../memory/region-core.js'
import { regionOptions } from '../memory/region-options.js'
import { checked } from '../options.js'
import { describe, KiB } from '../sizes.js'
import { addressOf, Shadow } from './shadow.js'
import { wasmInstance } from './webassembly.js'

/** Numbers of the longest array. */
const mostNumbers = 2 ** 24
/** Bytes of memory that is made at a time. Arrays start at multiples of a cache line. */
const chunkBytes = 16 * KiB
const lineBytes = 64

/** Numbers of the scratch array. */
const scratchNumbers = 1024

/** An array for values that lie elsewhere, and its address. */
export interface Scratch {
  readonly values: Uint32Array
  readonly address: number
}

interface Chunk {
  readonly core: RegionCore
  readonly shadow: Shadow | undefined
  /** Bytes that were given out. */
  used: number
}

/** Arrays for bursts, which lie in this thread's WebAssembly memory. They live until `close`. */
export class BurstArrays {
  readonly #chunks: Chunk[] = []
  private scratchArray: Scratch | undefined

  /** @throws PinfoldError `ERR_OUT_OF_RANGE`, `ERR_OUT_OF_MEMORY` */
  make(count: number): Uint32Array {
    if (!(Number.isInteger(count) && count >= 1 && count <= mostNumbers)) {
      throw new PinfoldError(`burst: expected a whole number from 1 to ${mostNumbers}, received ${describe(count)}`, {
        code: 'ERR_OUT_OF_RANGE',
        values: { count, most: mostNumbers },
      })
    }
    // Without WebAssembly all arrays are equally good.
    if (wasmInstance() === undefined) return new Uint32Array(count)
    const bytes = Math.ceil((count * 4) / lineBytes) * lineBytes
    const last = this.#chunks.at(-1)
    const chunk = last !== undefined && last.used + bytes <= last.core.size ? last : this.#grow(bytes)
    const { buffer, byteOffset } = chunk.core.view(chunk.used, bytes)
    chunk.used += bytes
    return new Uint32Array(buffer, byteOffset, count)
  }

  /** An array of at least `count` numbers, the same for each call; undefined if these are too many. */
  scratch(count: number): Scratch | undefined {
    if (count > scratchNumbers) return undefined
    if (this.scratchArray === undefined) {
      const values = this.make(scratchNumbers)
      this.scratchArray = { values, address: addressOf(values.buffer, values.byteOffset, values.byteLength) }
    }
    return this.scratchArray.address === 0 ? undefined : this.scratchArray
  }

  #grow(bytes: number): Chunk {
    const size = Math.max(bytes, chunkBytes)
    const core = allocateCoreSync('bursts', checked('burst', regionOptions, { size, pages: 'base' }))
    try {
      const chunk = { core, shadow: Shadow.of({ core, offset: 0, length: size }, size), used: 0 }
      this.#chunks.push(chunk)
      return chunk
    } catch (error) {
      core.close()
      throw error
    }
  }

  /** The arrays have a length of 0 from now on. */
  close(): void {
    this.scratchArray = undefined
    for (let chunk = this.#chunks.pop(); chunk !== undefined; chunk = this.#chunks.pop()) {
      chunk.shadow?.close()
      chunk.core.close()
    }
  }
}
