import { takeOwnership } from '../threads/owner-word.js'
import { isAlive } from '../threads/participants.js'
import { publish } from '../threads/publication.js'
import { depotWord, magazineWord, type PoolPlaces, type PoolShape } from './layout.js'

/**
 * Where threads exchange magazines. One thread has it at a time, for some dozen instructions.
 *
 * Every magazine has an owner: the depot or a thread, by one word that one store changes. The stacks only say where to
 * look: whoever finds the depot with a dead owner makes them anew from the owners' words. So there is no moment at which
 * the death of a thread loses a magazine, or has two threads use one. What is moved between two magazines is written down
 * before, and done again by whoever finds it half done.
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
   * Until `close` it is this thread's alone.
   *
   * @returns whether its last owner had left it half-way, which may have been this thread
   * @throws PinfoldError `ERR_POOL_BUSY` when a living thread keeps it
   */
  open(words: Int32Array, ticket: number): boolean {
    const isLeftBehind = takeOwnership(words, depotWord.owner, ticket, this.#patience) === 'left behind'
    if (isLeftBehind) this.sweep(words)
    return isLeftBehind
  }

  close(words: Int32Array): void {
    publish(words, depotWord.owner, 0)
  }

  /** A magazine with elements in it, for `ticket`; -1 when there is none. */
  takeFull(words: Int32Array, ticket: number): number {
    return this.#take(words, depotWord.full, this.#places.fullStack, ticket)
  }

  /** An empty magazine, of which there always is one. */
  takeEmpty(words: Int32Array, ticket: number): number {
    return this.#take(words, depotWord.empty, this.#places.emptyStack, ticket)
  }

  #take(words: Int32Array, depth: number, stack: number, ticket: number): number {
    const top = words[depth] - 1
    // More than there are were written there by somebody else; a thread must not count them down.
    if (top < 0 || top >= this.magazines) return -1
    const magazine = words[stack + top]
    words[this.entriesOf(magazine) + magazineWord.owner] = ticket
    words[depth] = top
    return magazine
  }

  /** Takes a magazine back as it is. Of those with elements only the one on top may be less than full. */
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
      words[entries + magazineWord.owner] = 0
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
    words[this.entriesOf(magazine) + magazineWord.owner] = 0
  }

  /** Moves as many elements as fit from one magazine into another. Of both it has to be sure that nobody else uses them. */
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
    publish(words, depotWord.isPouring, 1)
    this.#finishPouring(words)
  }

  #finishPouring(words: Int32Array): void {
    if (words[depotWord.isPouring] !== 1) return
    words[words[depotWord.source] + magazineWord.count] = words[depotWord.sourceCount]
    words[words[depotWord.target] + magazineWord.count] = words[depotWord.targetCount]
    publish(words, depotWord.isPouring, 0)
  }

  /**
   * Takes back what dead threads have, and makes the stacks anew.
   *
   * @returns elements in the magazines that dead threads had
   */
  sweep(words: Int32Array): number {
    this.#finishPouring(words)
    words[depotWord.full] = 0
    words[depotWord.empty] = 0
    let found = 0
    for (let magazine = 0; magazine < this.magazines; magazine++) {
      const entries = this.entriesOf(magazine)
      const owner = words[entries + magazineWord.owner]
      if (owner !== 0 && isAlive(words, owner)) continue
      if (owner !== 0) found += words[entries + magazineWord.count]
      this.give(words, magazine)
    }
    return found
  }

  /** Elements in a magazine. If the magazine's number was written over no word stands there: none then. */
  #countOf(words: Int32Array, magazine: number): number {
    return words[this.entriesOf(magazine) + magazineWord.count] ?? 0
  }

  /** The magazines that `ticket` has. */
  magazinesOf(words: Int32Array, ticket: number): number[] {
    const all = Array.from({ length: this.magazines }, (_, magazine) => magazine)
    return all.filter((magazine) => words[this.entriesOf(magazine) + magazineWord.owner] === ticket)
  }

  /** Elements in all magazines, as of a moment ago when others work with theirs. */
  count(words: Int32Array): number {
    let sum = 0
    for (let magazine = 0; magazine < this.magazines; magazine++) {
      sum += words[this.entriesOf(magazine) + magazineWord.count]
    }
    return sum
  }

  /** Whether each element is in a magazine; of a pool whose depot is this thread's, so that nothing is moved meanwhile. */
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
}
