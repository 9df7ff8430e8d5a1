import { PinfoldError } from '../errors.js'
import { OpenOnce } from '../memory/open-once.js'
import { alignedMemory, type MemoryRange, type RegionMemory } from '../memory/region-memory.js'
import { basePageSize } from '../system/page-sizes.js'
import { BufferPool } from './buffer-pool.js'
import { Depot } from './depot.js'
import {
  depotWord,
  elementBytes,
  magazineWord,
  type PoolShape,
  placesOf,
  publishPool,
  readPool,
  writePool,
} from './layout.js'
import {
  type BufferPoolAttachOptions,
  type BufferPoolOptions,
  type CheckedUse,
  checkedAttach,
  checkedCreate,
} from './options.js'
import { poolViews } from './views.js'

const open = new OpenOnce<BufferPool>()

/**
 * Makes a pool of free elements in `memory`, and overwrites what was there. No thread may use a pool there.
 *
 * @param memory a region, or a slice that starts at a multiple of 64 bytes
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` when it does not fit, `ERR_POOL_OPEN` when this
 *   thread has a pool open there, `ERR_RANGE_IN_USE`, `ERR_REGION_CLOSED`
 */
export function createBufferPool(memory: RegionMemory, options: BufferPoolOptions): BufferPool {
  const range = alignedMemory('createBufferPool', memory)
  const plan = planPool(range, options)
  const wanted = { ...range, subject: 'createBufferPool', kind: 'buffer pool', length: bytesOf(plan.shape) } as const
  return range.core.claims.claim(wanted, (release) => makePool(range, plan, release))
}

/**
 * Attaches the pool that `createBufferPool` has made in this memory, in this thread, another thread or another process.
 * A thread has one object for each pool: attaching again returns the same object.
 *
 * @throws PinfoldError `ERR_POOL_LAYOUT` when there is none, `ERR_RING_CLAIMED` when 64 living threads use it,
 *   `ERR_INVALID_ARGUMENT`, `ERR_RANGE_IN_USE`, `ERR_REGION_CLOSED`
 */
export function attachBufferPool(memory: RegionMemory, options: BufferPoolAttachOptions = {}): BufferPool {
  const range = alignedMemory('attachBufferPool', memory)
  const use = checkedAttach(options)
  const shape = readPool(range)
  const known = open.find(range)
  if (known !== undefined) return known
  const wanted = { ...range, subject: 'attachBufferPool', kind: 'buffer pool', length: bytesOf(shape) } as const
  return range.core.claims.claim(wanted, (release) => openPool(range, { shape, use }, release))
}

/** A pool that can be made: its shape, and how this thread will use it. */
export interface PoolPlan {
  readonly shape: PoolShape
  readonly use: CheckedUse
}

/** A pool of these options in the range. @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` */
export function poolFor(
  subject: string,
  { core, offset, length: bytes }: MemoryRange,
  options: BufferPoolOptions,
): PoolPlan {
  return checkedCreate(subject, options, { offset, bytes, pageSize: core.pageSize })
}

/**
 * A pool of these options that this thread can make in the range.
 *
 * @throws PinfoldError as `createBufferPool`
 */
export function planPool(range: MemoryRange, options: BufferPoolOptions): PoolPlan {
  const plan = poolFor('createBufferPool', range, options)
  if (open.find(range) === undefined) return plan
  throw new PinfoldError('createBufferPool: this thread has a pool open in this memory; close it first', {
    code: 'ERR_POOL_OPEN',
  })
}

/** Makes the pool. The caller has claimed the range. @throws PinfoldError as `createBufferPool` */
export function makePool(range: MemoryRange, plan: PoolPlan, release: () => void): BufferPool {
  const { shape } = plan
  const { words, states } = poolViews(range, shape)
  writePool(words, shape)
  states.fill(0)
  fillMagazines(words, shape)
  publishPool(words)
  return openPool(range, plan, release)
}

/**
 * The pool that is in the range, and the object that this thread has for it, if it is open.
 *
 * @throws PinfoldError `ERR_POOL_LAYOUT`; as `region.view`
 */
export function findPool(range: MemoryRange): PoolPlan & { readonly known: BufferPool | undefined } {
  return { shape: readPool(range), use: checkedAttach({}), known: open.find(range) }
}

/**
 * Bytes that a pool of `options.count` elements needs, when it starts where a page of `pageSize` bytes does.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function bufferPoolBytes(
  options: BufferPoolOptions & { readonly count: number },
  pageSize = basePageSize,
): number {
  const { shape } = checkedCreate('bufferPoolBytes', options, { bytes: Number.MAX_SAFE_INTEGER, offset: 0, pageSize })
  const { capacity, perPage, pageShift, elements } = shape
  // To the end of its last page.
  return perPage === 0 ? bytesOf(shape) : elements + Math.ceil(capacity / perPage) * 2 ** pageShift
}

/** Bytes that a pool takes, from the start of its memory to the end of its last element. */
export function bytesOf(shape: PoolShape): number {
  return shape.elements + elementBytes(shape)
}

/** An object for a pool that is in the range. The caller has claimed the range. @throws PinfoldError as `attachBufferPool` */
export function openPool(range: MemoryRange, { shape, use }: PoolPlan, release: () => void): BufferPool {
  const { patience, oneIn, statistics } = use
  const depot = new Depot(placesOf(shape), shape, patience)
  const isCounting = statistics || shape.tracking
  // A pool that was made with tracking tracks, whatever this thread asks for.
  const tracks = shape.tracking ? { oneIn: oneIn ?? 1 } : {}
  return open.add(range, new BufferPool(range, shape, depot, { isCounting, ...tracks, release }))
}

/** Puts all elements into the depot. */
function fillMagazines(words: Int32Array, shape: PoolShape): void {
  const { capacity, magazineSize, magazines } = shape
  const { firstMagazine, magazineWords, fullStack, emptyStack } = placesOf(shape)
  let full = 0
  let empty = 0
  // The magazine that may be less than full is the first on its stack.
  for (let magazine = magazines - 1; magazine >= 0; magazine--) {
    const first = magazine * magazineSize
    const count = Math.max(0, Math.min(magazineSize, capacity - first))
    const entries = firstMagazine + magazine * magazineWords
    for (let place = 0; place < count; place++) words[entries + place] = first + count - 1 - place
    words[entries + magazineWord.count] = count
    if (count === 0) words[emptyStack + empty++] = magazine
    else words[fullStack + full++] = magazine
  }
  // Only the top magazine may be less than full: exchange it with the first.
  if (full > 1) {
    const top = fullStack + full - 1
    ;[words[fullStack], words[top]] = [words[top], words[fullStack]]
  }
  words[depotWord.full] = full
  words[depotWord.empty] = empty
}
