import * as z from 'zod/mini'
import type { VirtualAddress } from '../addresses.js'
import { PinfoldError } from '../errors.js'
import { checked, checkRange, later } from '../options.js'
import type { RegionCore } from './region-core.js'

/** A range of a region of this thread, checked to lie in it: what the modules above memory work on. */
export interface MemoryRange {
  readonly core: RegionCore
  /** Where it starts in its region, in bytes. */
  readonly offset: number
  /** Bytes. */
  readonly length: number
}

/**
 * A view of `length` bytes of a range, from its byte `at` on.
 *
 * @throws PinfoldError as `region.view`
 */
export function viewIn({ core, offset }: MemoryRange, at: number, length: number): Uint8Array<ArrayBuffer> {
  return core.view(offset + at, length)
}

/** True for every RegionMemory. Runs no code of the value; a Proxy, or an object with the same prototype, is none. */
export let isRegionMemory: (value: unknown) => value is RegionMemory
/** The core of the region that the memory belongs to. */
export let coreOf: (memory: RegionMemory) => RegionCore
/** A part of `memory`, for its method `slice`. @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_OUT_OF_RANGE` */
export let partOf: (memory: RegionMemory, offset: number, length: number | undefined) => MemoryRange
/** The range of a region that the memory is; the region may be closed. */
export let rangeOf: (memory: RegionMemory) => MemoryRange

/**
 * Memory of a region: all of it (a Region) or a range of it (a Slice).
 *
 * The range lies in private fields, so that no program changes it.
 */
export abstract class RegionMemory {
  /** All objects of this thread for this region share one core. */
  readonly #core: RegionCore
  readonly #offset: number
  readonly #length: number

  static {
    isRegionMemory = (value): value is RegionMemory => typeof value === 'object' && value !== null && #core in value
    coreOf = (memory) => memory.#core
    rangeOf = (memory) => ({ core: memory.#core, offset: memory.#offset, length: memory.#length })
    partOf = (memory, offset, length) => {
      const count = length === undefined ? bytesFrom(offset, memory.#length) : length
      memory.#core.requireOpen('slice')
      checkRange('slice', offset, count, memory.#length)
      return { core: memory.#core, offset: memory.#offset + offset, length: count }
    }
  }

  constructor({ core, offset, length }: MemoryRange) {
    this.#core = core
    this.#offset = offset
    this.#length = length
  }

  /** Virtual address of the first byte, the same in every thread. */
  get address(): VirtualAddress {
    return this.#core.address + BigInt(this.#offset)
  }

  /** All of it, as a view. */
  abstract get bytes(): Uint8Array<ArrayBuffer>

  /**
   * A view of `length` bytes, up to 2 GiB, that starts at `offset`; without a length it runs to the end. Views that
   * start in the same 4 GiB window of a region share one ArrayBuffer. The view's length is 0 after the region was
   * closed.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_OUT_OF_RANGE`, `ERR_REGION_TOO_LARGE`, `ERR_EXTERNAL_BUFFERS`,
   *   `ERR_SYSTEM`
   */
  view(offset: number, length?: number): Uint8Array<ArrayBuffer> {
    const count = length === undefined ? bytesFrom(offset, this.#length) : length
    this.#core.requireOpen('view')
    checkRange('view', offset, count, this.#length)
    return this.#core.view(this.#offset + offset, count)
  }

  /**
   * A range of `length` bytes that starts at `offset`; without a length it runs to the end.
   *
   * @throws PinfoldError `ERR_REGION_CLOSED`, `ERR_OUT_OF_RANGE`
   */
  abstract slice(offset: number, length?: number): RegionMemory
}

/** As an option of zod schemas. */
export const memoryOption = later(() =>
  z.custom<RegionMemory>(isRegionMemory, { error: 'expected a Region or a Slice' }),
)

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` when `memory` is no Region or Slice; `ERR_REGION_CLOSED` */
function openRange(subject: string, memory: RegionMemory): MemoryRange {
  if (!isRegionMemory(memory)) checked(`${subject}: memory`, memoryOption, memory)
  const range = rangeOf(memory)
  range.core.requireOpen(subject)
  return range
}

/**
 * The range of `memory` that the call `subject` received, which must contain at least one byte.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_REGION_CLOSED`
 */
export function filledRange(subject: string, memory: RegionMemory): MemoryRange {
  const range = openRange(subject, memory)
  if (range.length > 0) return range
  throw new PinfoldError(
    `${subject}: memory: expected at least one byte of region '${range.core.name}', received none`,
    { code: 'ERR_INVALID_ARGUMENT', values: { length: 0 } },
  )
}

/**
 * The range of `memory` that the call `subject` received, which must start at a multiple of `alignment` in its region.
 *
 * @param alignment in bytes; by default a cache line
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_REGION_CLOSED`
 */
export function alignedMemory(subject: string, memory: RegionMemory, alignment = 64): MemoryRange {
  const range = openRange(subject, memory)
  if (range.offset % alignment === 0) return range
  throw new PinfoldError(`${subject}: expected a multiple of ${alignment} as offset, received ${range.offset}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { offset: range.offset, alignment },
  })
}

/** The bytes from `offset` to the end. An offset that is no number is refused by the check that follows. */
function bytesFrom(offset: number, length: number): number {
  return typeof offset === 'number' ? length - offset : 0
}
