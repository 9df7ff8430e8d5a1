import { moveNumbers, type Pairs } from '../arrays/pairs.js'
import { atomicStore } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { MemoryRange } from '../memory/region-memory.js'
import { leftBehind } from '../threads/owner-word.js'
import { isAlive, Participant } from '../threads/participants.js'
import { publish } from '../threads/publication.js'
import type { Depot } from './depot.js'
import { depotWord, magazineWord, type PoolShape, threadsWord, threadWord, threadWords } from './layout.js'
import { Magazines } from './magazines.js'
import { poolViews } from './views.js'
import { PoolQueue } from './waiting.js'

// Constants that `exchanged` needs when the stack is used up: even the getter of a module's namespace cannot be called
// then.
const atOwner = depotWord.owner
const cutOff = leftBehind
const store = atomicStore
const fromNumbersToCount = magazineWord.count

/** One kind of exchange with the depot. A constant, because a function that is made for each call is garbage. */
type Exchange<Result> = (magazines: Magazines, words: Int32Array, count: number, mayTake: boolean) => Result

const fetch: Exchange<void> = (magazines, words) => magazines.fetch(words)
const leave: Exchange<void> = (magazines, words) => magazines.leave(words)
const fill: Exchange<boolean> = (magazines, words, count, mayTake) => magazines.fill(words, count, mayTake)
const empty: Exchange<void> = (magazines, words, count) => magazines.empty(words, count)
const flush: Exchange<void> = (magazines, words) => magazines.flush(words)
const reclaim: Exchange<number> = (magazines, words) => magazines.reclaim(words)

/** What a cache asks of its pool. */
export interface PoolOfCache {
  /** Takes an element for a waiter of this thread, with all that the pool's `get` does. */
  get(): number
  /** Called before the loaded magazine may change: from now on the fast paths must not use it. */
  hideLoaded(): void
  /** Called when it is known again which magazine is loaded. */
  showLoaded(cache: PoolCache): void
}

/**
 * One thread's free elements: the loaded magazine, another in reserve, and the exchange of both at the depot. The fast
 * paths of BufferPool work on the loaded magazine by themselves; the methods here do all that these cannot.
 */
export class PoolCache {
  // Plain fields, not # fields: V8 checks a # field at each access.
  declare words: Int32Array
  /** The numbers of free elements, at the places that `ready` and `room` return. */
  declare spans: Uint32Array
  /** The same as `spans`, two numbers in each element. */
  declare pairs: Pairs
  /**
   * Where in `words` the count of the loaded magazine stands; its numbers begin at the same place of `spans`. No word
   * stands there while the magazines are unknown.
   */
  declare level: number
  /** Elements of a magazine. */
  declare private readonly size: number
  declare closed: boolean
  /** Elements that `drop` has taken: a number, since a word of 32 bits would wrap in seconds. */
  declare taken: number
  readonly participant: Participant
  readonly magazines: Magazines
  readonly queue: PoolQueue
  /** Where this thread's words start. */
  readonly thread: number
  readonly shape: PoolShape
  readonly #range: MemoryRange
  declare private readonly pool: PoolOfCache

  constructor(range: MemoryRange, shape: PoolShape, depot: Depot, pool: PoolOfCache) {
    const { words, pairs, spans } = poolViews(range, shape)
    this.#range = range
    this.shape = shape
    this.pool = pool
    this.words = words
    this.pairs = pairs
    this.spans = spans
    this.level = -1
    // Loops end by it, so a program that reaches the cache must not change it.
    Object.defineProperty(this, 'size', { value: shape.magazineSize, enumerable: true })
    this.closed = false
    this.taken = 0
    this.participant = Participant.join(words, 'buffer pool')
    const { line, ticket } = this.participant
    this.thread = threadsWord + line * threadWords
    words.fill(0, this.thread, this.thread + threadWords)
    // Before the first exchange, in which magazines get this ticket as their owner, and before a waiter is announced
    // (W1).
    words[this.thread + threadWord.ticket] = ticket
    this.magazines = new Magazines(depot, shape.magazineSize, ticket, this.thread)
    try {
      this.exchanged(fetch)
    } catch (error) {
      this.participant.leave(this.words)
      throw error
    }
    this.queue = new PoolQueue(line, `pinfold:pool:${range.core.id}:${range.offset}`, {
      wordsNow: () => this.wordsNow(),
      get: () => (this.ready(1, true) >= 0 ? pool.get() : -1),
      flushIfAsked: () => this.flushIfAsked(),
    })
  }

