import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsOf, sizeOption } from '../options.js'
import { elementBytes, magazinesNeeded, type PoolShape, placesOf, roundUp } from './layout.js'

const mostElements = 2 ** 30

const tracking = later(() =>
  z.union([z.enum(['off', 'all']), optionsOf<SampledTracking>()({ oneIn: z.int().check(z.minimum(1)) })], {
    error: "expected 'off', 'all' or { oneIn: a whole number from 1 on }",
  }),
)
const patience = later(() => z.number().check(z.nonnegative(), z.maximum(2 ** 31)))
const useShape = () => ({
  patience: z.optional(patience),
  tracking: z.optional(tracking),
  statistics: z.optional(z.boolean()),
})
const attachOptions = later(() => optionsOf<BufferPoolAttachOptions>()(useShape()))
const createOptions = later(() =>
  optionsOf<BufferPoolOptions>()({
    ...useShape(),
    elementSize: sizeOption,
    count: z.optional(z.int().check(z.minimum(1), z.maximum(mostElements))),
    align: z.optional(
      z.int().check(
        z.minimum(4),
        z.maximum(2 ** 30),
        z.refine((bytes) => (bytes & (bytes - 1)) === 0, { error: 'expected a power of two from 4 on' }),
      ),
    ),
    crossPages: z.optional(z.boolean()),
    cache: z.optional(z.int().check(z.minimum(2), z.maximum(2 ** 16))),
  }),
)

/** How closely a pool tracks its elements: not at all, with the stacks of all calls, or with those of some. */
export type Tracking = 'off' | 'all' | SampledTracking

/** Tracking that keeps the stacks of some calls. */
export interface SampledTracking {
  /** The stack of one call in so many is kept; a whole number from 1 on. */
  readonly oneIn: number
}

/** Options for the use of a pool by one thread. */
export interface BufferPoolAttachOptions {
  /** Milliseconds to wait for the depot while another living thread keeps it; then `ERR_POOL_BUSY`. Default: 1000. */
  readonly patience?: number | undefined
  /**
   * With tracking, a pool knows which thread has taken each element. It refuses an element that is put back twice, or
   * used after it was put back. 'all' keeps the stacks of each get and put; `{ oneIn: N }` keeps those of one call in
   * N. Default: 'off'; when attaching, 'all' for a pool that was made with tracking. All threads of a pool track, or
   * none.
   */
  readonly tracking?: Tracking | undefined
  /** Whether `stats` also counts the elements that this thread takes, as `hits`. Default: with tracking only. */
  readonly statistics?: boolean | undefined
}

/** Options of a new pool. */
export interface BufferPoolOptions extends BufferPoolAttachOptions {
  /** Bytes of an element, a number or a text with a unit ('2KiB'). */
  readonly elementSize: number | string
  /** How many elements; up to 2^30. Default: as many as fit into the memory. */
  readonly count?: number | undefined
  /** Each element starts at a multiple of this many bytes; a power of two from 4 on. Default: 64, a cache line. */
  readonly align?: number | undefined
  /** Whether an element may cross the end of a page. Default: only if it is larger than a page. */
  readonly crossPages?: boolean | undefined
  /**
   * Most elements in a thread's cache, 2 to 65,536. Its two halves are rounded up to even numbers. Default: 512, as
   * rte_mempool.
   */
  readonly cache?: number | undefined
}

export interface CheckedUse {
  readonly patience: number
  /** Of so many calls the stack of one is kept; 0: of none; undefined: not said. */
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
 * Checks the options of a new pool, which `subject` is asked for, in `bytes` bytes of memory, `offset` bytes behind the start of a region with pages
 * of `pageSize` bytes.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` when it does not fit
 */
export function checkedCreate(
  subject: string,
  options: BufferPoolOptions,
  memory: { readonly bytes: number; readonly offset: number; readonly pageSize: number },
): { readonly shape: PoolShape; readonly use: CheckedUse } {
  const given = checked(subject, createOptions, options)
  const { elementSize, align = 64, crossPages, cache = defaultCache } = given
  const stride = roundUp(elementSize, align)
  const staysInPage = crossPages !== true && stride <= memory.pageSize
  const isEven = memory.pageSize % stride === 0
  const base = {
    elementSize,
    stride,
    // If elements fill a page to its last byte they follow each other, also from page to page.
    perPage: staysInPage && !isEven ? Math.floor(memory.pageSize / stride) : 0,
    pageShift: Math.log2(memory.pageSize),
    magazineSize: roundUp(cache / 2, 2),
    tracking: given.tracking !== undefined && given.tracking !== 'off',
  }
  // Elements that must not cross pages start where a page does, or at a multiple of their own size.
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
  const elements = `${shape.capacity} elements of ${elementSize} bytes`
  const message = `${subject}: ${elements} need ${bytesNeeded} bytes, and the memory has ${memory.bytes}`
  throw new PinfoldError(message, {
    code: 'ERR_OUT_OF_RANGE',
    values: { count: shape.capacity, elementSize, bytesNeeded, bytes: memory.bytes },
  })
}

/** The largest number from 0 to `most` that fits; every smaller number fits too. */
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
