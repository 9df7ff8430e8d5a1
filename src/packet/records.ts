import { isRange, lengthFrom, wrongRange } from '../arrays/number-array.js'
import { type Pairs, pairsOf } from '../arrays/pairs.js'
import { PinfoldError } from '../errors.js'
import type { AlignedMemory } from '../memory/region-memory.js'
import type { BufferPool } from '../pool/buffer-pool.js'
import { damaged, noPacket, notFirst, packetFree } from './errors.js'
import {
  holdersMask,
  type PacketShape,
  type PacketViews,
  packetViews,
  recordWord,
  segmentsMask,
  slotWord,
  slotWords,
  usesOther,
} from './layout.js'

/**
 * What one thread does with packets a hundred million times a second: takes and frees them. A packet that nobody shares, of
 * one segment with its own buffer, goes the short way; all others go the slow one. The short ways are small, since V8
 * inlines no more than 920 bytes of bytecode into a program's loop, all together.
 */
export abstract class PacketRecords {
  /** How many packets there are. */
  declare readonly capacity: number
  /** Bytes that a new packet leaves free before its data. */
  declare readonly headroom: number
  /** Bytes of a packet's own buffer, headroom and all. */
  declare readonly bufferSize: number
  /** The pool that the buffers are elements of. */
  declare readonly pool: BufferPool
  declare protected readonly range: AlignedMemory
  declare protected readonly shape: PacketShape
  declare protected records: Int32Array
  declare private pairs: Pairs
  /** The array of the last bulk call, which is known to be one. */
  declare private values: Uint32Array
  /** A new record's first words, two and two. */
  declare private readonly counts: number
  declare private readonly place: number
  protected views: PacketViews

  constructor(range: AlignedMemory, shape: PacketShape, pool: BufferPool) {
    this.range = range
    this.shape = shape
    this.pool = pool
    this.capacity = shape.capacity
    this.headroom = shape.headroom
    this.bufferSize = pool.elementSize
    this.views = packetViews(range.memory, shape)
    this.records = this.views.records
    this.pairs = this.views.pairs
    this.counts = asPair(1, 1)
    this.place = asPair(shape.headroom, 0)
  }

  /**
   * Takes a packet without data, of one segment; -1 when there is none, as `pool.get`.
   *
   * @throws PinfoldError as `pool.get`; `ERR_PACKET_DAMAGED` when the pool was written over
   */
  allocate(): number {
    const index = this.pool.get()
    const { pairs } = this
    const at = index << 2
    if (at >>> 0 >= pairs.length) return this.#allocateSlowly(index)
    pairs[at] = this.counts
    pairs[at + 1] = this.place
    return index
  }

  /**
   * Gives a packet up, with all of its segments. Its memory is free when nobody has it any more.
   *
   * @throws PinfoldError `ERR_POOL_INDEX`, `ERR_PACKET_FREE`, `ERR_PACKET_SEGMENT`, `ERR_PACKET_DAMAGED`; as `pool.put`
   */
  free(index: number): void {
    const { pairs } = this
    // Had by one, of one segment, with its own buffer.
    if (!this.isPacket(index) || pairs[index << 2] !== this.counts) {
      this.#freeSlowly(index)
      return
    }
    pairs[index << 2] = 0
    try {
      this.pool.put(index)
    } catch (error) {
      pairs[index << 2] = this.counts
      throw error
    }
  }

  /**
   * Takes `count` packets, into `values` from `at` on, or none.
   *
   * @returns `count` or 0
   * @throws PinfoldError as `pool.getBulk`
   */
  allocateBulk(values: Uint32Array, count?: number, at = 0): number {
    const { pool, pairs, counts, place } = this
    const isKnown = values === this.values && pairs.length > 0
    if (!isKnown || count === undefined || count > pool.magazineSize || !isRange(values, count, at)) {
      return this.#allocatePieces(values, count, at)
    }
    const first = pool.take(count)
    if (first < 0) return 0
    const { spans } = pool
    const end = first + count
    let from = first
    // Two in a turn: V8 looks in each whether somebody wants to stop it.
    for (; from + 2 <= end; from += 2) {
      const one = spans[from] ?? 0
      const other = spans[from + 1] ?? 0
      values[at] = one
      values[at + 1] = other
      pairs[one << 2] = counts
      pairs[(one << 2) + 1] = place
      pairs[other << 2] = counts
      pairs[(other << 2) + 1] = place
      at += 2
    }
    if (from < end) {
      const one = spans[from] ?? 0
      values[at] = one
      pairs[one << 2] = counts
      pairs[(one << 2) + 1] = place
    }
    return count
  }

