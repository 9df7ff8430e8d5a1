import { PinfoldError } from '../errors.js'
import type { MemoryRange } from '../memory/region-memory.js'
import type { BufferPool } from '../pool/buffer-pool.js'
import { damaged, noPacket, notFirst, packetFree } from './errors.js'
import type { ExternalSlots } from './external-buffers.js'
import type { Details, PacketFields } from './fields.js'
import {
  holdersMask,
  type NewRecord,
  newRecord,
  type PacketShape,
  type PacketViews,
  packetViews,
  recordWord,
  segmentsMask,
  slotWord,
  slotWords,
  usesOther,
} from './layout.js'
import { Unreturned } from './unreturned.js'

/** What packets have beside their pool. */
export interface BesidePool {
  readonly fields: PacketFields
  readonly externals: ExternalSlots
}

/** What an object for packets is made with. */
export interface OpenedPackets extends BesidePool {
  /** The range of the bookkeeping of their pool. */
  readonly bookkeeping: MemoryRange
  /** Releases the packets' claim on their range; a second call does nothing. */
  readonly release: () => void
}

/**
 * What one thread knows of its packets: the views of their memory, and the work that a call left for a later one. The
 * other files of this folder are functions on it; `Packets` is the class that programs use.
 *
 * A function that is given a packet's number calls `recordOf`, `firstOf` or `segmentsOf` before it reads a word. Behind
 * these calls the views are not empty, and the number is an index into them.
 */
export interface PacketTable extends BesidePool {
  readonly range: MemoryRange
  readonly shape: PacketShape
  /** The pool that the packets' own buffers are elements of. */
  readonly pool: BufferPool
  /** The record of a new packet. */
  readonly made: NewRecord
  /** Empty (length 0) when the region is closed, or when a program has transferred its ArrayBuffer. */
  views: PacketViews
  readonly unreturned: Unreturned
  /** Slots of external buffers that no packet uses, and whose release callbacks have not been called yet. */
  readonly unreleased: number[]
}

/** @throws PinfoldError as `region.view` */
export function packetTable(
  range: MemoryRange,
  shape: PacketShape,
  pool: BufferPool,
  { fields, externals }: BesidePool,
): PacketTable {
  const views = packetViews(range, shape)
  const made = newRecord(shape.headroom)
  return { range, shape, pool, made, fields, externals, views, unreturned: new Unreturned(), unreleased: [] }
}

/** Checks that the packets are open, and renews the views if they are empty. @throws PinfoldError */
export function viewsNow(table: PacketTable): PacketViews {
  if (table.pool.closed) throw new PinfoldError('these Packets are closed', { code: 'ERR_POOL_CLOSED' })
  // A view of a closed region throws. If the region is open, a program has transferred its ArrayBuffer away.
  if (table.views.records.length === 0) table.views = packetViews(table.range, table.shape)
  return table.views
}

export function isPacket(index: number, capacity: number): boolean {
  return typeof index === 'number' && index >>> 0 === index && index < capacity
}

/** Where the record of an allocated packet starts. @throws PinfoldError */
export function recordOf(table: PacketTable, subject: string, index: number): number {
  const { records } = viewsNow(table)
  const { capacity } = table.shape
  if (!isPacket(index, capacity)) throw noPacket(subject, index, capacity)
  if ((records[index << 3] & holdersMask) === 0) throw packetFree(subject, index)
  return index << 3
}

/** The places of the packets' declared fields. */
export function detailsOf(table: PacketTable): Details {
  return {
    get view() {
      return viewsNow(table).fields
    },
    of: (index) => (recordOf(table, 'field', index) >> 3) * table.shape.details,
  }
}

/** As `recordOf`, of a packet's first segment. @throws PinfoldError */
export function firstOf(table: PacketTable, subject: string, index: number): number {
  const at = recordOf(table, subject, index)
  if (segmentsAt(table, at) === 0) throw notFirst(subject, index)
  return at
}

/** How many segments a packet has, by the record that starts at `at`; 0 if it is a later segment of a packet. */
export function segmentsAt(table: PacketTable, at: number): number {
  return table.views.records[at + recordWord.form] & segmentsMask
}

/** The buffer that a segment uses, as `recordWord.buffer` names it; 0: its own. */
export function otherBuffer(table: PacketTable, index: number): number {
  const { records } = table.views
  const at = index << 3
  return (records[at + recordWord.form] & usesOther) === 0 ? 0 : records[at + recordWord.buffer]
}

/** How many holders a segment has. */
export function holders(table: PacketTable, index: number): number {
  return table.views.records[index << 3] & holdersMask
}

/** How many other packets use the own buffer of a packet. */
export function sharers(table: PacketTable, index: number): number {
  return table.views.records[index << 3] >>> 16
}

/** Where the slot starts of an external buffer, a negative number as `recordWord.buffer` names it. */
export function slotOf(buffer: number): number {
  return (-1 - buffer) * slotWords
}

/** The numbers of a packet's segments. The record of each was checked. @throws PinfoldError as `packets.free` */
export function segmentsOf(table: PacketTable, subject: string, index: number): number[] {
  const count = segmentsAt(table, firstOf(table, subject, index))
  if (count === 1) return [index]
  const { records } = table.views
  const found = [index]
  let last = index
  while (found.length < count) {
    const next = records[(last << 3) + recordWord.next] - 1
    if (!isPacket(next, table.shape.capacity) || holders(table, next) === 0 || segmentsAt(table, next << 3) !== 0) {
      throw damaged(subject, index, `segment ${found.length} of ${count} is ${next}`)
    }
    found.push(next)
    last = next
  }
  // This also proves that no segment is there twice: the chain would repeat from there on, and never end.
  if (records[(last << 3) + recordWord.next] !== 0) throw damaged(subject, index, 'it goes on after its last segment')
  return found
}

/** The number of a packet's last segment, without a look at those between. @throws PinfoldError as `packets.free` */
export function lastOf(table: PacketTable, subject: string, index: number): number {
  const at = firstOf(table, subject, index)
  if (segmentsAt(table, at) === 1) return index
  const { records } = table.views
  const last = records[at + recordWord.last] - 1
  const isLast =
    isPacket(last, table.shape.capacity) &&
    holders(table, last) > 0 &&
    segmentsAt(table, last << 3) === 0 &&
    records[(last << 3) + recordWord.next] === 0
  if (!isLast) throw damaged(subject, index, `its last segment is ${last}`)
  return last
}

/** As `segmentsOf`, and each segment uses a buffer that exists. @throws PinfoldError as `packets.free` */
export function freeableSegmentsOf(table: PacketTable, subject: string, index: number): number[] {
  const segments = segmentsOf(table, subject, index)
  for (const segment of segments) requireBuffer(table, subject, segment)
  return segments
}

/** @throws PinfoldError `ERR_PACKET_DAMAGED` when the segment uses the buffer of a free packet, or of a free slot */
export function requireBuffer(table: PacketTable, subject: string, index: number): void {
  const { shape, views } = table
  const buffer = otherBuffer(table, index)
  if (buffer === 0) return
  const isInUse =
    buffer > 0
      ? isPacket(buffer - 1, shape.capacity) && views.records[(buffer - 1) << 3] !== 0
      : -buffer <= shape.externals && views.slots[slotOf(buffer) + slotWord.references] > 0
  if (!isInUse) throw damaged(subject, index, `it uses buffer ${buffer}, which is free`)
}
