import { takeOwnership } from '../threads/owner-word.js'
import { isAlive } from '../threads/participants.js'
import { publish } from '../threads/publication.js'
import { depotWord, magazineWord, type PoolPlaces, type PoolShape } from './layout.js'

/**
 * The place where threads exchange magazines, under a lock that one thread holds for some dozen instructions.
 *
 * Every magazine has an owner, the depot or a thread, in one word that one store changes. The two stacks only say where
 * to look: a thread that finds the lock with a dead owner builds them again from the owners' words. So the death of a
 * thread never loses a magazine, and never gives one magazine to two threads. A move of elements between two magazines
 * is written down first, and is completed by the thread that finds it unfinished.
 *
 * The order of stores is the proof. Each label names a store or load, and the one that it pairs with:
 *
 *     D0  open     acquires the lock              pairs with D1 of the previous owner: sees all that it wrote
 *     D1  close    releases the lock              pairs with D0 of the next owner
 *     M1  take     owner = ticket, before depth   pairs with M3
 *     M2  push     owner = 0, after depth         pairs with M3
 *     M3  sweep    reads the owners, not the stacks: a thread that died around M1 or M2 has done it or has not
 *     P1  pour     isPouring = 1, after the record of the move      pairs with P2
 *     P2  sweep    reads isPouring, then the record
 *     P3  pour     isPouring = 0, after both counts                 pairs with P2: never done again after that
 */
export class Depot {
  readonly #places: PoolPlaces
  readonly magazines: number
  readonly #magazineSize: number
  readonly #patience: number

  constructor(places: PoolPlaces, { magazines, magazineSize }: PoolShape, patience: number) {
    this.#places = places
    this.magazines = magazines
    this.#magazineSize = magazineSize
    this.#patience = patience
  }

  /** Where a magazine's numbers start. */
  entriesOf(magazine: number): number {
    return this.#places.firstMagazine + magazine * this.#places.magazineWords
  }

  /**
   * Acquires the lock of the depot. All other methods but `count` need it.
   *
   * @returns true if the previous owner, which may have been this thread, was cut off while it held the lock
   * @throws PinfoldError `ERR_POOL_BUSY` when a living thread keeps it
   */
  open(words: Int32Array, ticket: number): boolean {
    // D0: acquire, pairs with D1 in `close`.
    const isLeftBehind = takeOwnership(words, depotWord.owner, ticket, this.#patience) === 'left behind'
    if (isLeftBehind) this.sweep(words)
    return isLeftBehind
  }

  close(words: Int32Array): void {
    publish(words, depotWord.owner, 0) // D1: release, pairs with D0 in `open`
  }

  /** Gives `ticket` a magazine that contains elements; -1 when there is none. */
  takeFull(words: Int32Array, ticket: number): number {
    return this.#take(words, depotWord.full, this.#places.fullStack, ticket)
  }

  /** Gives `ticket` an empty magazine. There always is one; -1 if the bookkeeping was written over. */
  takeEmpty(words: Int32Array, ticket: number): number {
    return this.#take(words, depotWord.empty, this.#places.emptyStack, ticket)
  }

  #take(words: Int32Array, depth: number, stack: number, ticket: number): number {
    const top = words[depth] - 1
    // A depth above the number of magazines was written over. Counting it down would take very long.
    if (top < 0 || top >= this.magazines) return -1
    const magazine = words[stack + top]
    words[this.entriesOf(magazine) + magazineWord.owner] = ticket // M1: pairs with M3 in `sweep`
    words[depth] = top
    return magazine
  }

  /** Takes a magazine back as it is. Of the magazines with elements only the top one may be less than full. */
  give(words: Int32Array, magazine: number): void {
    const entries = this.entriesOf(magazine)
    const count = this.#countOf(words, magazine)
    if (count <= 0) {
      this.#push(words, depotWord.empty, this.#places.emptyStack, magazine)
      return
    }
    const { fullStack } = this.#places
    const depth = words[depotWord.full]
    const top = words[fullStack + depth - 1] ?? 0 // no word stands there if the depth was written over
    const onTop = depth > 0 ? this.#countOf(words, top) : this.#magazineSize
    if (onTop >= this.#magazineSize) {
      this.#push(words, depotWord.full, fullStack, magazine)
    } else if (count >= this.#magazineSize) {
      words[fullStack + depth] = top
      words[fullStack + depth - 1] = magazine
      words[depotWord.full] = depth + 1
      words[entries + magazineWord.owner] = 0 // M2: after the depth, pairs with M3 in `sweep`
    } else {
      this.pour(words, magazine, top)
      const isEmpty = this.#countOf(words, magazine) === 0
      if (isEmpty) this.#push(words, depotWord.empty, this.#places.emptyStack, magazine)
      else this.#push(words, depotWord.full, fullStack, magazine)
    }
  }