  /**
   * Gives up the `count` packets of `values` from `at` on.
   *
   * @throws PinfoldError as `free`, that names the first that cannot be freed, and none is; as `pool.putBulk`
   */
  freeBulk(values: Uint32Array, count?: number, at = 0): void {
    const { pool, pairs, counts, capacity } = this
    if (values !== this.values || count === undefined || count > pool.magazineSize || !isRange(values, count, at)) {
      this.#freePieces(values, count, at)
      return
    }
    const first = pool.room(count)
    const { spans } = pool
    let one = 0
    for (const even = count & ~1; one < even; one += 2) {
      const index = values[at + one] ?? -1
      const other = values[at + one + 1] ?? -1
      if (index >= capacity || other >= capacity || index === other) break
      if (pairs[index << 2] !== counts || pairs[other << 2] !== counts) break
      spans[first + one] = index
      spans[first + one + 1] = other
      pairs[index << 2] = 0
      pairs[other << 2] = 0
    }
    if (one === count - 1) {
      const index = values[at + one] ?? -1
      if (index < capacity && pairs[index << 2] === counts) {
        spans[first + one] = index
        pairs[index << 2] = 0
        one += 1
      }
    }
    if (one === count) pool.give(count)
    else this.#freeRest(values, count, at, one)
  }

  protected isPacket(index: number): boolean {
    return typeof index === 'number' && index >>> 0 === index && index < this.capacity
  }

  /** The records, or why there are none: a closed pool or region. */
  protected recordsNow(): Int32Array {
    if (this.pool.closed) throw new PinfoldError('these Packets are closed', { code: 'ERR_POOL_CLOSED' })
    if (this.records.length > 0) return this.records
    // A region that is closed says so. One that is open has lost its ArrayBuffer: somebody has transferred it away.
    this.views = packetViews(this.range.memory, this.shape)
    this.records = this.views.records
    this.pairs = this.views.pairs
    return this.records
  }

  /** Where the record starts of a packet that somebody has. @throws PinfoldError */
  protected recordOf(subject: string, index: number): number {
    const records = this.recordsNow()
    if (!this.isPacket(index)) throw noPacket(subject, index, this.capacity)
    if (((records[index << 3] ?? 0) & holdersMask) === 0) throw packetFree(subject, index)
    return index << 3
  }

  /** The same, of a first segment. */
  protected firstOf(subject: string, index: number): number {
    const at = this.recordOf(subject, index)
    if (this.segmentsAt(at) === 0) throw notFirst(subject, index)
    return at
  }

  protected word(at: number): number {
    return this.records[at] ?? 0
  }

  protected segmentsAt(at: number): number {
    return this.word(at + recordWord.form) & segmentsMask
  }

  /** Whose buffer a segment uses; 0: its own. */
  protected otherBuffer(index: number): number {
    const at = index << 3
    return (this.word(at + recordWord.form) & usesOther) === 0 ? 0 : this.word(at + recordWord.buffer)
  }

  /** How many have a segment. */
  protected holders(index: number): number {
    return this.word(index << 3) & holdersMask
  }

  /** The numbers of a packet's segments, each of which is looked at. @throws PinfoldError as `free` */
  protected segmentsOf(subject: string, index: number): number[] {
    const count = this.segmentsAt(this.firstOf(subject, index))
    if (count === 1) return [index]
    const found: number[] = [index]
    for (let at = index; found.length < count; ) {
      const next = this.word((at << 3) + recordWord.next) - 1
      if (!this.isPacket(next) || this.holders(next) === 0 || this.segmentsAt(next << 3) !== 0) {
        throw damaged(subject, index, `segment ${found.length} of ${count} is ${next}`)
      }
      found.push(next)
      at = next
    }
    const last = found.at(-1) ?? index
    // Nor is one of them there twice, then: from there on they would be the same again, without an end.
    if (this.word((last << 3) + recordWord.next) !== 0)
      throw damaged(subject, index, 'it goes on after its last segment')
    return found
  }

