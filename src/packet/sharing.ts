import { atomicAdd } from '../builtins.js'
import type { RegionMemory } from '../memory/region-memory.js'
import { dataOf } from './data.js'
import { packetShared } from './errors.js'
import { externalRange } from './external-buffers.js'
import { mostReferences, oneSharer, recordWord, usesOther } from './layout.js'
import { dropBuffer, requireRoom, settle } from './references.js'
import {
  firstOf,
  otherBuffer,
  type PacketTable,
  recordOf,
  requireBuffer,
  segmentsAt,
  sharers,
  slotOf,
  viewsNow,
} from './table.js'

// Packets that use another buffer than their own: that of another packet, or a slice of the region.

/** As `packets.attach`, but free packets and release callbacks wait for the caller's `settle`. @throws PinfoldError */
export function attach(table: PacketTable, subject: string, index: number, to: number): void {
  requirePlain(table, subject, index)
  recordOf(table, subject, to)
  if (index === to) throw packetShared(subject, index, 'cannot share its own buffer')
  dataOf(table, subject, to)
  const { records, slots } = table.views
  const from = to << 3
  const buffer = otherBuffer(table, to)
  if (buffer < 0) table.externals.share(slots, slotOf(buffer))
  else shareBuffer(table, subject, buffer === 0 ? to : buffer - 1)
  const at = index << 3
  records[at + recordWord.buffer] = buffer === 0 ? to + 1 : buffer
  records[at + recordWord.start] = records[from + recordWord.start]
  records[at + recordWord.length] = records[from + recordWord.length]
  records[at + recordWord.form] = usesOther | 1
  copyFields(table, index, to)
}

/** @throws PinfoldError as `packets.attachExternal` */
export function attachExternal(table: PacketTable, index: number, memory: RegionMemory, release: () => void): void {
  // The caller's functions run first, since they may do anything with the packet.
  runReleases(table)
  const range = externalRange(table.range.core, memory, release)
  requirePlain(table, 'attachExternal', index)
  const { records, slots } = table.views
  const slot = table.externals.claim(slots, range, release)
  const at = index << 3
  records[at + recordWord.buffer] = -1 - slot
  records[at + recordWord.start] = 0
  records[at + recordWord.length] = range.length
  records[at + recordWord.form] = usesOther | 1
  settle(table)
}

/** @throws PinfoldError as `packets.detach` */
export function detach(table: PacketTable, index: number): void {
  const at = firstOf(table, 'detach', index)
  const { records } = table.views
  if (segmentsAt(table, at) !== 1 || records[at] !== 1) {
    throw packetShared('detach', index, 'is shared, or has more segments')
  }
  requireBuffer(table, 'detach', index)
  requireRoom(table, 1)
  dropBuffer(table, index)
  records[at + recordWord.start] = table.shape.headroom
  records[at + recordWord.length] = 0
  settle(table)
}

/** @throws PinfoldError as `packets.runReleases` */
export function runReleases(table: PacketTable): number {
  return table.externals.run(viewsNow(table).slots)
}

/** Gives a packet the values that the declared fields of another have. */
export function copyFields({ shape, fields, views }: PacketTable, index: number, from: number): void {
  const { details } = shape
  if (fields.bytes > 0) views.details.copyWithin(index * details, from * details, from * details + fields.bytes)
}

function shareBuffer(table: PacketTable, subject: string, owner: number): void {
  if (sharers(table, owner) >= mostReferences) {
    throw packetShared(subject, owner, 'is shared 32,766 times, the most that a buffer can be')
  }
  atomicAdd(table.views.records, owner << 3, oneSharer)
}

/** @throws PinfoldError `ERR_PACKET_SHARED` unless the packet has one holder, one segment, and its own buffer */
function requirePlain(table: PacketTable, subject: string, index: number): void {
  const at = firstOf(table, subject, index)
  const { records } = table.views
  if (records[at] === 1 && records[at + recordWord.form] === 1) return
  throw packetShared(subject, index, 'is shared, or has more segments, or uses another buffer than its own')
}
