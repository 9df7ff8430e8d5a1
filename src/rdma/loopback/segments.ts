import { type DeferredCopies, move, nothing } from './copies.js'

/**
 * Bytes in several places, in order: the memory of the scatter entries of a request. The object is kept and filled
 * again for each request, so that copying allocates nothing.
 */
export class Segments {
  /** The first part is in fields of its own: most requests have one part, and an array costs more memory accesses. */
  #first: Uint8Array = nothing
  #firstStart = 0
  #firstLength = 0
  /** The other parts, by index from 1 on, below `count`. */
  readonly #bytes: Uint8Array[] = []
  readonly #starts: number[] = []
  readonly #lengths: number[] = []
  readonly #copies: DeferredCopies
  count = 0
  total = 0

  /** @param copies the deferred copies of the device, which are made before copies of these bytes */
  constructor(copies: DeferredCopies) {
    this.#copies = copies
  }

  /** Drops all references to memory, so that closed memory can be collected. */
  clear(): void {
    this.#first = nothing
    if (this.count > 1) this.#bytes.length = 0
    this.count = 0
    this.total = 0
  }

  add(bytes: Uint8Array, start: number, length: number): void {
    if (length === 0) return
    if (this.count === 0) {
      this.#first = bytes
      this.#firstStart = start
      this.#firstLength = length
    } else {
      this.#bytes[this.count] = bytes
      this.#starts[this.count] = start
      this.#lengths[this.count] = length
    }
    this.count += 1
    this.total += length
  }

  /** Adds a part of these bytes to `to`: `length` bytes from `offset` on. */
  partTo(to: Segments, offset: number, length: number): void {
    for (let part = 0, skip = offset, left = length; part < this.count && left > 0; part++) {
      const own = this.#lengthOf(part)
      const step = Math.min(own - Math.min(skip, own), left)
      to.add(this.#bytesOf(part), this.#startOf(part) + skip, step)
      skip = Math.max(0, skip - own)
      left -= step
    }
  }

  /** Copies the first `length` bytes of this to the start of `to`, which has room for them. */
  copyTo(to: Segments, length: number): void {
    this.#copies.makeAll()
    if (this.count === 1 && to.count === 1) {
      move(this.#first, this.#firstStart, to.#first, to.#firstStart, length)
    } else {
      this.#scatter(to, length)
    }
  }

  /** As `copyTo`, but a large copy may be deferred to the end of the batch (copies.ts). */
  copyLater(to: Segments, length: number): void {
    if (this.count === 1 && to.count === 1) {
      this.#copies.copy(this.#first, this.#firstStart, to.#first, to.#firstStart, length)
    } else {
      this.copyTo(to, length)
    }
  }

  #scatter(to: Segments, length: number): void {
    let from = 0
    let fromDone = 0
    let into = 0
    let intoDone = 0
    for (let left = length; left > 0; ) {
      const fromLeft = this.#lengthOf(from) - fromDone
      const intoLeft = to.#lengthOf(into) - intoDone
      const step = Math.min(left, fromLeft, intoLeft)
      if (step <= 0) return
      const source = this.#bytesOf(from)
      move(source, this.#startOf(from) + fromDone, to.#bytesOf(into), to.#startOf(into) + intoDone, step)
      left -= step
      fromDone += step
      intoDone += step
      if (step === fromLeft) {
        from += 1
        fromDone = 0
      }
      if (step === intoLeft) {
        into += 1
        intoDone = 0
      }
    }
  }

  #bytesOf(part: number): Uint8Array {
    return part === 0 ? this.#first : (this.#bytes[part] ?? nothing)
  }

  #startOf(part: number): number {
    return part === 0 ? this.#firstStart : (this.#starts[part] ?? 0)
  }

  /** 0 after the last part. */
  #lengthOf(part: number): number {
    if (part >= this.count) return 0
    return part === 0 ? this.#firstLength : (this.#lengths[part] ?? 0)
  }

  /** A copy of the bytes. */
  keep(): Uint8Array {
    const kept = new Uint8Array(this.total)
    const own = new Segments(this.#copies)
    own.add(kept, 0, kept.length)
    this.copyTo(own, kept.length)
    return kept
  }
}
