import { PinfoldError } from '../errors.js'
import { OpenOnce } from '../memory/open-once.js'
import { alignedMemory, type MemoryRange, type RegionMemory, viewIn } from '../memory/region-memory.js'
import type { BufferPool } from '../pool/buffer-pool.js'
import { bookkeepingOf } from '../pool/layout.js'
import {
  bufferPoolBytes,
  findPool,
  makePool,
  openPool,
  type PoolPlan,
  bytesOf as poolBytes,
  poolFor,
} from '../pool/open-pool.js'
import type { BufferPoolOptions } from '../pool/options.js'
import { basePageSize } from '../system/page-sizes.js'
import { ExternalSlots } from './external-buffers.js'
import { PacketFields } from './fields.js'
import {
  mostPackets,
  noPackets,
  type PacketShape,
  packetPlaces,
  publishPackets,
  readPackets,
  writePackets,
} from './layout.js'
import { type CheckedPackets, checkedPackets, type PacketsOptions } from './options.js'
import { Packets } from './packets.js'

const open = new OpenOnce<Packets>()

/**
 * Makes packets in `memory`, all free, whatever it contained. No thread may use packets there.
 *
 * @param memory a region, or a slice that starts at a multiple of 64 bytes
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` when they do not fit, `ERR_POOL_OPEN` when this
 *   thread has packets open there, `ERR_RANGE_IN_USE`, `ERR_REGION_CLOSED`
 */
export function createPackets(memory: RegionMemory, options: PacketsOptions = {}): Packets {
  const range = alignedMemory('createPackets', memory)
  const { asked, shape, place, pool, length } = packetsFor(range, options)
  if (open.find(range) !== undefined) {
    throw new PinfoldError('createPackets: this thread has packets open in this memory; close them first', {
      code: 'ERR_POOL_OPEN',
    })
  }
  // Before the pool is made: the records of very many packets may be more than one view can show, which throws.
  viewIn(range, 0, shape.pool)
  return range.core.claims.claim({ ...range, subject: 'createPackets', kind: 'packets', length }, (release) => {
    const made = makePool(place, pool, release)
    return closingUnless(made, () => {
      writePackets(range, shape)
      publishPackets(range)
      return opened(range, shape, { pool: made, plan: pool, fields: asked.fields, release })
    })
  })
}

/** Packets that can be made. */
interface PacketsPlan {
  readonly asked: CheckedPackets
  readonly shape: PacketShape
  /** The range of their pool. */
  readonly place: MemoryRange
  readonly pool: PoolPlan
  /** Bytes of the whole, with the pool. */
  readonly length: number
}

/** Packets of these options in the range. @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` */
export function packetsFor(range: MemoryRange, options: PacketsOptions): PacketsPlan {
  const asked = checkedPackets('createPackets', options)
  const { pageSize } = range.core
  const capacity = asked.count ?? mostThatFit(asked, range.length, pageSize)
  const shape = shapeOf(asked, Math.max(1, capacity))
  const room = { count: shape.capacity, bytesNeeded: bytesOf(asked, shape.capacity, pageSize), bytes: range.length }
  if (capacity < 1 || shape.pool >= range.length) throw doNotFit(room)
  const place = partOf(range, shape)
  const pool = planIn(place, { ...asked.pool, count: capacity }, room)
  return { asked, shape, place, pool, length: shape.pool + poolBytes(pool.shape) }
}

/**
 * Opens the packets that `createPackets` has made in this memory, also in another thread, or in another process that
 * has the memory. A thread has one object for them: a second call returns the same.
 *
 * @throws PinfoldError `ERR_PACKETS_LAYOUT` when there are no packets; as `attachBufferPool`
 */
