import { alignedMemory, type RegionMemory } from '../memory/region-memory.js'
import { ringBytes as bytesOf, readShape, viewsOf, writeRing } from './layout.js'
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
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` if the ring does not fit, `ERR_REGION_CLOSED`
 */
export function createRing(memory: RegionMemory, options: RingOptions = {}): Ring {
  const { length: bytes } = alignedMemory('createRing', memory)
  const { shape, patience } = checkedCreate(options, bytes)
  const views = viewsOf(memory, shape.count)
  writeRing(views.words, shape)
  return new Ring(memory, shape, patience, views)
}

/**
 * Attaches to the ring that `createRing` made in this memory, in this or another thread or process.
 *
 * @throws PinfoldError `ERR_RING_LAYOUT` if there is no ring, `ERR_RING_CLAIMED` if 64 living threads are attached,
 *   `ERR_INVALID_ARGUMENT`, `ERR_REGION_CLOSED`
 */
export function attachRing(memory: RegionMemory, options: RingAttachOptions = {}): Ring {
  const { length: bytes } = alignedMemory('attachRing', memory)
  const patience = checkedAttach(options)
  const shape = readShape(memory, bytes)
  return new Ring(memory, shape, patience, viewsOf(memory, shape.count))
}
