/**
 * Bytes in several places, in order: what the scatter entries of a request come down to. Kept and filled anew for each
 * request, so that moving bytes allocates nothing.
 */
export class Segments {
  /** Parts, of which the first `count` count. */
  readonly #bytes: Uint8Array[] = []
  readonly #starts: number[] = []
  readonly #lengths: number[] = []
  count = 0
  total = 0

  clear(): void {
    this.count = 0
    this.total = 0
  }

  add(bytes: Uint8Array, start: number, length: number): void {
    if (length === 0) return
    this.#bytes[this.count] = bytes
    this.#starts[this.count] = start
    this.#lengths[this.count] = length
    this.count += 1
    this.total += length
  }

  /** Copies the first `length` bytes of this to the start of `to`, which has room for them. */
  copyTo(to: Segments, length: number): void {
    const source = this.#bytes[0]
    const target = to.#bytes[0]
    if (this.count === 1 && to.count === 1 && source !== undefined && target !== undefined) {
      move(source, this.#starts[0] ?? 0, target, to.#starts[0] ?? 0, length)
    } else {
      this.#scatter(to, length)
    }
  }

  #scatter(to: Segments, length: number): void {
    let from = 0
    let fromDone = 0
    let into = 0
    let intoDone = 0
    for (let left = length; left > 0; ) {
      const source = this.#bytes[from]
      const target = to.#bytes[into]
      const fromLeft = (this.#lengths[from] ?? 0) - fromDone
      const intoLeft = (to.#lengths[into] ?? 0) - intoDone
      const step = Math.min(left, fromLeft, intoLeft)
      if (source === undefined || target === undefined || step <= 0) return
      move(source, (this.#starts[from] ?? 0) + fromDone, target, (to.#starts[into] ?? 0) + intoDone, step)
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

  /** Copies what is here elsewhere, and refers to that from now on: the memory may change. */
  keep(): Uint8Array {
    const kept = new Uint8Array(this.total)
    const own = new Segments()
    own.add(kept, 0, kept.length)
    this.copyTo(own, kept.length)
    return kept
  }
}

/** What a null registration is read from, in parts; what is written there is dropped. */
export const nothing = new Uint8Array(64 * 1024)

/** Below this a loop is faster than a call of the runtime with a view made for it. */
const fewBytes = 32

/** Views of the same memory are the same object here (registered-memory.ts), so that overlap is seen. */
function move(source: Uint8Array, from: number, target: Uint8Array, to: number, length: number): void {
  if (target === nothing) return
  if (length < fewBytes && (source !== target || to + length <= from || from + length <= to)) {
    for (let index = 0; index < length; index++) target[to + index] = source[from + index] ?? 0
  } else if (source === target) {
    target.copyWithin(to, from, from + length)
  } else {
    target.set(source.subarray(from, from + length), to)
  }
}