export function attachPackets(memory: RegionMemory): Packets {
  const range = alignedMemory('attachPackets', memory)
  const shape = readPackets(range)
  const fields = PacketFields.parse(shape.declaration)
  if (fields === undefined || fields.bytes + shape.privateSize > shape.details) {
    throw noPackets('their header declares no valid fields', { declaration: shape.declaration })
  }
  const known = open.find(range)
  if (known !== undefined) return known
  const place = partOf(range, shape)
  const plan = findPool(place)
  const { capacity, elementSize } = plan.shape
  if (capacity !== shape.capacity || shape.headroom > elementSize) {
    throw noPackets('the pool behind their header is not theirs', { capacity: shape.capacity, elements: capacity })
  }
  const length = shape.pool + poolBytes(plan.shape)
  const wanted = { ...range, subject: 'attachPackets', kind: 'packets', length, part: plan.known } as const
  return range.core.claims.claim(wanted, (release) => {
    if (plan.known !== undefined) return opened(range, shape, { pool: plan.known, plan, fields, release })
    const pool = openPool(place, plan, release)
    return closingUnless(pool, () => opened(range, shape, { pool, plan, fields, release }))
  })
}

/**
 * Bytes that `options.count` packets take, if they start at a multiple of `pageSize` bytes.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function packetsBytes(options: PacketsOptions & { readonly count: number }, pageSize = basePageSize): number {
  const asked = checkedPackets('packetsBytes', options)
  if (asked.count !== undefined) return bytesOf(asked, asked.count, pageSize)
  throw new PinfoldError('packetsBytes: count: expected a whole number, received undefined', {
    code: 'ERR_INVALID_ARGUMENT',
    values: { received: undefined },
  })
}

/** The range of the packets' pool. */
function partOf({ core, offset, length }: MemoryRange, { pool }: PacketShape): MemoryRange {
  return { core, offset: offset + pool, length: length - pool }
}

/** The plan of the pool, which alone knows exactly how many bytes it takes at its place. @throws PinfoldError */
function planIn(place: MemoryRange, options: BufferPoolOptions, room: Room): PoolPlan {
  try {
    return poolFor('createPackets', place, options)
  } catch (error) {
    throw error instanceof PinfoldError && error.code === 'ERR_OUT_OF_RANGE' ? doNotFit(room) : error
  }
}

interface Room {
  readonly count: number
  readonly bytesNeeded: number
  readonly bytes: number
}

function doNotFit(room: Room): PinfoldError {
  const message = `createPackets: ${room.count} packets take ${room.bytesNeeded} bytes, and the memory has ${room.bytes}`
  return new PinfoldError(message, { code: 'ERR_OUT_OF_RANGE', values: { ...room } })
}

function bytesOf(asked: CheckedPackets, count: number, pageSize: number): number {
  // The pool starts in the middle of a page, so its elements may begin up to a page, or their alignment, later.
  const ofPool = bufferPoolBytes({ ...asked.pool, count }, pageSize) // checks the options of the pool
  return shapeOf(asked, count).pool + ofPool + Math.max(pageSize, asked.pool.align ?? 0)
}

function shapeOf({ headroom, privateSize, fields, externals }: CheckedPackets, capacity: number): PacketShape {
  const details = Math.ceil((fields.bytes + privateSize) / 8) * 8
  const { declaration } = fields
  const base = { capacity, headroom, privateSize, details, externals, declaration }
  return { ...base, pool: packetPlaces(base).end }
}

function mostThatFit(asked: CheckedPackets, bytes: number, pageSize: number): number {
  let low = 0
  let high = Math.min(mostPackets, Math.floor(bytes / Number(asked.pool.elementSize)))
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (bytesOf(asked, middle, pageSize) <= bytes) low = middle
    else high = middle - 1
  }
  return low
}

/** What `make` returns. The pool is closed if it throws. */
function closingUnless<Made>(pool: BufferPool, make: () => Made): Made {
  try {
    return make()
  } catch (error) {
    pool.close()
    throw error
  }
}

interface OpenedWith {
  readonly pool: BufferPool
  readonly plan: PoolPlan
  readonly fields: PacketFields
  readonly release: () => void
}

function opened(range: MemoryRange, shape: PacketShape, { pool, plan, fields, release }: OpenedWith): Packets {
  const bookkeeping = bookkeepingOf(partOf(range, shape), plan.shape)
  const beside = { fields, externals: new ExternalSlots(), bookkeeping, release }
  return open.add(range, new Packets(range, shape, pool, beside))
}
