import { atomicAdd } from '../builtins.js'
import { checkRange } from '../options.js'
import { damaged, noRoom, packetShared, requireUpTo } from './errors.js'
import { mostReferences, recordWord, slotWord } from './layout.js'
import { PacketHolds } from './references.js'

/** The buffer that a segment uses: where it starts in the region, and its bytes. */
interface Buffer {
  readonly offset: number
  readonly length: number
}

/** Where the data of packets are, and how they grow and shrink at both ends. */
export abstract class PacketData extends PacketHolds {
  /** Bytes of a packet, of all its segments. @throws PinfoldError as `free` */
  length(index: number): number {
    return this.totalAt(this.firstOf('length', index))
  }

  /** How many segments a packet has. @throws PinfoldError as `free` */
  segments(index: number): number {
    return this.segmentsAt(this.firstOf('segments', index))
  }

  /** Bytes of one segment. @throws PinfoldError as `free` */
  dataLength(index: number): number {
    return this.word(this.recordOf('dataLength', index) + recordWord.length)
  }

  /** The segment after this one; -1 when it is the last. @throws PinfoldError as `free` */
  next(index: number): number {
    const at = this.recordOf('next', index)
    const next = this.segmentsAt(at) === 1 ? -1 : this.word(at + recordWord.next) - 1
    if (next >= -1 && next < this.capacity) return next
    throw damaged('next', index, `its next segment is ${next}`)
  }

  /** A packet's last segment. @throws PinfoldError as `free` */
  last(index: number): number {
    return this.lastOf('last', index)
  }

  /** Where a segment's data start, in bytes from the region's start. @throws PinfoldError as `free` */
  offset(index: number): number {
    this.recordOf('offset', index)
    return this.dataOf('offset', index).offset
  }

  /** Bytes before a segment's data; none when others use its buffer. @throws PinfoldError as `free` */
  headroomOf(index: number): number {
    this.recordOf('headroomOf', index)
    return this.roomBefore('headroomOf', index)
  }

  /** Bytes behind a packet's last segment; none when others use its buffer. @throws PinfoldError as `free` */
  tailroomOf(index: number): number {
    return this.roomBehind('tailroomOf', this.lastOf('tailroomOf', index))
  }

  /** The data of a segment. Once the region is closed it has length 0. @throws PinfoldError as `free` */
  bytes(index: number): Uint8Array<ArrayBuffer> {
    this.recordOf('bytes', index)
    const { offset, length } = this.dataOf('bytes', index)
    return this.range.core.view(offset, length)
  }

  /**
   * Makes a packet longer at its end, by `count` bytes of its last segment's tailroom.
   *
   * @returns where they start in the region
   * @throws PinfoldError `ERR_PACKET_TAILROOM`, `ERR_OUT_OF_RANGE`; as `free`
   */
  append(index: number, count: number): number {
    const { records } = this
    const at = this.isPacket(index) ? index << 3 : -1
    // Had by one, of one segment, with its own buffer: nearly all are.
    if (records[at] === 1 && records[at + recordWord.form] === 1 && !this.pool.closed) {
      const start = records[at + recordWord.start] ?? -1
      const length = records[at + recordWord.length] ?? -1
      // A number, and none of the three below 0; not more than there is.
      const isRoom = typeof count === 'number' && count >>> 0 === count && count <= this.bufferSize - start - length
      if (isRoom && (start | length) >= 0 && start <= this.bufferSize && length <= this.bufferSize) {
        records[at + recordWord.length] = length + count
        return this.range.offset + this.shape.pool + this.pool.offset(index) + start + length
      }
    }
    const last = this.lastOf('append', index)
    const { offset, length } = this.dataOf('append', last)
    requireUpTo('append', 'count', count, 2 ** 31 - 1 - this.totalAt(index << 3))
    const room = this.roomBehind('append', last)
    if (count > room) throw noRoom('append', index, 'tailroom', count, room)
    this.grow(index, last, count)
    return offset + length
  }

  /**
   * Makes a packet longer at its start, by `count` bytes of its headroom.
   *
   * @returns where it now starts in the region
   * @throws PinfoldError `ERR_PACKET_HEADROOM`, `ERR_OUT_OF_RANGE`; as `free`
   */
  prepend(index: number, count: number): number {
    const at = this.firstOf('prepend', index)
    const { offset } = this.dataOf('prepend', index)
    requireUpTo('prepend', 'count', count, 2 ** 31 - 1 - this.totalAt(at))
    const room = this.roomBefore('prepend', index)
    if (count > room) throw noRoom('prepend', index, 'headroom', count, room)
    this.records[at + recordWord.start] = this.word(at + recordWord.start) - count
    this.grow(index, index, count)
    return offset - count
  }

