import { PinfoldError } from '../errors.js'
import { OpenOnce } from '../memory/open-once.js'
import { type AlignedMemory, alignedMemory, type RegionMemory } from '../memory/region-memory.js'
import { BufferPool } from './buffer-pool.js'
import { Depot } from './depot.js'
import { depotWord, magazineWord, type PoolShape, placesOf, publishPool, readPool, writePool } from './layout.js'
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
 *   thread has a pool open there, `ERR_REGION_CLOSED`
 */
export function createBufferPool(memory: RegionMemory, options: BufferPoolOptions): BufferPool {
  const range = alignedMemory('createBufferPool', memory)
  const { shape, use } = checkedCreate(options, {
    offset: range.offset,
    bytes: range.length,
    pageSize: range.core.pageSize,
  })
  if (open.find(range) !== undefined) {
    throw new PinfoldError('createBufferPool: this thread has a pool open in this memory; close it first', {
      code: 'ERR_POOL_OPEN',
    })
  }
  const { words, states } = poolViews(memory, shape)
  writePool(words, shape)
  states.fill(0)
  fillMagazines(words, shape)
  publishPool(words)
  return opened(range, shape, use)
}

/**
 * Attaches the pool that `createBufferPool` has made in this memory, in this thread, another thread or another process.
 * A thread has one object for each pool: attaching again returns the same object.
 *
 * @throws PinfoldError `ERR_POOL_LAYOUT` when there is none, `ERR_RING_CLAIMED` when 64 living threads use it,
 *   `ERR_INVALID_ARGUMENT`, `ERR_REGION_CLOSED`
 */
export function attachBufferPool(memory: RegionMemory, options: BufferPoolAttachOptions = {}): BufferPool {
  const range = alignedMemory('attachBufferPool', memory)
  const use = checkedAttach(options)
  const shape = readPool(memory, range.length)
  return open.find(range) ?? opened(range, shape, use)
}

/**
 * Bytes that a pool of `options.count` elements needs, when it starts where a page of `pageSize` bytes does.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function bufferPoolBytes(options: BufferPoolOptions & { readonly count: number }, pageSize = 4096): number {
  const { shape } = checkedCreate(options, { bytes: Number.MAX_SAFE_INTEGER, offset: 0, pageSize })
  const { capacity } = shape
  const last = shape.perPage === 0 ? capacity - 1 : Math.floor((capacity - 1) / shape.perPage)
  const bytes = shape.perPage === 0 ? last * shape.stride + shape.elementSize : (last + 1) * 2 ** shape.pageShift
  return shape.elements + bytes
}

function opened(range: AlignedMemory, shape: PoolShape, { patience, oneIn, statistics }: CheckedUse): BufferPool {
  const depot = new Depot(placesOf(shape), shape, patience)
  // A pool that was made with tracking tracks, whatever this thread asks for.
  const stacks = shape.tracking ? (oneIn ?? 1) : undefined
  return open.add(range, new BufferPool(range, shape, depot, statistics || shape.tracking, stacks))
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
