import { max } from '../builtins.js'

/** Packets that are free, but not in the pool yet. The array stays, so that a large burst needs no new memory. */
export class Unreturned {
  numbers = new Uint32Array(64)
  /** How many of `numbers` are in use. */
  length = 0

  /** Makes room for `count` more. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.numbers.length) return
    const larger = new Uint32Array(max(needed, 2 * this.numbers.length))
    larger.set(this.numbers)
    this.numbers = larger
  }

  push(index: number): void {
    this.reserve(1)
    this.numbers[this.length] = index
    this.length += 1
  }
}