  /** The words. @throws PinfoldError `ERR_POOL_CLOSED`, `ERR_REGION_CLOSED` */
  wordsNow(): Int32Array {
    if (this.closed) throw new PinfoldError('this BufferPool is closed', { code: 'ERR_POOL_CLOSED' })
    if (this.words.length > 0) return this.words
    // A closed region throws here. A region that is open has lost its ArrayBuffer: the program has transferred it away.
    const { words, pairs, spans } = poolViews(this.#range, this.shape)
    this.words = words
    this.pairs = pairs
    this.spans = spans
    this.pool.showLoaded(this)
    return words
  }

  /**
   * Elements in the loaded magazine; none if the count was written over. No word stands there while the magazines are
   * unknown, when the pool or the region is closed, or when the number of a magazine was written over: none then.
   */
  private get count(): number {
    const found = this.words[this.level] ?? 0
    return found < 0 || found > this.size ? 0 : found
  }

  /** Elements in this thread's other magazine; `none` where `count` finds none. */
  private otherCount(none: number): number {
    const found = this.words[this.magazines.other + fromNumbersToCount] ?? none
    return found < 0 || found > this.size ? none : found
  }

  /** Loads this thread's other magazine. */
  private swap(): void {
    this.magazines.swap()
    this.level = this.magazines.loaded + fromNumbersToCount
    this.pool.showLoaded(this)
  }

  private fill(count: number, mayTake = this.queue.isOurTurn(this.wordsNow())): boolean {
    return this.exchanged(fill, count, mayTake)
  }

  /**
   * Makes sure that the loaded magazine holds `count` elements; `count` is at most a magazine's size.
   *
   * @returns the place in `spans` of its last `count` elements; -1 when there are too few, or when older waiters come
   *   first
   * @throws PinfoldError as `wordsNow`, `ERR_POOL_BUSY` when a living thread keeps the depot
   */
  ready(count: number, mayTake?: boolean): number {
    if (this.count < count) {
      if (this.otherCount(0) >= count) this.swap()
      else if (!this.fill(count, mayTake)) return -1
    }
    return this.level + this.count - count
  }

  /** Takes the last `count` elements out of the loaded magazine. */
  drop(count: number): void {
    publish(this.words, this.level, this.count - count) // T2: release, after T1 in Tracking, pairs with T6
    this.taken += count
  }

  /**
   * Makes sure that `count` more elements fit into the loaded magazine; `count` is at most a magazine's size.
   *
   * @returns the place in `spans` behind its last element
   * @throws PinfoldError as `ready`
   */
  room(count: number): number {
    // No word stands there while the magazines are unknown, or when the pool or the region is closed: there is no room
    // then.
    const had = this.words[this.level] ?? this.size
    if (had + count > this.size) {
      if (this.otherCount(this.size) + count <= this.size) this.swap()
      else this.exchanged(empty, count)
    }
    return this.level + this.count
  }

  /** Adds the `count` elements that were written at the place that `room` returned. `answerIfAsked` has to follow. */
  add(count: number): void {
    this.words[this.level] = this.count + count
  }

  /** Takes one element, -1 when there is none. @throws PinfoldError as `ready` */
  get(): number {
    const place = this.ready(1)
    if (place < 0) return -1
    // Read from the Int32 view: V8 keeps the result an int32 then. It is undefined if the count was written over.
    const index = this.words[place + 2] ?? -1
    this.drop(1)
    return index
  }

  /** Takes `count` elements, which stay where they stand in `spans`; returns the place, -1 when there are too few. */
  take(count: number): number {
    const place = this.ready(count)
    if (place >= 0) this.drop(count)
    return place
  }

  /** Puts one element back. @throws PinfoldError as `ready` */
  put(index: number): void {
    const place = this.room(1)
    this.spans[place] = index
    this.add(1)
    this.answerIfAsked()
  }

  /**
   * Copies `count` elements into `values` and takes them, piece by piece; returns `count`, or 0 when there are too few.
   */
  getPieces(values: Uint32Array, targetPairs: Pairs, count: number, at: number): number {
    this.wordsNow()
    for (let done = 0; done < count; ) {
      const piece = Math.min(this.size, count - done)
      const first = this.ready(piece)
      if (first < 0) {
        this.putPieces(values, targetPairs, done, at)
        return 0
      }
      moveNumbers(values, targetPairs, at + done, this.spans, this.pairs, first, piece)
      this.drop(piece)
      done += piece
    }
    return count
  }

  /** Puts `count` elements of `values` back, piece by piece. */
  putPieces(values: Uint32Array, sourcePairs: Pairs, count: number, at: number): void {
    this.wordsNow()
    for (let done = 0; done < count; ) {
      const piece = Math.min(this.size, count - done)
      const first = this.room(piece)
      moveNumbers(this.spans, this.pairs, first, values, sourcePairs, at + done, piece)
      this.add(piece)
      done += piece
    }
    this.answerIfAsked()
  }

  /** Gives the depot all elements of this cache. */
  flush(): void {
    this.exchanged(flush)
    this.queue.tell()
    this.queue.serve()
  }

  /** Takes back the elements in the caches of dead threads; returns how many. */
  reclaim(): number {
    return this.exchanged(reclaim)
  }

  /** Tells of each element whether it is in a magazine, of any thread or of the depot. */
  freeElements(): (index: number) => boolean {
    return this.exchanged((magazines, words) => magazines.freeElements(words, this.shape.capacity))
  }

  /** True if the thread with this participant's line lives; a free line belongs to no thread. */
  isLineAlive(line: number): boolean {
    const words = this.wordsNow()
    return isAlive(words, words[threadsWord + line * threadWords + threadWord.ticket])
  }

  answerIfAsked(): void {
    if (this.words[this.thread + threadWord.isAsked] !== 0) this.answer()
  }

  /** Gives waiters of other threads the elements of this cache, then serves those of this thread. */
  answer(): void {
    try {
      if (this.flushIfAsked()) this.queue.tell()
    } catch (error) {
      // The element is back already, so the call has not failed. The next call answers the waiters.
      if (error instanceof PinfoldError && error.code === 'ERR_POOL_BUSY') return
      throw error
    }
    this.queue.serve()
  }

  /**
   * Gives the depot this cache's elements if waiters of other threads have asked for them; returns whether they had.
   */
  flushIfAsked(): boolean {
    const words = this.wordsNow()
    if (words[this.thread + threadWord.isAsked] === 0) return false
    this.exchanged(flush)
    words[this.thread + threadWord.isAsked] = 0 // A2: after the flush, pairs with A1 in PoolQueue
    return true
  }

  /**
   * Gives the magazines and this thread's place up, once only.
   *
   * @throws PinfoldError `ERR_POOL_BUSY`; it is still open then
   */
  close(): void {
    if (!this.closed) {
      if (!this.#range.core.closed) {
        this.exchanged(leave)
        this.participant.leave(this.words)
      }
      this.closed = true
      this.level = -1
      this.magazines.other = -1
      this.pool.hideLoaded()
    }
    this.queue.close()
  }

  /**
   * Exchanges magazines, after which another one may be loaded. If an exception cuts the exchange off while this thread
   * owns the depot, other threads continue from there. No function is called for that, since the stack may be used up.
   *
   * @throws PinfoldError as `ready`
   */
  private exchanged<Result>(exchange: Exchange<Result>, count = 0, mayTake = false): Result {
    const words = this.wordsNow()
    const { magazines, participant } = this
    this.pool.hideLoaded()
    try {
      return exchange(magazines, words, count, mayTake)
    } catch (error) {
      if (words[atOwner] === participant.ticket) {
        magazines.areUnknown = true
        magazines.loaded = -1
        magazines.other = -1
        store(words, atOwner, cutOff) // release, as D1, pairs with D0 in Depot.open: the next owner sweeps
      }
      throw error
    } finally {
      this.level = magazines.loaded + fromNumbersToCount
      // Last: when the stack is used up it cannot be called. The fast paths stay unused then, until the next exchange.
      this.pool.showLoaded(this)
    }
  }
}
