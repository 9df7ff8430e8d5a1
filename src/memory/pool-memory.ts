import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'
import { coreOf, isRegion, type MappedRegion } from './mapped-region.js'
import { isSlice, type Slice } from './slice.js'

/** What rings, pools, packets and heaps can lie in: all of a region, or a part of it. */
export type PoolMemory = MappedRegion | Slice

/** The same, as its region sees it. */
export interface PoolRange {
  readonly memory: PoolMemory
  readonly region: MappedRegion
  /** Where it starts in its region. */
  readonly offset: number
  readonly bytes: number
}

/**
 * @param alignment what the place in the region must be a multiple of: by default a cache line
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for what is no memory of a region, or starts elsewhere; `ERR_REGION_CLOSED`
 */
export function poolRange(subject: string, memory: PoolMemory, alignment = 64): PoolRange {
  if (!isMemory(memory)) {
    throw new PinfoldError(`${subject}: expected a region or a slice of one, received ${describe(memory)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { received: memory },
    })
  }
  const range = isSlice(memory)
    ? { memory, region: memory.region, offset: memory.offset, bytes: memory.length }
    : { memory, region: memory, offset: 0, bytes: memory.size }
  coreOf(range.region).requireOpen(subject)
  if (range.offset % alignment === 0) return range
  throw new PinfoldError(`${subject}: expected a multiple of ${alignment} as offset, received ${range.offset}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { offset: range.offset, alignment },
  })
}

function isMemory(memory: unknown): memory is PoolMemory {
  return isRegion(memory) || isSlice(memory)
}
