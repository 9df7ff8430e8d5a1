import { isRange, lengthFrom, wrongRange } from '../arrays/number-array.js'
import { copyPairs, moveNumbers, type Pairs, pairsOf } from '../arrays/pairs.js'
import { atomicStore } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { AlignedMemory } from '../memory/region-memory.js'
import { describe } from '../sizes.js'
import { leftBehind } from '../threads/owner-word.js'
import { Participant } from '../threads/participants.js'
import type { Depot } from './depot.js'
import { PoolElements } from './elements.js'
import { depotWord, magazineWord, type PoolShape, threadsWord, threadWord, threadWords } from './layout.js'
import { Magazines } from './magazines.js'
import { poolViews } from './views.js'

const noValues = new Uint32Array(0)

// What is needed when the stack is used up, when no getter of a module's namespace can be called.
const atOwner = depotWord.owner
const cutOff = leftBehind
const store = atomicStore
const fromNumbersToCount = magazineWord.count

/** One kind of exchange. A constant, since a function that is made for each call is garbage. */
type Exchange<Result> = (magazines: Magazines, words: Int32Array, count: number, mayTake: boolean) => Result

const fetch: Exchange<void> = (magazines, words) => magazines.fetch(words)
const leave: Exchange<void> = (magazines, words) => magazines.leave(words)
const fill: Exchange<boolean> = (magazines, words, count, mayTake) => magazines.fill(words, count, mayTake)
const empty: Exchange<void> = (magazines, words, count) => magazines.empty(words, count)

/**
 * What one thread does with the elements of a pool, a hundred million times a second. Each of these methods is a look at
 * the loaded magazine; what that has not goes the slow way, by Magazines. They are small, since V8 inlines no more than 920
 * bytes of bytecode into a program's loop, all together.
 */
export abstract class PoolCache extends PoolElements {
  /** Where a span's elements stand: those of `take(n)`, and where `room(n)` wants them. */
  declare spans: Uint32Array
  // Hot: V8 checks a # field at each access, and knows by heart what a field has that is assigned once in every pool.
  declare protected words: Int32Array
  /** Where it stands how many elements the loaded magazine has; their numbers begin at the same place of `spans`. */
  declare protected level: number
  /** Elements that `take` and `room` lend at most: half of `cache`. */
  declare readonly magazineSize: number
  /** Where others ask this thread to give to the depot what it frees. */
  declare protected readonly asked: number
  declare protected readonly isCounting: boolean
  /** Elements that this thread has taken, when they are counted: a number, since a word of 32 bits would wrap in seconds. */
  declare protected taken: number
  declare private pairs: Pairs
  // The arrays of the last bulk calls. Not there before the first, so that a program that has but one assigns them once.
  declare private target: Uint32Array
  declare private targetPairs: Pairs | undefined
  declare private source: Uint32Array
  declare private sourcePairs: Pairs | undefined
  protected readonly participant: Participant
  protected readonly magazines: Magazines
  /** Where this thread's words start. */
  protected readonly thread: number
  #closed = false

  constructor(range: AlignedMemory, shape: PoolShape, depot: Depot, isCounting: boolean) {
    super(range, shape)
    const { words, pairs, spans } = poolViews(range.memory, shape)
    // Loops end by it, so a program must not change it.
    Object.defineProperty(this, 'magazineSize', { value: shape.magazineSize, enumerable: true })
    this.isCounting = isCounting
    this.taken = 0
    this.words = words
    this.pairs = pairs
    this.spans = spans
    this.participant = Participant.join(words, 'buffer pool')
    const { line, ticket } = this.participant
    this.thread = threadsWord + line * threadWords
    this.asked = this.thread + threadWord.isAsked
    words.fill(0, this.thread, this.thread + threadWords)
    words[this.thread + threadWord.ticket] = ticket
    this.magazines = new Magazines(depot, shape.magazineSize, ticket, this.thread)
    try {
      this.exchanged(fetch)
    } catch (error) {
      this.participant.leave(this.words)
      throw error
    }
  }

