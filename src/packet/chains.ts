import { checkRange } from '../options.js'
import { bytesOf, dataOf, isSharing, roomBehind, totalAt } from './data.js'
import { noRoom, packetShared, requireUpTo } from './errors.js'
import { mostSegments, recordWord, usesOther } from './layout.js'
import { allocateSome, drop, orDiscard, requireRoom, settle } from './references.js'
import { fill, lengthOf } from './segments.js'
import { attach, copyFields } from './sharing.js'
import { freeableSegmentsOf, holders, lastOf, type PacketTable, segmentsAt, segmentsOf } from './table.js'

// Packets that are made of others: joined, cut in two, brought into one piece, cloned and copied.

/** @throws PinfoldError as `packets.chain` */
export function chain(table: PacketTable, head: number, tail: number): void {
  const end = lastOf(table, 'chain', head)
  const last = lastOf(table, 'chain', tail)
  for (const one of [head, tail]) {
    if (holders(table, one) !== 1) throw packetShared('chain', one, 'has more than one holder')
  }
  if (end === last) throw packetShared('chain', tail, 'cannot follow itself')
  const count = segmentsAt(table, head << 3) + segmentsAt(table, tail << 3)
  requireUpTo('chain', 'segments', count, mostSegments)
  const total = totalAt(table, head << 3) + totalAt(table, tail << 3)
  requireUpTo('chain', 'length', total, 2 ** 31 - 1)
  const { records } = table.views
  records[(end << 3) + recordWord.next] = tail + 1
  // The words from `next` on of a packet of one segment have never been written.
  if (last === tail) records[(tail << 3) + recordWord.next] = 0
  records[(tail << 3) + recordWord.form] &= usesOther
  records[(head << 3) + recordWord.form] = (records[(head << 3) + recordWord.form] & usesOther) | count
  records[(head << 3) + recordWord.total] = total
  records[(head << 3) + recordWord.last] = last + 1
}

/** @throws PinfoldError as `packets.split` */
export function split(table: PacketTable, index: number, at: number): number {
  const segments = segmentsOf(table, 'split', index)
  requireUpTo('split', 'at', at, lengthOf(table, 'split', segments))
  if (holders(table, index) !== 1) throw packetShared('split', index, 'has more than one holder')
  let place = 0
  let from = at
  for (; place < segments.length - 1; place++) {
    const { length } = dataOf(table, 'split', segments[place])
    if (from < length) break
    from -= length
  }
  // At the start of a later segment nothing has to be shared.
  if (from === 0 && place > 0) {
    const rest = link(table, segments.slice(place))
    link(table, segments.slice(0, place))
    return rest
  }
  const cut = segments[place]
  const [made] = allocateSome(table, 1)
  if (made === undefined) return -1
  orDiscard(table, [made], () => attach(table, 'split', made, cut))
  const { records } = table.views
  const rest = made << 3
  records[rest + recordWord.start] += from
  records[rest + recordWord.length] -= from
  records[(cut << 3) + recordWord.length] = from
  link(table, [made, ...segments.slice(place + 1)])
  link(table, segments.slice(0, place + 1))
  return made
}

/** @throws PinfoldError as `packets.linearize` */
export function linearize(table: PacketTable, index: number): void {
  const segments = freeableSegmentsOf(table, 'linearize', index)
  if (segments.length === 1) return
  requireRoom(table, segments.length)
  const total = lengthOf(table, 'linearize', segments)
  const { offset, length } = dataOf(table, 'linearize', index)
  if (holders(table, index) !== 1 || isSharing(table, index))
    throw packetShared('linearize', index, 'shares its buffer')
  const room = roomBehind(table, 'linearize', index)
  if (total - length > room) throw noRoom('linearize', index, 'tailroom', total - length, room)
  const target = table.range.core.view(offset, total)
  let at = length
  const rest = segments.slice(1)
  for (const segment of rest) {
    const bytes = bytesOf(table, 'linearize', segment)
    target.set(bytes, at)
    at += bytes.length
  }
  table.views.records[(index << 3) + recordWord.length] = total
  link(table, [index])
  for (const segment of rest) drop(table, segment)
  settle(table)
}

/** @throws PinfoldError as `packets.clone` */
export function clone(table: PacketTable, index: number): number {
  const segments = freeableSegmentsOf(table, 'clone', index)
  for (const segment of segments) dataOf(table, 'clone', segment)
  const made = allocateSome(table, segments.length)
  if (made.length === 0) return -1
  orDiscard(table, made, () => {
    for (const [place, one] of made.entries()) attach(table, 'clone', one, segments[place])
  })
  const cloned = link(table, made)
  settle(table)
  return cloned
}

/** @throws PinfoldError as `packets.copy` */
export function copy(table: PacketTable, index: number, from: number, count?: number): number {
  const total = lengthOf(table, 'copy', segmentsOf(table, 'copy', index))
  requireUpTo('copy', 'from', from, total)
  const length = count === undefined ? total - from : count
  checkRange('copy', from, length, total)
  const { headroom } = table.shape
  const later = table.pool.elementSize
  const first = later - headroom
  const more = length <= first ? 0 : Math.ceil((length - first) / later)
  requireUpTo('copy', 'segments', more + 1, mostSegments)
  const made = allocateSome(table, more + 1)
  if (made.length === 0) return -1
  const { records } = table.views
  let left = length
  for (const [place, one] of made.entries()) {
    const bytes = Math.min(left, place === 0 ? first : later)
    records[(one << 3) + recordWord.start] = place === 0 ? headroom : 0
    records[(one << 3) + recordWord.length] = bytes
    left -= bytes
  }
  orDiscard(table, made, () => fill(table, index, from, made))
  copyFields(table, made[0], index)
  return link(table, made)
}

/** Makes one packet of these segments. @returns its number, which is that of the first */
function link({ views: { records } }: PacketTable, segments: readonly number[]): number {
  const [first] = segments
  let total = 0
  for (const [place, segment] of segments.entries()) {
    const at = segment << 3
    total += records[at + recordWord.length]
    records[at + recordWord.form] &= usesOther
    records[at + recordWord.next] = place + 1 < segments.length ? segments[place + 1] + 1 : 0
  }
  records[(first << 3) + recordWord.form] |= segments.length
  records[(first << 3) + recordWord.total] = total
  records[(first << 3) + recordWord.last] = segments[segments.length - 1] + 1
  return first
}