  #push(words: Int32Array, depth: number, stack: number, magazine: number): void {
    const count = words[depth]
    words[stack + count] = magazine
    words[depth] = count + 1
    words[this.entriesOf(magazine) + magazineWord.owner] = 0 // M2: after the depth, pairs with M3 in `sweep`
  }

  /** Moves as many elements as fit from one magazine into another. No other thread may use either. */
  pour(words: Int32Array, from: number, into: number): void {
    const source = this.entriesOf(from)
    const target = this.entriesOf(into)
    const there = this.#countOf(words, from)
    const had = this.#countOf(words, into)
    const count = Math.min(there, this.#magazineSize - had)
    if (count <= 0) return
    words.copyWithin(target + had, source + there - count, source + there)
    words[depotWord.source] = source
    words[depotWord.target] = target
    words[depotWord.sourceCount] = there - count
    words[depotWord.targetCount] = had + count
    publish(words, depotWord.isPouring, 1) // P1: release, after the copies and the record, pairs with P2
    this.#finishPouring(words)
  }

  #finishPouring(words: Int32Array): void {
    if (words[depotWord.isPouring] !== 1) return // P2: before the record is read, pairs with P1 and P3 of a dead owner
    words[words[depotWord.source] + magazineWord.count] = words[depotWord.sourceCount]
    words[words[depotWord.target] + magazineWord.count] = words[depotWord.targetCount]
    publish(words, depotWord.isPouring, 0) // P3: release, after both counts, pairs with P2
  }

  /**
   * Takes back the magazines of dead threads, and builds the stacks again.
   *
   * @returns elements in the magazines of dead threads
   */
  sweep(words: Int32Array): number {
    this.#finishPouring(words)
    words[depotWord.full] = 0
    words[depotWord.empty] = 0
    let found = 0
    for (let magazine = 0; magazine < this.magazines; magazine++) {
      const entries = this.entriesOf(magazine)
      const owner = words[entries + magazineWord.owner] // M3: pairs with M1 and M2 of a dead owner of the lock
      if (owner !== 0 && isAlive(words, owner)) continue
      if (owner !== 0) found += words[entries + magazineWord.count]
      this.give(words, magazine)
    }
    return found
  }

  /** The magazines that `ticket` owns. */
  magazinesOf(words: Int32Array, ticket: number): number[] {
    const all = Array.from({ length: this.magazines }, (_, magazine) => magazine)
    return all.filter((magazine) => words[this.entriesOf(magazine) + magazineWord.owner] === ticket)
  }

  /** Elements in all magazines. While other threads work with theirs it is a moment old. */
  count(words: Int32Array): number {
    let sum = 0
    for (let magazine = 0; magazine < this.magazines; magazine++) {
      sum += words[this.entriesOf(magazine) + magazineWord.count]
    }
    return sum
  }

  /** Tells of each element whether it is in a magazine. While the lock is held, no element moves between magazines. */
  inMagazines(words: Int32Array, capacity: number): (index: number) => boolean {
    const bits = new Uint32Array(Math.ceil(capacity / 32))
    for (let magazine = 0; magazine < this.magazines; magazine++) {
      const entries = this.entriesOf(magazine)
      const count = Math.min(this.#magazineSize, words[entries + magazineWord.count])
      for (let place = 0; place < count; place++) {
        const index = words[entries + place]
        bits[index >>> 5] = bits[index >>> 5] | (1 << (index & 31))
      }
    }
    return (index) => (bits[index >>> 5] & (1 << (index & 31))) !== 0
  }

  /** Elements in a magazine. If the magazine's number was written over no word stands there: none then. */
  #countOf(words: Int32Array, magazine: number): number {
    return words[this.entriesOf(magazine) + magazineWord.count] ?? 0
  }
}
