import { plainBytes } from '../arrays/plain-bytes.js'
import { PinfoldError } from '../errors.js'
import type { RegionCore } from '../memory/region-core.js'
import { checkRange } from '../options.js'
import type { Registers } from '../pool/elements.js'
import { describe } from '../sizes.js'
import { bytesOf, dataOf, type Stretch, totalAt } from './data.js'
import { damaged, requireUpTo } from './errors.js'
import { firstOf, type PacketTable, segmentsAt, segmentsOf } from './table.js'

// The bytes of a packet, which may lie in several segments.

/** A stretch of a packet's bytes that is in one piece. */
export interface PacketPart {
  /** The segment that the bytes are in. */
  readonly index: number
  /** Where the bytes start, in bytes from the start of the packets' memory. */
  readonly offset: number
  readonly length: number
}

/** How many segments a packet has. @throws PinfoldError as `packets.segments` */
export function count(table: PacketTable, index: number): number {
  return segmentsAt(table, firstOf(table, 'segments', index))
}

/** @throws PinfoldError as `packets.parts` */
export function parts(table: PacketTable, index: number): PacketPart[] {
  return segmentsOf(table, 'parts', index).map((segment) => {
    const { offset, length } = dataOf(table, 'parts', segment)
    return { index: segment, offset: offset - table.range.offset, length }
  })
}

/** @throws PinfoldError as `packets.scatter` */
export function scatter<Entry>(table: PacketTable, index: number, registration: Registers<Entry>): Entry[] {
  const all = stretchesOf(table, 'scatter', index)
  requireRegistration(registration)
  const start = registration.offset ?? 0
  return all.filter(({ length }) => length > 0).map(({ offset, length }) => registration.slice(offset - start, length))
}

/** @throws PinfoldError as `packets.read` */
export function read(table: PacketTable, index: number, from: number, target: Uint8Array): void {
  move(table, 'read', index, from, plainBytes('read', target), (piece, bytes) => bytes.set(piece))
}

/** @throws PinfoldError as `packets.write` */
export function write(table: PacketTable, index: number, at: number, source: Uint8Array): void {
  move(table, 'write', index, at, plainBytes('write', source), (piece, bytes) => piece.set(bytes))
}

/** @throws PinfoldError as `packets.piece` */
export function piece(table: PacketTable, index: number, from: number, count?: number): Uint8Array<ArrayBuffer> {
  const segments = segmentsOf(table, 'piece', index)
  const total = lengthOf(table, 'piece', segments)
  requireUpTo('piece', 'from', from, total)
  const length = count === undefined ? total - from : count
  checkRange('piece', from, length, total)
  let skipped = 0
  for (const segment of segments) {
    const data = dataOf(table, 'piece', segment)
    if (from + length <= skipped + data.length) {
      if (from >= skipped) return table.range.core.view(data.offset + from - skipped, length)
      break
    }
    skipped += data.length
  }
  const copied = new Uint8Array(length)
  read(table, index, from, copied)
  return copied
}

/** @throws PinfoldError as `packets.compare` */
export function compare(table: PacketTable, one: number, other: number): number {
  const left = new Cursor(table.range.core, stretchesOf(table, 'compare', one))
  const right = new Cursor(table.range.core, stretchesOf(table, 'compare', other))
  for (;;) {
    const length = Math.min(left.length, right.length)
    if (length === 0) return Math.sign(left.length - right.length)
    const order = Buffer.compare(left.bytes(length), right.bytes(length))
    if (order !== 0) return order
    left.pass(length)
    right.pass(length)
  }
}

/** Copies a packet's bytes from `from` on into new segments, which have their lengths already. */
export function fill(table: PacketTable, index: number, from: number, targets: readonly number[]): void {
  const source = new Cursor(table.range.core, stretchesOf(table, 'copy', index))
  source.pass(from)
  for (const target of targets) {
    const bytes = bytesOf(table, 'copy', target)
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(source.length, bytes.length - done)
      // Another thread writes over the records: the packet was longer when the call began.
      if (length === 0) throw damaged('copy', index, 'it has become shorter')
      bytes.set(source.bytes(length), done)
      source.pass(length)
      done += length
    }
  }
}

/** Where the data of a packet's segments are in the region. @throws PinfoldError as `packets.free` */
function stretchesOf(table: PacketTable, subject: string, index: number): Stretch[] {
  return segmentsOf(table, subject, index).map((segment) => dataOf(table, subject, segment))
}

/** The bytes of all these segments together, which are those of one packet. */
export function lengthOf(table: PacketTable, subject: string, segments: readonly number[]): number {
  const length = segments.reduce((sum, segment) => sum + dataOf(table, subject, segment).length, 0)
  const [first] = segments
  const recorded = totalAt(table, first << 3)
  if (recorded === length) return length
  throw damaged(subject, first, `its segments have ${length} bytes, its record says ${recorded}`)
}

function move(
  table: PacketTable,
  subject: string,
  index: number,
  from: number,
  bytes: Uint8Array,
  copy: (piece: Uint8Array, bytes: Uint8Array) => void,
): void {
  const segments = segmentsOf(table, subject, index)
  const total = lengthOf(table, subject, segments)
  requireUpTo(subject, 'offset', from, total)
  checkRange(subject, from, bytes.length, total)
  let skipped = 0
  let done = 0
  for (const segment of segments) {
    const { offset, length } = dataOf(table, subject, segment)
    const start = Math.max(0, from - skipped)
    const count = Math.min(length - start, bytes.length - done)
    skipped += length
    if (count <= 0) continue
    copy(table.range.core.view(offset + start, count), bytes.subarray(done, done + count))
    done += count
  }
}

/** A place in a packet's bytes, which moves from front to back. */
class Cursor {
  readonly #core: RegionCore
  readonly #parts: readonly Stretch[]
  #at = 0
  #passed = 0

  constructor(core: RegionCore, all: readonly Stretch[]) {
    this.#core = core
    this.#parts = all
    this.pass(0)
  }

  /** Bytes that are left of this part; 0 only at the packet's end. */
  get length(): number {
    return this.#at < this.#parts.length ? this.#parts[this.#at].length - this.#passed : 0
  }

  /** The next `count` bytes, at most `length`. */
  bytes(count: number): Uint8Array {
    return this.#core.view(this.#parts[this.#at].offset + this.#passed, count)
  }

  pass(count: number): void {
    let left = this.#passed + count
    for (; this.#at < this.#parts.length && left >= this.#parts[this.#at].length; this.#at++) {
      left -= this.#parts[this.#at].length
    }
    this.#passed = this.#at < this.#parts.length ? left : 0
  }
}

function requireRegistration(registration: Registers<unknown>): void {
  if (typeof registration === 'object' && registration !== null && typeof registration.slice === 'function') return
  throw new PinfoldError(`scatter: expected a registration, received ${describe(registration)}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { received: registration },
  })
}
