import { alignedMemory, type MemoryRange, type RegionMemory } from '../memory/region-memory.js'
import { ringBytes as bytesOf, type RingShape, readShape, viewsOf, writeRing } from './layout.js'
import { checkedAttach, checkedCount, checkedCreate, type RingAttachOptions, type RingOptions } from './options.js'
import { Ring } from './ring.js'

/**
 * The size in bytes of a ring of `count` values.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` if `count` is not a power of two from 2 to 2^28
 */
export function ringBytes(count: number): number {
  return bytesOf(checkedCount('ringBytes', count))
}

/**
 * Makes an empty ring in `memory`, whatever the memory contains. No thread may be attached to a ring there.
 *
 * @param memory a region, or a slice that starts at a multiple of 64 bytes
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` if the ring does not fit, `ERR_RANGE_IN_USE`,
 *   `ERR_REGION_CLOSED`
 */
export function createRing(memory: RegionMemory, options: RingOptions = {}): Ring {
  const range = alignedMemory('createRing', memory)
  const { shape, patience } = checkedCreate(options, range.length)
  const views = viewsOf(range, shape.count)
  const wanted = { ...rangeFor('createRing', range, shape), isShared: false }
  return range.core.claims.claim(wanted, (release) => {
    writeRing(views.words, shape)
    return new Ring(range, shape, patience, views, release)
  })
}

/**
 * Attaches to the ring that `createRing` made in this memory, in this or another thread or process.
 *
 * @throws PinfoldError `ERR_RING_LAYOUT` if there is no ring, `ERR_RING_CLAIMED` if 64 living threads are attached,
 *   `ERR_INVALID_ARGUMENT`, `ERR_RANGE_IN_USE`, `ERR_REGION_CLOSED`
 */
export function attachRing(memory: RegionMemory, options: RingAttachOptions = {}): Ring {
  const range = alignedMemory('attachRing', memory)
  const patience = checkedAttach(options)
  const shape = readShape(range)
  const views = viewsOf(range, shape.count)
  const wanted = { ...rangeFor('attachRing', range, shape), isShared: true }
  return range.core.claims.claim(wanted, (release) => new Ring(range, shape, patience, views, release))
}

/** The bytes that a ring takes of the memory that it was given. */
function rangeFor(subject: string, { core, offset }: MemoryRange, { count }: RingShape) {
  return { subject, kind: 'ring', core, offset, length: bytesOf(count) } as const
}