  /**
   * Takes `count` bytes off the start of a packet's first segment.
   *
   * @returns where it now starts in the region
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when the first segment has fewer; as `free`
   */
  adj(index: number, count: number): number {
    const at = this.firstOf('adj', index)
    const { offset, length } = this.dataOf('adj', index)
    requireUpTo('adj', 'count', count, length)
    this.records[at + recordWord.start] = this.word(at + recordWord.start) + count
    this.grow(index, index, -count)
    return offset + count
  }

  /**
   * Takes `count` bytes off the end of a packet's last segment.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when the last segment has fewer; as `free`
   */
  trim(index: number, count: number): void {
    const last = this.lastOf('trim', index)
    requireUpTo('trim', 'count', count, this.dataOf('trim', last).length)
    this.grow(index, last, -count)
  }

  /** How often a segment has to be freed: 1, and 1 for each `retain`. @throws PinfoldError as `free` */
  references(index: number): number {
    this.recordOf('references', index)
    return this.holders(index)
  }

  /**
   * Whether other packets use the buffer of a segment: what is written to it changes them, and it has no headroom and no
   * tailroom meanwhile.
   *
   * @throws PinfoldError as `free`
   */
  isShared(index: number): boolean {
    this.recordOf('isShared', index)
    this.requireBuffer('isShared', index)
    return this.isSharing(index)
  }

  /**
   * One more has the packet, so that it takes one more `free`. The same for each of its segments.
   *
   * @throws PinfoldError `ERR_PACKET_SHARED` when 32,766 have it; as `free`
   */
  retain(index: number): void {
    this.changing(() => {
      const segments = this.segmentsOf('retain', index)
      if (segments.some((segment) => this.holders(segment) >= mostReferences)) {
        throw packetShared('retain', index, 'is had 32,766 times, as often as one can')
      }
      for (const segment of segments) atomicAdd(this.records, segment << 3, 1)
    })
  }

  protected lastOf(subject: string, index: number): number {
    const at = this.firstOf(subject, index)
    if (this.segmentsAt(at) === 1) return index
    return this.segmentsOf(subject, index).at(-1) ?? index
  }

  /** The data of a segment that somebody has: within its buffer, whatever stands in the record. */
  protected dataOf(subject: string, index: number): { readonly offset: number; readonly length: number } {
    const at = index << 3
    const buffer = this.bufferOf(subject, index)
    const start = this.word(at + recordWord.start)
    const length = this.word(at + recordWord.length)
    if (start < 0 || length < 0 || start + length > buffer.length) {
      throw damaged(subject, index, `its data start at ${start} and are ${length} bytes, in ${buffer.length}`)
    }
    return { offset: buffer.offset + start, length }
  }

  protected totalAt(at: number): number {
    return this.word(at + (this.segmentsAt(at) === 1 ? recordWord.length : recordWord.total))
  }

  // What another packet's data may be is no room: after a clone or split both would write there.

  protected roomBefore(subject: string, index: number): number {
    this.dataOf(subject, index)
    return this.isSharing(index) ? 0 : this.word((index << 3) + recordWord.start)
  }

  protected roomBehind(subject: string, index: number): number {
    const { offset, length } = this.dataOf(subject, index)
    const buffer = this.bufferOf(subject, index)
    return this.isSharing(index) ? 0 : buffer.offset + buffer.length - offset - length
  }

  /** Whether others use the buffer that a segment uses. */
  protected isSharing(index: number): boolean {
    const buffer = this.otherBuffer(index)
    if (buffer < 0) return (this.views.slots[this.slotOf(buffer) + slotWord.references] ?? 0) > 1
    const owner = buffer === 0 ? index : buffer - 1
    return Math.min(1, this.holders(owner)) + (this.word(owner << 3) >>> 16) > 1
  }

  /** `count` more bytes in a segment, or fewer. */
  protected grow(index: number, segment: number, count: number): void {
    const { records } = this
    const at = (segment << 3) + recordWord.length
    records[at] = this.word(at) + count
    const total = (index << 3) + recordWord.total
    records[total] = this.word(total) + count
  }

  protected bufferOf(subject: string, index: number): Buffer {
    const buffer = this.otherBuffer(index)
    if (buffer === 0) return this.ownBuffer(index)
    this.requireBuffer(subject, index)
    if (buffer > 0) return this.ownBuffer(buffer - 1)
    const { slots } = this.views
    const slot = this.slotOf(buffer)
    const word = (at: number) => slots[slot + at] ?? 0
    const offset = (word(slotWord.offsetLow) >>> 0) + word(slotWord.offsetHigh) * 2 ** 32
    const length = word(slotWord.length)
    checkRange(subject, offset, length, this.range.core.size)
    return { offset, length }
  }

  protected ownBuffer(index: number): Buffer {
    const inPool = this.pool.offset(index)
    return { offset: this.range.offset + this.shape.pool + inPool, length: this.bufferSize }
  }
}
