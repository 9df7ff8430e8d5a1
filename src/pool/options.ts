import * as z from 'zod'
import { PinfoldError } from '../errors.js'
import { checked, optionsObject, sizeOption } from '../options.js'
import { elementBytes, magazinesNeeded, type PoolShape, placesOf, roundUp } from './layout.js'

const mostElements = 2 ** 30

const tracking = z.lazy(() =>
  z.union([z.enum(['off', 'all']), optionsObject({ oneIn: z.int().min(1) })], {
    error: "expected 'off', 'all' or { oneIn: a whole number from 1 on }",
  }),
)
const patience = z
  .number()
  .nonnegative()
  .max(2 ** 31)
const useShape = () => ({
  patience: patience.optional(),
  tracking: tracking.optional(),
  statistics: z.boolean().optional(),
})
const attachOptions = z.lazy(() => optionsObject(useShape()))
const createOptions = z.lazy(() =>
  optionsObject({
    ...useShape(),
    elementSize: sizeOption,
    count: z.int().min(1).max(mostElements).optional(),
    align: z
      .int()
      .min(4)
      .max(2 ** 30)
      .refine((bytes) => (bytes & (bytes - 1)) === 0, { error: 'expected a power of two from 4 on' })
      .optional(),
    crossPages: z.boolean().optional(),
    cache: z
      .int()
      .min(2)
      .max(2 ** 16)
      .optional(),
  }),
)

/** How closely a pool looks at what becomes of its elements. */
export type Tracking = z.input<typeof tracking>

/** How a thread uses a pool. */
export interface BufferPoolAttachOptions {
  /** Milliseconds to wait for another thread that has the depot and lives; then `ERR_POOL_BUSY`. Default: 1000. */
  readonly patience?: number | undefined
  /**
   * With tracking, a pool knows who has taken which element, and refuses what is put back twice, or used after that. 'all':
   * the stacks of each get and put are kept; `{ oneIn: N }`: those of one in N. Default: 'off'; when attaching, 'all' for a
   * pool that was made with tracking. It is the pool's: all threads track, or none.
   */
  readonly tracking?: Tracking | undefined
  /** Whether `stats` also counts what this thread takes, `hits`. Default: with tracking only. */
  readonly statistics?: boolean | undefined
}

/** What a new pool is like. */
export interface BufferPoolOptions extends BufferPoolAttachOptions {
  /** Bytes of an element, or with a unit ('2KiB'). */
  readonly elementSize: number | string
  /** How many; up to 2^30. Default: as many as fit into the memory. */
  readonly count?: number | undefined
  /** Each element starts at a multiple of so many bytes; a power of two from 4 on. Default: 64, a cache line. */
  readonly align?: number | undefined
  /** Whether an element may lie across the end of a page. Default: only one that is larger than a page. */
  readonly crossPages?: boolean | undefined
  /** Elements that a thread keeps to itself at most, 2 to 65,536; in two halves, each made even. Default: 512, as of rte_mempool. */
  readonly cache?: number | undefined
}

export interface CheckedUse {
  readonly patience: number
  /** Stacks of one in so many are kept; 0: there is no tracking. */
  readonly oneIn: number | undefined
  readonly statistics: boolean
}

const defaultCache = 512

function use({ patience = 1000, tracking, statistics = false }: z.output<typeof attachOptions>): CheckedUse {
  const oneIn = typeof tracking === 'object' ? tracking.oneIn : { off: 0, all: 1 }[tracking ?? 'off']
  return { patience, oneIn: tracking === undefined ? undefined : oneIn, statistics }
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function checkedAttach(options: BufferPoolAttachOptions): CheckedUse {
  return use(checked('attachBufferPool', attachOptions, options))
}

/**
 * What `options` ask for, in memory of so many bytes whose first lies `offset` bytes into a region of such pages.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` when it does not fit
 */
export function checkedCreate(
  options: BufferPoolOptions,
  memory: { readonly bytes: number; readonly offset: number; readonly pageSize: number },
): { readonly shape: PoolShape; readonly use: CheckedUse } {
  const given = checked('createBufferPool', createOptions, options)
  const { elementSize, align = 64, crossPages, cache = defaultCache } = given
  const stride = roundUp(elementSize, align)
  const staysInPage = crossPages !== true && stride <= memory.pageSize
  const isEven = memory.pageSize % stride === 0
  const base = {
    elementSize,
    stride,
    // Where pages are filled to the last byte, the elements follow each other anyway.
    perPage: staysInPage && !isEven ? Math.floor(memory.pageSize / stride) : 0,
    pageShift: Math.log2(memory.pageSize),
    magazineSize: roundUp(cache / 2, 2),
    tracking: given.tracking !== undefined && given.tracking !== 'off',
  }
  // Elements that fill pages start where a page does; others where they may.
  const unit = Math.max(64, align, staysInPage ? (isEven ? stride : memory.pageSize) : 0)
  const shapeOf = (capacity: number): PoolShape => {
    const magazines = magazinesNeeded(capacity, base.magazineSize)
    const { end } = placesOf({ ...base, capacity, magazines })
    const start = roundUp(memory.offset + end, unit) - memory.offset
    return { ...base, capacity, magazines, elements: start }
  }
  const fits = (capacity: number): boolean => {
    const shape = shapeOf(capacity)
    return shape.elements + elementBytes(shape) <= memory.bytes
  }
  const capacity = given.count ?? mostThatFit(fits, Math.min(mostElements, Math.floor(memory.bytes / stride)))
  const shape = shapeOf(Math.max(1, capacity))
  if (capacity > 0 && fits(capacity)) return { shape, use: use(given) }
  const bytesNeeded = shape.elements + elementBytes(shape)
  const message = `createBufferPool: ${shape.capacity} elements of ${elementSize} bytes take ${bytesNeeded} bytes, and here are ${memory.bytes}`
  throw new PinfoldError(message, {
    code: 'ERR_OUT_OF_RANGE',
    values: { count: shape.capacity, elementSize, bytesNeeded, bytes: memory.bytes },
  })
}

/** The largest number from 0 to `most` that fits, of numbers that fit when a larger one does. */
function mostThatFit(fits: (count: number) => boolean, most: number): number {
  let low = 0
  let high = most
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  return low
}
