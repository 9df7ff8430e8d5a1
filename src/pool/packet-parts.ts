import { checkRange } from '../options.js'
import { PacketData } from './packet-data.js'
import { damaged, requireBytes, requireUpTo } from './packet-errors.js'
import { recordWord, usesOther } from './packet-layout.js'
import type { Registers } from './pool-elements.js'

/** A stretch of a packet's bytes that is in one piece. */
export interface PacketPart {
  /** The segment that has it. */
  readonly index: number
  /** Where it starts in the region, in bytes. */
  readonly offset: number
  readonly length: number
}

/** A packet's bytes as what they are: a list of parts. */
export abstract class PacketParts extends PacketData {
  /** The parts of a packet in order, one a segment, as an iovec has them. @throws PinfoldError as `free` */
  parts(index: number): PacketPart[] {
    return this.segmentsOf('parts', index).map((segment) => ({
      index: segment,
      ...this.dataOf('parts', segment),
    }))
  }

  /**
   * The parts that are not empty as memory of one work request.
   *
   * @param registration of the region that the packets lie in, or of a part of it that has them
   * @throws PinfoldError as `free` and `registration.slice`
   */
  scatter<Entry>(index: number, registration: Registers<Entry>): Entry[] {
    const start = registration.offset ?? 0
    return this.parts(index)
      .filter(({ length }) => length > 0)
      .map(({ offset, length }) => registration.slice(offset - start, length))
  }

  /**
   * Copies a packet's bytes from `from` on into `target`, as many as that has.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when the packet has fewer, `ERR_INVALID_ARGUMENT`; as `free`
   */
  read(index: number, from: number, target: Uint8Array): void {
    this.#move('read', index, from, target, (bytes, at) => target.set(bytes, at))
  }

  /**
   * Copies `source` over a packet's bytes from `at` on; the packet gets no longer by that.
   *
   * @throws PinfoldError as `read`
   */
  write(index: number, at: number, source: Uint8Array): void {
    this.#move('write', index, at, source, (bytes, place) => bytes.set(source.subarray(place, place + bytes.length)))
  }

  /**
   * Compares the bytes of two packets, however they are cut into segments, as Buffer.compare.
   *
   * @returns -1, 0 or 1
   * @throws PinfoldError as `free`
   */
  compare(one: number, other: number): number {
    const [first, second] = [one, other].map((index) =>
      this.parts(index).map(({ offset, length }) => this.range.region.view(offset, length)),
    )
    const left = [...(first ?? [])]
    const right = [...(second ?? [])]
    for (;;) {
      while (left[0]?.length === 0) left.shift()
      while (right[0]?.length === 0) right.shift()
      const [a, b] = [left[0], right[0]]
      if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined)
      const length = Math.min(a.length, b.length)
      const order = Buffer.compare(a.subarray(0, length), b.subarray(0, length))
      if (order !== 0) return order
      left[0] = a.subarray(length)
      right[0] = b.subarray(length)
    }
  }

  /** The bytes that segments have together, each of which is looked at. */
  protected lengthOf(subject: string, segments: readonly number[]): number {
    const length = segments.reduce((sum, segment) => sum + this.dataOf(subject, segment).length, 0)
    const [first = 0] = segments
    const told = this.totalAt(first << 3)
    if (told !== length) throw damaged(subject, first, `it has ${length} bytes, and says ${told}`)
    return length
  }

  /** So many new packets, or none at all. */
  protected allocateSome(count: number): number[] {
    const made: number[] = []
    while (made.length < count) {
      const one = this.allocate()
      if (one < 0) {
        for (const given of made) this.free(given)
        return []
      }
      made.push(one)
    }
    return made
  }

  /** Makes one packet of these segments; returns the first. */
  protected link(segments: readonly number[]): number {
    const { records } = this
    const [first = 0] = segments
    let total = 0
    for (const [place, segment] of segments.entries()) {
      const at = segment << 3
      total += this.word(at + recordWord.length)
      records[at + recordWord.form] = this.word(at + recordWord.form) & usesOther
      records[at + recordWord.next] = (segments[place + 1] ?? -1) + 1
    }
    records[(first << 3) + recordWord.form] = this.word((first << 3) + recordWord.form) | segments.length
    records[(first << 3) + recordWord.total] = total
    return first
  }

  #move(
    subject: string,
    index: number,
    from: number,
    bytes: Uint8Array,
    move: (piece: Uint8Array, at: number) => void,
  ): void {
    const segments = this.segmentsOf(subject, index)
    const total = this.lengthOf(subject, segments)
    requireUpTo(subject, 'offset', from, total)
    requireBytes(subject, bytes)
    checkRange(subject, from, bytes.length, total)
    let skipped = 0
    let done = 0
    for (const segment of segments) {
      const { offset, length } = this.dataOf(subject, segment)
      const start = Math.max(0, from - skipped)
      const count = Math.min(length - start, bytes.length - done)
      skipped += length
      if (count <= 0) continue
      move(this.range.region.view(offset + start, count), done)
      done += count
    }
  }
}
