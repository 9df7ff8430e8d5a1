import { PinfoldError } from '../errors.js'
import { MappedRegion } from '../memory/mapped-region.js'
import { Slice } from '../memory/slice.js'
import { describe } from '../sizes.js'
import { type PoolMemory, type PoolShape, placesOf } from './buffer-pool-layout.js'

/** The views of a pool that a thread works on; all on one ArrayBuffer. */
export interface PoolViews {
  readonly words: Int32Array
  /** The same words, two in an element (pair-copy.ts). */
  readonly pairs: Float64Array
  /** The same words, without a sign. */
  readonly spans: Uint32Array
  /** With tracking, who has taken each element. */
  readonly states: Uint8Array
}

/** Memory that a pool can lie in, as its region sees it. */
export interface PoolRange {
  readonly memory: PoolMemory
  readonly region: MappedRegion
  /** Where it starts in its region. */
  readonly offset: number
  readonly bytes: number
}

const alignment = 64

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` for what is no memory of a region, or starts inside of a cache line */
export function poolRange(subject: string, memory: PoolMemory): PoolRange {
  if (!isMemory(memory)) {
    throw new PinfoldError(`${subject}: expected a region or a slice of one, received ${describe(memory)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { received: memory },
    })
  }
  if (memory instanceof MappedRegion) return { memory, region: memory, offset: 0, bytes: memory.size }
  const { region, offset, length } = memory
  if (offset % alignment === 0) return { memory, region, offset, bytes: length }
  throw new PinfoldError(`${subject}: expected a multiple of ${alignment} as offset, received ${offset}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { offset, alignment },
  })
}

function isMemory(memory: unknown): memory is PoolMemory {
  try {
    return memory instanceof MappedRegion || memory instanceof Slice
  } catch {
    return false // a Proxy whose trap throws
  }
}

/** @throws PinfoldError as `region.view` */
export function poolViews(memory: PoolMemory, shape: PoolShape): PoolViews {
  const { states, end } = placesOf(shape)
  const { buffer, byteOffset } = memory.view(0, end)
  return {
    words: new Int32Array(buffer, byteOffset, states / 4),
    pairs: new Float64Array(buffer, byteOffset, states / 8),
    spans: new Uint32Array(buffer, byteOffset, states / 4),
    states: new Uint8Array(buffer, byteOffset + states, end - states),
  }
}
