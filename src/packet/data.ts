import { checkRange } from '../options.js'
import { damaged, noRoom, requireUpTo } from './errors.js'
import { recordWord, slotWord } from './layout.js'
import {
  firstOf,
  holders,
  isPacket,
  lastOf,
  otherBuffer,
  type PacketTable,
  recordOf,
  requireBuffer,
  segmentsAt,
  sharers,
  slotOf,
} from './table.js'

// Where the data of packets are, and how they grow and shrink at both ends. Programs get offsets from the start of the
// packets' memory. A `Stretch` counts from the start of its region, as the region's views do.

/** A stretch of the region, in bytes. */
export interface Stretch {
  readonly offset: number
  readonly length: number
}

/** @throws PinfoldError as `packets.length` */
export function length(table: PacketTable, index: number): number {
  return totalAt(table, firstOf(table, 'length', index))
}

/** @throws PinfoldError as `packets.dataLength` */
export function dataLength(table: PacketTable, index: number): number {
  const at = recordOf(table, 'dataLength', index)
  return table.views.records[at + recordWord.length]
}

/** @throws PinfoldError as `packets.offset` */
export function offset(table: PacketTable, index: number): number {
  recordOf(table, 'offset', index)
  return dataOf(table, 'offset', index).offset - table.range.offset
}

/** @throws PinfoldError as `packets.headroomOf` */
export function headroomOf(table: PacketTable, index: number): number {
  recordOf(table, 'headroomOf', index)
  return roomBefore(table, 'headroomOf', index)
}

/** @throws PinfoldError as `packets.tailroomOf` */
export function tailroomOf(table: PacketTable, index: number): number {
  return roomBehind(table, 'tailroomOf', lastOf(table, 'tailroomOf', index))
}

/** @throws PinfoldError as `packets.isShared` */
export function isShared(table: PacketTable, index: number): boolean {
  recordOf(table, 'isShared', index)
  requireBuffer(table, 'isShared', index)
  return isSharing(table, index)
}

/** @throws PinfoldError as `packets.privateOf` */
export function privateOf(table: PacketTable, index: number): Uint8Array<ArrayBuffer> {
  recordOf(table, 'privateOf', index)
  const { details, privateSize } = table.shape
  return table.views.details.subarray((index + 1) * details - privateSize, (index + 1) * details)
}

/** The segment behind this one; -1 if this is the last. @throws PinfoldError as `packets.free` */
export function next(table: PacketTable, index: number): number {
  const at = recordOf(table, 'next', index)
  const found = segmentsAt(table, at) === 1 ? -1 : table.views.records[at + recordWord.next] - 1
  if (found >= -1 && found < table.shape.capacity) return found
  throw damaged('next', index, `its next segment is ${found}`)
}

/** @throws PinfoldError as `packets.append` */
export function append(table: PacketTable, index: number, count: number): number {
  const { shape, pool } = table
  const { records } = table.views
  const at = isPacket(index, shape.capacity) ? index << 3 : -1
  // The usual packet: one holder, one segment, its own buffer. There is none in an empty view.
  if (records[at] === 1 && records[at + recordWord.form] === 1 && !pool.closed) {
    const start = records[at + recordWord.start]
    const length = records[at + recordWord.length]
    const size = pool.elementSize
    // `count` is a whole number, and there is room for it; and no number of the record is damaged.
    const isRoom = typeof count === 'number' && count >>> 0 === count && count <= size - start - length
    if (isRoom && (start | length) >= 0 && start <= size && length <= size) {
      records[at + recordWord.length] = length + count
      return shape.pool + pool.offset(index) + start + length
    }
  }
  const segment = lastOf(table, 'append', index)
  const { offset, length } = dataOf(table, 'append', segment)
  requireUpTo('append', 'count', count, 2 ** 31 - 1 - totalAt(table, index << 3))
  const room = roomBehind(table, 'append', segment)
  if (count > room) throw noRoom('append', index, 'tailroom', count, room)
  grow(table, index, segment, count)
  return offset + length - table.range.offset
}