  /** What a packet has is told about before anything is freed. */
  protected requireFreeable(subject: string, index: number): number[] {
    const segments = this.segmentsOf(subject, index)
    for (const segment of segments) this.requireBuffer(subject, segment)
    return segments
  }

  /** @throws PinfoldError `ERR_PACKET_DAMAGED` when it uses a buffer that nobody has */
  protected requireBuffer(subject: string, index: number): void {
    const buffer = this.otherBuffer(index)
    if (buffer === 0) return
    const isThere =
      buffer > 0
        ? this.isPacket(buffer - 1) && this.word((buffer - 1) << 3) !== 0
        : -buffer <= this.shape.externals && (this.views.slots[this.slotOf(buffer) + slotWord.references] ?? 0) > 0
    if (!isThere) throw damaged(subject, index, `it uses buffer ${buffer}, which nobody has`)
  }

  protected slotOf(buffer: number): number {
    return (-1 - buffer) * slotWords
  }

  /** Gives these packets up, as `free`: all of them, or none. @throws PinfoldError as `free` */
  protected abstract giveUp(subject: string, packets: readonly number[]): void

  /** Gives up segments that were made by a call that cannot go on. It does not fail for that. */
  protected abstract discard(segments: readonly number[]): void

  /** Puts back what could not be put back before; returns whether it was. */
  protected abstract settleOwed(): boolean

  #allocateSlowly(index: number): number {
    if (index === -1) return this.settleOwed() ? this.allocate() : -1
    this.recordsNow()
    if (!this.isPacket(index)) throw damaged('allocate', index, 'there is no such packet')
    const at = index << 2
    this.pairs[at] = this.counts
    this.pairs[at + 1] = this.place
    return index
  }

  #freeSlowly(index: number): void {
    this.giveUp('free', [index])
  }

  /** Of another array than before, or more than the pool lends at once. */
  #allocatePieces(values: Uint32Array, given: number | undefined, at: number): number {
    this.recordsNow()
    const count = this.#requireRange('allocateBulk', values, given, at)
    const most = this.pool.magazineSize
    for (let done = 0; done < count; ) {
      const piece = Math.min(most, count - done)
      let got = 0
      try {
        got = this.allocateBulk(values, piece, at + done)
      } finally {
        // Refused, or a thread keeps the depot.
        if (got === 0) this.discard(numbersOf(values, at, done))
      }
      if (got === 0) return 0
      done += piece
    }
    return count
  }

  #freePieces(values: Uint32Array, given: number | undefined, at: number): void {
    this.recordsNow()
    const count = this.#requireRange('freeBulk', values, given, at)
    if (count <= this.pool.magazineSize) this.freeBulk(values, count, at)
    else this.#freeRest(values, count, at, 0)
  }

  #requireRange(subject: string, values: Uint32Array, given: number | undefined, at: number): number {
    pairsOf(subject, values)
    const count = given === undefined ? lengthFrom(values, at) : given
    if (!isRange(values, count, at)) throw wrongRange(subject, values, count, at)
    this.values = values
    return count
  }

  /** Some of them are more than one segment with its own buffer; those before `done` of them are marked as free. */
  #freeRest(values: Uint32Array, count: number, at: number, done: number): void {
    const packets = numbersOf(values, at, count)
    for (const index of packets.slice(0, done)) if (this.isPacket(index)) this.pairs[index << 2] = this.counts
    this.giveUp('freeBulk', packets)
  }
}

/** Read once, and not by methods that the caller's array may have of its own. */
function numbersOf(values: Uint32Array, at: number, count: number): number[] {
  return Array.from({ length: count }, (_, place) => values[at + place] ?? -1)
}

/** Two words as the 64-bit value that has both. */
function asPair(first: number, second: number): number {
  return new Float64Array(new Int32Array([first, second]).buffer)[0] ?? 0
}