  /** Whether it was closed in this thread. */
  get closed(): boolean {
    return this.#closed
  }

  /** Whether the depot's elements are this thread's to take. */
  protected abstract mayTake(words: Int32Array): boolean

  /** Others wait for what this thread has in its cache. */
  protected abstract answer(): void

  /**
   * Takes an element; -1 when there is none: the pool is empty, or what is free lies in other threads' caches.
   *
   * @throws PinfoldError `ERR_POOL_CLOSED`, `ERR_REGION_CLOSED`, `ERR_POOL_BUSY` when a living thread keeps the depot
   */
  get(): number {
    const { words, level } = this
    const left = ((words[level] ?? 0) - 1) | 0
    if (left < 0) return this.fill(1) ? this.#pop() : -1
    const index = words[(level + 2 + left) | 0] ?? -1
    words[level] = left
    if (this.isCounting) this.taken += 1
    return index
  }

  /**
   * Gives an element back.
   *
   * @throws PinfoldError `ERR_POOL_INDEX` when it is no number of an element; as `get`
   */
  put(index: number): void {
    if (!this.isElement(index)) throw this.noElement('put', index)
    const { words, level } = this
    const had = words[level] ?? this.magazineSize
    if (had >= this.magazineSize) {
      this.#push(index)
      return
    }
    words[level + 2 + had] = index
    words[level] = had + 1
    if (words[this.asked] !== 0) this.answer()
  }

  /**
   * Takes `count` elements, into `values` from `at` on, or none. In which order is not said.
   *
   * @returns `count` or 0
   * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`; as `get`
   */
  getBulk(values: Uint32Array, count?: number, at = 0): number {
    const { words, level, targetPairs, pairs } = this
    if (typeof count === 'number' && typeof at === 'number' && values === this.target) {
      const left = ((words[level] ?? 0) - count) | 0
      const to = at >> 1
      // -0x7fffffff: none is odd or below 0. A name for it would be looked up in each call.
      if (
        (at | 0) === at &&
        (count | 0) === count &&
        ((left | at | count) & -0x7fffffff) === 0 &&
        targetPairs?.[to + (count >> 1) - 1] !== undefined
      ) {
        const first = (level + left) >> 1
        if (count === 4) {
          targetPairs[to] = pairs[first]
          targetPairs[to + 1] = pairs[first + 1]
        } else {
          copyPairs(targetPairs, to, pairs, first, count >> 1)
        }
        words[level] = left
        if (this.isCounting) this.taken += count
        return count
      }
    }
    return this.#getPieces(values, count, at) | 0
  }

  /**
   * Gives the `count` elements of `values` from `at` on back.
   *
   * @throws PinfoldError `ERR_POOL_INDEX` that names the first that is no number of an element, and none is given back;
   *   as `getBulk`
   */
  putBulk(values: Uint32Array, count?: number, at = 0): void {
    const { words, level, sourcePairs, pairs } = this
    if (typeof count === 'number' && typeof at === 'number' && values === this.source) {
      const had = words[level] ?? this.magazineSize
      const room = (this.magazineSize - had - count) | 0
      const from = at >> 1
      if (
        (at | 0) === at &&
        (count | 0) === count &&
        ((room | at | count | (words[this.asked] ?? 0)) & -0x7fffffff) === 0 &&
        sourcePairs?.[from + (count >> 1) - 1] !== undefined
      ) {
        const first = (level + had) >> 1
        if (count === 4) {
          pairs[first] = sourcePairs[from]
          pairs[first + 1] = sourcePairs[from + 1]
        } else {
          copyPairs(pairs, first, sourcePairs, from, count >> 1)
        }
        words[level] = had + count
        return
      }
    }
    this.#putPieces(values, count, at)
  }