/** @throws PinfoldError as `packets.prepend` */
export function prepend(table: PacketTable, index: number, count: number): number {
  const at = firstOf(table, 'prepend', index)
  const { offset } = dataOf(table, 'prepend', index)
  requireUpTo('prepend', 'count', count, 2 ** 31 - 1 - totalAt(table, at))
  const room = roomBefore(table, 'prepend', index)
  if (count > room) throw noRoom('prepend', index, 'headroom', count, room)
  table.views.records[at + recordWord.start] -= count
  grow(table, index, index, count)
  return offset - count - table.range.offset
}

/** @throws PinfoldError as `packets.adj` */
export function adj(table: PacketTable, index: number, count: number): number {
  const at = firstOf(table, 'adj', index)
  const { offset, length } = dataOf(table, 'adj', index)
  requireUpTo('adj', 'count', count, length)
  table.views.records[at + recordWord.start] += count
  grow(table, index, index, -count)
  return offset + count - table.range.offset
}

/** @throws PinfoldError as `packets.trim` */
export function trim(table: PacketTable, index: number, count: number): void {
  const segment = lastOf(table, 'trim', index)
  requireUpTo('trim', 'count', count, dataOf(table, 'trim', segment).length)
  grow(table, index, segment, -count)
}

/** Where the data of an allocated segment are: within its buffer, whatever its record says. @throws PinfoldError */
export function dataOf(table: PacketTable, subject: string, index: number): Stretch {
  const { records } = table.views
  const at = index << 3
  const buffer = bufferOf(table, subject, index)
  const start = records[at + recordWord.start]
  const length = records[at + recordWord.length]
  if (start < 0 || length < 0 || start + length > buffer.length) {
    throw damaged(subject, index, `its data start at ${start} and are ${length} bytes, in ${buffer.length}`)
  }
  return { offset: buffer.offset + start, length }
}

/** The bytes of a segment. @throws PinfoldError as `packets.bytes` */
export function bytesOf(table: PacketTable, subject: string, index: number): Uint8Array<ArrayBuffer> {
  recordOf(table, subject, index)
  const { offset, length } = dataOf(table, subject, index)
  return table.range.core.view(offset, length)
}

/** The length of a packet, as the record of its first segment says, which starts at `at`. */
export function totalAt(table: PacketTable, at: number): number {
  return table.views.records[at + (segmentsAt(table, at) === 1 ? recordWord.length : recordWord.total)]
}

// A buffer that several packets use has no room: after a clone or a split, it may hold another packet's data.

/** Bytes of the buffer before a segment's data. */
export function roomBefore(table: PacketTable, subject: string, index: number): number {
  dataOf(table, subject, index)
  return isSharing(table, index) ? 0 : table.views.records[(index << 3) + recordWord.start]
}

/** Bytes of the buffer behind a segment's data. */
export function roomBehind(table: PacketTable, subject: string, index: number): number {
  const { offset, length } = dataOf(table, subject, index)
  const buffer = bufferOf(table, subject, index)
  return isSharing(table, index) ? 0 : buffer.offset + buffer.length - offset - length
}

/** Whether other packets use the buffer that a segment uses. */
export function isSharing(table: PacketTable, index: number): boolean {
  const buffer = otherBuffer(table, index)
  if (buffer < 0) return table.views.slots[slotOf(buffer) + slotWord.references] > 1
  const owner = buffer === 0 ? index : buffer - 1
  return Math.min(1, holders(table, owner)) + sharers(table, owner) > 1
}

/** Adds `count` bytes to a segment of packet `index`; removes them if it is negative. */
function grow({ views: { records } }: PacketTable, index: number, segment: number, count: number): void {
  records[(segment << 3) + recordWord.length] += count
  records[(index << 3) + recordWord.total] += count
}

function bufferOf(table: PacketTable, subject: string, index: number): Stretch {
  const buffer = otherBuffer(table, index)
  if (buffer === 0) return ownBuffer(table, index)
  requireBuffer(table, subject, index)
  if (buffer > 0) return ownBuffer(table, buffer - 1)
  const { slots } = table.views
  const slot = slotOf(buffer)
  const offset = (slots[slot + slotWord.offsetLow] >>> 0) + slots[slot + slotWord.offsetHigh] * 2 ** 32
  const length = slots[slot + slotWord.length]
  checkRange(subject, offset, length, table.range.core.size)
  return { offset, length }
}

function ownBuffer({ range, shape, pool }: PacketTable, index: number): Stretch {
  return { offset: range.offset + shape.pool + pool.offset(index), length: pool.elementSize }
}
