import { plainBytes } from '../arrays/plain-bytes.js'
import { PinfoldError } from '../errors.js'
import type { RegionCore } from '../memory/region-core.js'
import { checkRange } from '../options.js'
import type { Registers } from '../pool/elements.js'
import { describe } from '../sizes.js'
import { PacketData } from './data.js'
import { damaged, requireUpTo } from './errors.js'
import { recordWord, usesOther } from './layout.js'

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
   * @throws PinfoldError `ERR_INVALID_ARGUMENT`; as `free` and `registration.slice`
   */
  scatter<Entry>(index: number, registration: Registers<Entry>): Entry[] {
    const parts = this.parts(index)
    requireRegistration(registration)
    const start = registration.offset ?? 0
    return parts
      .filter(({ length }) => length > 0)
      .map(({ offset, length }) => registration.slice(offset - start, length))
  }

  /**
   * Copies a packet's bytes from `from` on into `target`, as many as that has.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when the packet has fewer, `ERR_INVALID_ARGUMENT`; as `free`
   */
  read(index: number, from: number, target: Uint8Array): void {
    this.#move('read', index, from, plainBytes('read', target), (piece, bytes) => bytes.set(piece))
  }

  /**
   * Bytes of a packet in one piece, as rte_pktmbuf_read: a view where one segment has them all, else a copy.
   *
   * @param count Default: all from `from` on
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when the packet has fewer; as `free`
   */
  piece(index: number, from = 0, count?: number): Uint8Array<ArrayBuffer> {
    const segments = this.segmentsOf('piece', index)
    const total = this.lengthOf('piece', segments)
    requireUpTo('piece', 'from', from, total)
    const length = count === undefined ? total - from : count
    checkRange('piece', from, length, total)
    let skipped = 0
    for (const segment of segments) {
      const data = this.dataOf('piece', segment)
      if (from + length <= skipped + data.length) {
        if (from >= skipped) return this.range.core.view(data.offset + from - skipped, length)
        break
      }
      skipped += data.length
    }
    const copied = new Uint8Array(length)
    this.read(index, from, copied)
    return copied
  }

  /**
   * Copies `source` over a packet's bytes from `at` on; the packet gets no longer by that.
   *
   * @throws PinfoldError as `read`
   */
  write(index: number, at: number, source: Uint8Array): void {
    this.#move('write', index, at, plainBytes('write', source), (piece, bytes) => piece.set(bytes))
  }

  /**
   * Compares the bytes of two packets, however they are cut into segments, as Buffer.compare.
   *
   * @returns -1, 0 or 1
   * @throws PinfoldError as `free`
   */
  compare(one: number, other: number): number {
    const left = this.#stretches(one)
    const right = this.#stretches(other)
    for (;;) {
      const length = Math.min(left.length, right.length)
      if (length === 0) return Math.sign(left.length - right.length)
      const order = Buffer.compare(left.bytes(length), right.bytes(length))
      if (order !== 0) return order
      left.pass(length)
      right.pass(length)
    }
  }

  /** The bytes of a packet from `from` on, into these new segments, as many as each has; once through both. */
  protected fill(index: number, from: number, targets: readonly number[]): void {
    const source = this.#stretches(index)
    source.pass(from)
    for (const target of targets) {
      const bytes = this.bytes(target)
      for (let done = 0; done < bytes.length; ) {
        const length = Math.min(source.length, bytes.length - done)
        // Shorter than when the call began: somebody writes over the records.
        if (length === 0) throw damaged('copy', index, 'it has become shorter')
        bytes.set(source.bytes(length), done)
        source.pass(length)
        done += length
      }
    }
  }

  #stretches(index: number): Stretches {
    return new Stretches(this.range.core, this.parts(index))
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
    let isMade = false
    try {
      while (made.length < count) {
        const one = this.allocate()
        if (one < 0) return []
        made.push(one)
      }
      isMade = true
    } finally {
      // There are too few, or a thread keeps the depot.
      if (!isMade) this.discard(made)
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
    move: (piece: Uint8Array, bytes: Uint8Array) => void,
  ): void {
    const segments = this.segmentsOf(subject, index)
    const total = this.lengthOf(subject, segments)
    requireUpTo(subject, 'offset', from, total)
    checkRange(subject, from, bytes.length, total)
    let skipped = 0
    let done = 0
    for (const segment of segments) {
      const { offset, length } = this.dataOf(subject, segment)
      const start = Math.max(0, from - skipped)
      const count = Math.min(length - start, bytes.length - done)
      skipped += length
      if (count <= 0) continue
      move(this.range.core.view(offset + start, count), bytes.subarray(done, done + count))
      done += count
    }
  }
}

/** A packet's bytes from front to back, as much in a turn as is in one piece. */
class Stretches {
  readonly #core: RegionCore
  readonly #parts: readonly PacketPart[]
  #at = 0
  #passed = 0

  constructor(core: RegionCore, parts: readonly PacketPart[]) {
    this.#core = core
    this.#parts = parts
    this.pass(0)
  }

  /** Bytes that are left of this piece; 0: none are left at all. */
  get length(): number {
    return (this.#parts[this.#at]?.length ?? 0) - this.#passed
  }

  bytes(count: number): Uint8Array {
    return this.#core.view((this.#parts[this.#at]?.offset ?? 0) + this.#passed, count)
  }

  pass(count: number): void {
    let left = this.#passed + count
    for (let part = this.#parts[this.#at]; part !== undefined && left >= part.length; part = this.#parts[this.#at]) {
      left -= part.length
      this.#at += 1
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
