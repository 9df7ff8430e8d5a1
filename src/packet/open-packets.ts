import { PinfoldError } from '../errors.js'
import { OpenOnce } from '../memory/open-once.js'
import { type AlignedMemory, alignedMemory, type RegionMemory } from '../memory/region-memory.js'
import type { BufferPool } from '../pool/buffer-pool.js'
import { attachBufferPool, bufferPoolBytes, createBufferPool } from '../pool/open-pool.js'
import type { BufferPoolOptions } from '../pool/options.js'
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
 *   thread has packets open there, `ERR_REGION_CLOSED`
 */
export function createPackets(memory: RegionMemory, options: PacketsOptions = {}): Packets {
  const range = alignedMemory('createPackets', memory)
  const asked = checkedPackets('createPackets', options)
  if (open.find(range) !== undefined) {
    throw new PinfoldError('createPackets: this thread has packets open there', { code: 'ERR_POOL_OPEN' })
  }
  const { pageSize } = range.core
  const capacity = asked.count ?? mostThatFit(asked, range.length, pageSize)
  const shape = shapeOf(asked, Math.max(1, capacity))
  const bytesNeeded = bytesOf(asked, shape.capacity, pageSize)
  const room = { count: shape.capacity, bytesNeeded, bytes: range.length }
  if (capacity < 1 || shape.pool >= range.length) throw doNotFit(room)
  // Before the pool is made: the records of very many packets may be more than one view can show, which throws.
  memory.view(0, shape.pool)
  const pool = poolIn(memory.slice(shape.pool, range.length - shape.pool), { ...asked.pool, count: capacity }, room)
  writePackets(memory, shape)
  publishPackets(memory)
  return opened(range, shape, pool, asked.fields)
}

/**
 * Opens the packets that `createPackets` has made in this memory, also in another thread, or in another process that
 * has the memory. A thread has one object for them: a second call returns the same.
 *
 * @throws PinfoldError `ERR_PACKETS_LAYOUT` when there are no packets; as `attachBufferPool`
 */
export function attachPackets(memory: RegionMemory): Packets {
  const range = alignedMemory('attachPackets', memory)
  const shape = readPackets(memory, range.length)
  const fields = PacketFields.parse(shape.declaration)
  if (fields === undefined || fields.bytes + shape.privateSize > shape.details) {
    throw noPackets('their header declares no valid fields', { declaration: shape.declaration })
  }
  const known = open.find(range)
  if (known !== undefined) return known
  const pool = attachBufferPool(memory.slice(shape.pool, range.length - shape.pool))
  if (pool.capacity === shape.capacity && shape.headroom <= pool.elementSize) return opened(range, shape, pool, fields)
  pool.close()
  throw noPackets('the pool behind their header is not theirs', { capacity: shape.capacity, elements: pool.capacity })
}

/**
 * Bytes that `options.count` packets take, if they start at a multiple of `pageSize` bytes.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function packetsBytes(options: PacketsOptions & { readonly count: number }, pageSize = 4096): number {
  const asked = checkedPackets('packetsBytes', options)
  if (asked.count !== undefined) return bytesOf(asked, asked.count, pageSize)
  throw new PinfoldError('packetsBytes: count: expected a whole number, received undefined', {
    code: 'ERR_INVALID_ARGUMENT',
    values: { received: undefined },
  })
}

/** The pool, which alone knows exactly how many bytes it takes at its place in the region. @throws PinfoldError */
function poolIn(memory: RegionMemory, options: BufferPoolOptions, room: Room): BufferPool {
  try {
    return createBufferPool(memory, options)
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
  // The pool starts in the middle of a page, so its elements may begin up to a page later.
  return shapeOf(asked, count).pool + bufferPoolBytes({ ...asked.pool, count }, pageSize) + pageSize
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

function opened(range: AlignedMemory, shape: PacketShape, pool: Packets['pool'], fields: PacketFields): Packets {
  return open.add(range, new Packets(range, shape, pool, { fields, externals: new ExternalSlots() }))
}