  /**
   * Takes `count` elements without copying their numbers: they stand in `spans`, from the place on that this returns, until
   * the next call of this thread for this pool.
   *
   * @param count 0 to half of the pool's `cache`
   * @returns the place, -1 when there are not so many
   * @throws PinfoldError `ERR_OUT_OF_RANGE`; as `get`
   */
  take(count: number): number {
    if (typeof count !== 'number') this.#requireSpan('take', count)
    const { words, level } = this
    const left = ((words[level] ?? 0) - count) | 0
    if ((left | count) < 0 || (count | 0) !== count) {
      this.#requireSpan('take', count)
      return this.fill(count) ? this.#lend(count) : -1
    }
    words[level] = left
    if (this.isCounting) this.taken += count
    return level + left
  }

  /**
   * The place in `spans` from which on `count` elements are to be written that `give` then gives back. No other call of this
   * thread for this pool may come between. After a `take` of as many it is where these stand.
   *
   * @param count 0 to half of the pool's `cache`
   * @throws PinfoldError `ERR_OUT_OF_RANGE`; as `get`
   */
  room(count: number): number {
    if (typeof count !== 'number') this.#requireSpan('room', count)
    const { words, level } = this
    const had = words[level] ?? this.magazineSize
    if (((this.magazineSize - had - count) | count) < 0 || (count | 0) !== count) {
      this.#requireSpan('room', count)
      this.#makeRoom(count)
      return this.level + (this.words[this.level] ?? 0)
    }
    return level + had
  }

  /**
   * Gives back the `count` elements that were written where `room` has said, or that a `take` directly before has taken.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when there is no room for so many; as `get`
   */
  give(count: number): void {
    if (typeof count !== 'number') this.#requireSpan('give', count)
    const { words, level } = this
    const had = words[level] ?? this.magazineSize
    if (((this.magazineSize - had - count) | count) < 0 || (count | 0) !== count) {
      this.#requireSpan('give', count)
      throw new PinfoldError(`give: no room was made for ${count} elements`, {
        code: 'ERR_OUT_OF_RANGE',
        values: { count, room: this.magazineSize - had },
      })
    }
    words[level] = had + count
    if (words[this.asked] !== 0) this.answer()
  }

  /** Gives the magazines up, once only. @throws PinfoldError `ERR_POOL_BUSY`; it is still open then */
  protected leave(): void {
    if (this.#closed) return
    if (this.words.length > 0) {
      this.exchanged(leave)
      this.participant.leave(this.words)
    }
    this.#closed = true
    // Where no number is, so that every call takes the slow way, which says that it is closed.
    this.level = -1
  }

  /** The words, or why there are none: a closed pool or region. */
  protected wordsNow(): Int32Array {
    if (this.#closed) throw new PinfoldError('this BufferPool is closed', { code: 'ERR_POOL_CLOSED' })
    if (this.words.length > 0) return this.words
    // A region that is closed says so. One that is open has lost its ArrayBuffer: somebody has transferred it away.
    const { words, pairs, spans } = poolViews(this.range.memory, this.shape)
    this.words = words
    this.pairs = pairs
    this.spans = spans
    return words
  }

  /** Where the elements stand that `take` would take, which stay where they are; -1 when there are not so many. */
  protected ready(count: number): number {
    this.#requireSpan('take', count)
    const had = () => this.words[this.level] ?? 0
    return had() >= count || this.fill(count) ? this.level + had() - count : -1
  }

  /** Sees to it that so many elements are in the loaded magazine; false when there are none, or others come before. */
  protected fill(count: number, mayTake: boolean = this.mayTake(this.wordsNow())): boolean {
    return this.exchanged(fill, count, mayTake)
  }

  /**
   * Exchanges magazines, after which the loaded one may be another. When an exception cuts that off while this thread has the
   * depot, other threads go on with it from there. Nothing is called for that, as the stack may be used up.
   *
   * @throws PinfoldError as `get`
   */
  protected exchanged<Result>(exchange: Exchange<Result>, count = 0, mayTake = false): Result {
    const words = this.wordsNow()
    const { magazines, participant } = this
    try {
      return exchange(magazines, words, count, mayTake)
    } catch (error) {
      if (words[atOwner] === participant.ticket) {
        magazines.areUnknown = true
        magazines.loaded = -1
        store(words, atOwner, cutOff)
      }
      throw error
    } finally {
      this.level = magazines.loaded + fromNumbersToCount
    }
  }

  #makeRoom(count: number): void {
    this.exchanged(empty, count)
  }

  // What the methods above do once the magazine is right. Not by calling them again: a pool that tracks has others.

  #pop(): number {
    const left = (this.words[this.level] ?? 0) - 1
    // Not of `spans`: V8 would carry what `get` returns, of either way, as a float, since not every number there is an int32.
    const index = this.words[this.level + 2 + left] ?? -1
    this.words[this.level] = left
    if (this.isCounting) this.taken += 1
    return index
  }

