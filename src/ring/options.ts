import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsOf } from '../options.js'
import { describe } from '../sizes.js'
import { countThatFits, isCount, leastCount, mostCount, type RingShape, ringBytes } from './layout.js'

const threads = later(() => z.enum(['one', 'many']))
const watermark = later(() => z.int().check(z.nonnegative()))
const patience = later(() => z.number().check(z.nonnegative(), z.maximum(2 ** 31)))

const attachOptions = later(() => optionsOf<RingAttachOptions>()({ patience: z.optional(patience) }))
const createOptions = later(() =>
  optionsOf<RingOptions>()({
    count: z.optional(z.int()),
    producers: z.optional(threads),
    consumers: z.optional(threads),
    highWatermark: z.optional(watermark),
    lowWatermark: z.optional(watermark),
    patience: z.optional(patience),
  }),
)

/** How a thread uses a ring. */
export interface RingAttachOptions {
  /**
   * Milliseconds that a call waits for a living thread that owns its side. After that it throws `ERR_RING_BUSY`.
   * Default: 1000.
   */
  readonly patience?: number | undefined
}

/** The options of a new ring. */
export interface RingOptions extends RingAttachOptions {
  /** The number of values that the ring holds, a power of two from 2 to 2^28. Default: as many as fit in the memory. */
  readonly count?: number | undefined
  /**
   * The threads that may enqueue: 'many', or 'one': the first that enqueues, until it closes its Ring or dies. Default:
   * 'many'.
   */
  readonly producers?: 'one' | 'many' | undefined
  /** The threads that may dequeue, as `producers`. Default: 'many'. */
  readonly consumers?: 'one' | 'many' | undefined
  /** The number of values at which the ring becomes `congested`. Default: all that it holds. */
  readonly highWatermark?: number | undefined
  /** The number of values at which it stops being `congested`. Default: half of `highWatermark`. */
  readonly lowWatermark?: number | undefined
}

export const defaultPatience = 1000

export function checkedAttach(options: RingAttachOptions): number {
  return checked('attachRing', attachOptions, options).patience ?? defaultPatience
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` if the ring does not fit in so many bytes */
export function checkedCreate(options: RingOptions, bytes: number): { shape: RingShape; patience: number } {
  const given = checked('createRing', createOptions, options)
  const count = checkedCount('createRing', given.count ?? Math.max(leastCount, countThatFits(bytes)))
  if (ringBytes(count) > bytes) {
    throw new PinfoldError(
      `createRing: a ring of ${count} values needs ${ringBytes(count)} bytes, and the memory has ${bytes}`,
      {
        code: 'ERR_OUT_OF_RANGE',
        values: { count, bytesNeeded: ringBytes(count), bytes },
      },
    )
  }
  const highWatermark = checkedWatermark('highWatermark', given.highWatermark ?? count, count)
  const lowWatermark = checkedWatermark('lowWatermark', given.lowWatermark ?? highWatermark >>> 1, highWatermark)
  const shape = {
    count,
    manyProducers: given.producers !== 'one',
    manyConsumers: given.consumers !== 'one',
    highWatermark,
    lowWatermark,
  }
  return { shape, patience: given.patience ?? defaultPatience }
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function checkedCount(subject: string, count: number): number {
  if (isCount(count)) return count
  throw new PinfoldError(
    `${subject}: count: expected a power of two from 2 to ${mostCount}, received ${describe(count)}`,
    {
      code: 'ERR_INVALID_ARGUMENT',
      values: { option: 'count', received: count },
    },
  )
}

function checkedWatermark(option: string, received: number, most: number): number {
  if (received <= most) return received
  throw new PinfoldError(`createRing: ${option}: expected at most ${most}, received ${describe(received)}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { option, received },
  })
}
