import { now } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { Depot } from './depot.js'
import { magazineWord, threadWord } from './layout.js'

/** Why the bookkeeping of a pool contradicts itself. */
export const writtenOver = "the pool's bookkeeping was written over"

/** Milliseconds between two searches for dead threads, while the depot is empty. */
const sweepEvery = 100

/**
 * The two magazines of a thread, and their exchange at the depot. The thread works with the loaded one; the other is a
 * reserve, so that a thread that takes and gives at the border of a magazine goes to the depot only once a magazine.
 */
export class Magazines {
  /** Where the numbers of the loaded magazine start, and those of the other; -1 while they are unknown. */
  loaded = -1
  other = -1
  /**
   * Set when an exception has cut off an exchange. The next exchange looks up which magazines this thread owns, since
   * it may have given some away already.
   */
  areUnknown = true
  readonly #depot: Depot
  readonly #size: number
  readonly #ticket: number
  /** Where this thread's words start. */
  readonly #thread: number
  #loadedNumber = -1
  #otherNumber = -1
  #lastSweep = Number.NEGATIVE_INFINITY

  constructor(depot: Depot, size: number, ticket: number, thread: number) {
    this.#depot = depot
    this.#size = size
    this.#ticket = ticket
    this.#thread = thread
  }

  /** Fetches the first two magazines. */
  fetch(words: Int32Array): void {
    this.#open(words)
    this.#depot.close(words)
  }

  /**
   * Makes the other magazine the loaded one. No function is called here, so the end of the stack cannot cut it off.
   */
  swap(): void {
    const { loaded } = this
    this.loaded = this.other
    this.other = loaded
    const number = this.#loadedNumber
    this.#loadedNumber = this.#otherNumber
    this.#otherNumber = number
  }

  /**
   * Makes sure that the loaded magazine contains `count` elements; `count` is at most its size.
   *
   * @param mayTake false if older waiters come first: then no element of the depot is taken
   * @returns false when there are too few
   */
  fill(words: Int32Array, count: number, mayTake: boolean): boolean {
    this.#open(words)
    let isThere = this.#gathered(words) >= count
    let isFetched = false
    for (let fetched = 0; !isThere; fetched++) {
      if (fetched > this.#depot.magazines)
        throw new PinfoldError(`pool: a thread fetched more magazines than there are: ${writtenOver}`, {
          code: 'ERR_POOL_LAYOUT',
        })
      const full = mayTake ? this.#takeFull(words) : -1
      if (full < 0) {
        this.#tally(words, threadWord.failures, 1)
        break
      }
      this.#depot.give(words, this.#otherNumber) // empty: its elements were poured into the loaded one
      this.#otherNumber = this.#loadedNumber
      this.#loadedNumber = full
      this.#place()
      this.#tally(words, threadWord.refills, 1)
      isFetched = true
      isThere = this.#gathered(words) >= count
    }
    this.#depot.close(words)
    if (isThere && isFetched) this.#tally(words, threadWord.missed, count)
    return isThere
  }

  /** Makes sure that `count` more elements fit into the loaded magazine; `count` is at most its size. */
  empty(words: Int32Array, count: number): void {
    this.#open(words)
    this.#depot.pour(words, this.#loadedNumber, this.#otherNumber)
    if (this.#count(words, this.loaded) + count > this.#size) {
      const empty = this.#takeEmpty(words)
      this.#depot.give(words, this.#otherNumber)
      this.#otherNumber = this.#loadedNumber
      this.#loadedNumber = empty
      this.#place()
      this.#tally(words, threadWord.flushes, 1)
    }
    this.#depot.close(words)
  }

  /** Gives the depot all elements. */
  flush(words: Int32Array): void {
    this.#open(words)
    this.#depot.give(words, this.#loadedNumber)
    this.#depot.give(words, this.#otherNumber)
    this.#loadedNumber = this.#takeEmpty(words)
    this.#otherNumber = this.#takeEmpty(words)
    this.#place()
    this.#tally(words, threadWord.flushes, 1)
    this.#depot.close(words)
  }

  /** Gives the depot both magazines, when the pool is closed. */
  leave(words: Int32Array): void {
    this.#depot.open(words, this.#ticket)
    for (const magazine of this.#depot.magazinesOf(words, this.#ticket)) this.#depot.give(words, magazine)
    this.#depot.close(words)
  }

  /** Takes back the magazines of dead threads; returns how many elements they contain. */
  reclaim(words: Int32Array): number {
    this.#open(words)
    const found = this.#depot.sweep(words)
    this.#depot.close(words)
    return found
  }

  /** Tells of each element whether it is in a magazine, of any thread or of the depot. */
  freeElements(words: Int32Array, capacity: number): (index: number) => boolean {
    this.#open(words)
    const isFree = this.#depot.inMagazines(words, capacity)
    this.#depot.close(words)
    return isFree
  }

  /** From here on, a call that is cut off leaves the depot to the next call of any thread (PoolCache). */
  #open(words: Int32Array): void {
    const isLeftBehind = this.#depot.open(words, this.#ticket)
    // A call of this thread that was cut off may have given magazines away.
    if (isLeftBehind || this.areUnknown) this.#findOwn(words)
  }

  #findOwn(words: Int32Array): void {
    const [loaded, other, ...more] = this.#depot.magazinesOf(words, this.#ticket)
    for (const magazine of more) this.#depot.give(words, magazine)
    this.#loadedNumber = loaded ?? this.#takeEmpty(words)
    this.#otherNumber = other ?? this.#takeEmpty(words)
    this.#place()
    this.areUnknown = false
  }

  /** Moves elements of the other magazine into the loaded one, as many as fit; returns how many that one contains. */
  #gathered(words: Int32Array): number {
    this.#depot.pour(words, this.#otherNumber, this.#loadedNumber)
    return this.#count(words, this.loaded)
  }

  #takeFull(words: Int32Array): number {
    const full = this.#depot.takeFull(words, this.#ticket)
    if (full >= 0) return full
    const time = now()
    if (time - this.#lastSweep < sweepEvery) return -1
    this.#lastSweep = time
    return this.#depot.sweep(words) > 0 ? this.#depot.takeFull(words, this.#ticket) : -1
  }

  #takeEmpty(words: Int32Array): number {
    const empty = this.#depot.takeEmpty(words, this.#ticket)
    if (empty >= 0) return empty
    // Dead threads may own the empty ones: nothing else looks for these threads while the depot contains elements.
    this.#depot.sweep(words)
    const found = this.#depot.takeEmpty(words, this.#ticket)
    if (found >= 0) return found
    throw new PinfoldError(`pool: the depot has no empty magazine: ${writtenOver}`, { code: 'ERR_POOL_LAYOUT' })
  }

  #place(): void {
    this.loaded = this.#depot.entriesOf(this.#loadedNumber)
    this.other = this.#depot.entriesOf(this.#otherNumber)
  }

  /** Elements in a magazine. If the magazine's number was written over no word stands there: none then. */
  #count(words: Int32Array, entries: number): number {
    return words[entries + magazineWord.count] ?? 0
  }

  #tally(words: Int32Array, what: number, count: number): void {
    words[this.#thread + what] = words[this.#thread + what] + count
  }
}