  #lend(count: number): number {
    const left = (this.words[this.level] ?? 0) - count
    this.words[this.level] = left
    if (this.isCounting) this.taken += count
    return this.level + left
  }

  #push(index: number): void {
    this.#makeRoom(1)
    const had = this.words[this.level] ?? 0
    this.spans[this.level + had] = index
    this.words[this.level] = had + 1
    if (this.words[this.asked] !== 0) this.answer()
  }

  /** Of another array than before, or more than the magazine has, or from or to an odd place. */
  #getPieces(values: Uint32Array, given: number | undefined, at: number): number {
    const targetPairs = (values === this.target ? this.targetPairs : undefined) ?? pairsOf('getBulk', values)
    const count = given === undefined ? lengthFrom(values, at) : given
    if (!isRange(values, count, at)) throw wrongRange('getBulk', values, count, at)
    const target = targetPairs.length > 0 ? values : noValues
    if (this.target === undefined) this.#setArrays(target, targetPairs)
    if (this.target !== target) {
      this.target = target
      this.targetPairs = targetPairs
    }
    this.wordsNow()
    for (let done = 0; done < count; ) {
      const piece = Math.min(this.magazineSize, count - done)
      if ((this.words[this.level] ?? 0) < piece && !this.fill(piece)) {
        this.#putPieces(values, done, at)
        return 0
      }
      const left = (this.words[this.level] ?? 0) - piece
      const first = this.level + left
      moveNumbers(values, targetPairs, at + done, this.spans, this.pairs, first, piece)
      this.words[this.level] = left
      if (this.isCounting) this.taken += piece
      done += piece
    }
    return count
  }

  /** As `#getPieces`. */
  #putPieces(values: Uint32Array, given: number | undefined, at: number): void {
    const sourcePairs = (values === this.source ? this.sourcePairs : undefined) ?? pairsOf('putBulk', values)
    const count = given === undefined ? lengthFrom(values, at) : given
    if (!isRange(values, count, at)) throw wrongRange('putBulk', values, count, at)
    const source = sourcePairs.length > 0 ? values : noValues
    if (this.source === undefined) this.#setArrays(source, sourcePairs)
    if (this.source !== source) {
      this.source = source
      this.sourcePairs = sourcePairs
    }
    this.wordsNow()
    for (let done = 0; done < count; ) {
      const piece = Math.min(this.magazineSize, count - done)
      if ((this.words[this.level] ?? this.magazineSize) + piece > this.magazineSize) this.#makeRoom(piece)
      const had = this.words[this.level] ?? 0
      const first = this.level + had
      moveNumbers(this.spans, this.pairs, first, values, sourcePairs, at + done, piece)
      this.words[this.level] = had + piece
      done += piece
    }
    if (this.words[this.asked] !== 0) this.answer()
  }

  #setArrays(values: Uint32Array, pairs: Pairs): void {
    this.target = this.source = values
    this.targetPairs = this.sourcePairs = pairs
  }

  #requireSpan(subject: string, count: number): void {
    this.wordsNow()
    if (Number.isInteger(count) && count >= 0 && count <= this.magazineSize) return
    throw new PinfoldError(
      `${subject}: expected a whole number from 0 to ${this.magazineSize}, received ${describe(count)}`,
      { code: 'ERR_OUT_OF_RANGE', values: { count, most: this.magazineSize } },
    )
  }
}
