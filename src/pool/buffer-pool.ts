import { inspect } from 'node:util'
import { PinfoldError } from '../errors.js'
import type { AlignedMemory } from '../memory/region-memory.js'
import { isAlive } from '../threads/participants.js'
import { PoolCache } from './cache.js'
import type { Depot } from './depot.js'
import { magazineWord, type PoolShape, threadsWord, threadWord, threadWords } from './layout.js'
import type { Magazines } from './magazines.js'
import { PoolQueue, type PoolWaitOptions } from './waiting.js'

const flush = (magazines: Magazines, words: Int32Array): void => magazines.flush(words)

/** What a thread has had of a pool. */
export interface BufferPoolStats {
  /** Elements in the pool. */
  readonly capacity: number
  /** Of these, free ones: in the depot and in the caches of all threads. */
  readonly available: number
  /** Elements in this thread's cache. */
  readonly cached: number
  /**
   * Elements that this thread has taken from what its cache had: `hits / (hits + missed)` says what the cache is worth. Only
   * of a pool with `statistics` or `tracking`.
   */
  readonly hits?: number
  /** Elements that it has taken in calls that had to fetch some from the depot first. */
  readonly missed: number
  /** How often this thread has fetched elements from the depot, and brought some there. */
  readonly refills: number
  readonly flushes: number
  /** How often this thread was refused because the pool was empty. */
  readonly failures: number
}

/**
 * Equal elements in the memory of a region, taken and given back by any thread that has the region. An element is a number
 * from 0 to `capacity` - 1, which can be handed to any thread.
 *
 * Each thread keeps some free elements to itself, in two magazines, and exchanges magazines with the other threads' depot.
 * One that dies loses none of them: the others find its magazines.
 */
export class BufferPool extends PoolCache {
  readonly #depot: Depot
  readonly #queue: PoolQueue

  /** Made by `createBufferPool` and `attachBufferPool`. */
  constructor(range: AlignedMemory, shape: PoolShape, depot: Depot, isCounting: boolean) {
    super(range, shape, depot, isCounting)
    this.#depot = depot
    this.#queue = new PoolQueue(this.line, `pinfold:pool:${range.core.id}:${range.offset}`, {
      wordsNow: () => this.wordsNow(),
      get: () => this.#getForWaiter(),
      flushIfAsked: () => this.#flushIfAsked(),
    })
  }

  /** Elements that are free, in the depot and in the caches of all threads; as of a moment ago when others use it. */
  get available(): number {
    return Math.max(0, Math.min(this.capacity, this.#depot.count(this.wordsNow())))
  }

  /**
   * As `get`; when there is none it waits. Who waits longest comes first, of all threads, and none that does not wait comes
   * before them. What another thread frees arrives within some milliseconds.
   *
   * @throws the signal's reason when it is aborted first; PinfoldError as `get`, `ERR_POOL_CLOSED` also when the pool is
   *   closed meanwhile, `ERR_INVALID_ARGUMENT`
   */
  async wait(options: PoolWaitOptions = {}): Promise<number> {
    return this.#queue.wait(options)
  }

  /** Gives the elements of this thread's cache to all. @throws PinfoldError as `get` */
  flush(): void {
    this.exchanged(flush)
    this.#queue.tell()
    this.#queue.serve()
  }

  /**
   * Takes back what threads that have died had in their caches. `get` does so by itself when the pool is empty, at most ten
   * times a second. What they had taken is still taken: it may have been handed on.
   *
   * @returns how many elements
   * @throws PinfoldError as `get`
   */
  reclaim(): number {
    return this.exchanged((magazines, words) => magazines.reclaim(words))
  }

  /**
   * In a pool with tracking, takes back also what threads that have died, or closed the pool, had taken and not handed on.
   *
   * @returns how many elements
   * @throws PinfoldError `ERR_UNSUPPORTED` without tracking: nobody knows then who has taken what; as `get`
   */
  reclaimTaken(): number {
    throw new PinfoldError('reclaimTaken: the pool has no tracking, so it does not know who has taken what', {
      code: 'ERR_UNSUPPORTED',
    })
  }

  /**
   * Makes an element this thread's that another has taken and handed on. Without tracking it does nothing.
   *
   * @throws PinfoldError `ERR_POOL_INDEX`, `ERR_ELEMENT_FREE`
   */
  adopt(index: number): void {
    if (!this.isElement(index)) throw this.noElement('adopt', index)
  }

  /** What it has, and what this thread has had of it. @throws PinfoldError as `available` */
  stats(): BufferPoolStats {
    const words = this.wordsNow()
    const tally = (what: number) => (words[this.thread + what] ?? 0) >>> 0
    const missed = tally(threadWord.missed)
    const cached = [this.magazines.loaded, this.magazines.other].map((at) => words[at + magazineWord.count] ?? 0)
    return {
      capacity: this.capacity,
      available: this.available,
      cached: cached.reduce((sum, count) => sum + count, 0),
      ...(this.isCounting ? { hits: this.taken - missed } : {}),
      missed,
      refills: tally(threadWord.refills),
      flushes: tally(threadWord.flushes),
      failures: tally(threadWord.failures),
    }
  }

  /** Gives this thread's cache to the others, and its place among them. The elements that it has taken stay taken. Once only. */
  close(): void {
    this.leave()
    this.#queue.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [inspect.custom](): string {
    if (this.closed || this.words.length === 0) return `BufferPool { of ${this.capacity}, closed }`
    return `BufferPool { ${this.available} of ${this.capacity} available, ${this.elementSize} bytes each }`
  }

  protected override mayTake(words: Int32Array): boolean {
    return this.#queue.isOurTurn(words)
  }

  protected override answer(): void {
    try {
      if (this.#flushIfAsked()) this.#queue.tell()
    } catch (error) {
      // The element is back already, so the call has not failed: who waits is answered by the next.
      if (error instanceof PinfoldError && error.code === 'ERR_POOL_BUSY') return
      throw error
    }
    this.#queue.serve()
  }

  /** Which of the pool's threads this is. */
  protected get line(): number {
    return this.participant.line
  }

  /** Whether each element is in a magazine, of whichever thread or of the depot. @throws PinfoldError as `get` */
  protected freeElements(): (index: number) => boolean {
    return this.exchanged((magazines, words) => magazines.freeElements(words, this.capacity))
  }

  /** Whether who has that line of the participants lives; a free line has nobody. */
  protected isLineAlive(line: number): boolean {
    const words = this.wordsNow()
    return isAlive(words, words[threadsWord + line * threadWords + threadWord.ticket] ?? 0)
  }

  #flushIfAsked(): boolean {
    const words = this.wordsNow()
    if (words[this.asked] === 0) return false
    this.exchanged(flush)
    words[this.asked] = 0
    return true
  }

  #getForWaiter(): number {
    return (this.words[this.level] ?? 0) > 0 || this.fill(1, true) ? this.get() : -1
  }
}
