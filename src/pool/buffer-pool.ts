import { inspect } from 'node:util'
import { countOf } from '../arrays/number-array.js'
import { copyPairs, moveNumbers, type Pairs, pairsOf } from '../arrays/pairs.js'
import { PinfoldError } from '../errors.js'
import type { MemoryRange } from '../memory/region-memory.js'
import { checkRange } from '../options.js'
import { noArray } from '../shadow/array-address.js'
import { BurstArrays } from '../shadow/burst-arrays.js'
import { describe } from '../sizes.js'
import { PoolCache } from './cache.js'
import type { Depot } from './depot.js'
import { PoolElements, type Registers, type Translates } from './elements.js'
import { noRoomMade, noSpan } from './errors.js'
import { type PoolShape, threadWord } from './layout.js'
import { type BufferPoolStats, statsOf } from './stats.js'
import { Tracking } from './tracking.js'
import type { PoolWaitOptions } from './waiting.js'

/** How this thread uses a pool. */
export interface PoolUse {
  readonly isCounting: boolean
  /** In a pool with tracking: of how many calls the stack of one is kept. */
  readonly oneIn?: number
  /** Releases the pool's claim on its range; a second call does nothing. */
  readonly release: () => void
}

/**
 * Elements of equal size in the memory of a region. Any thread that has the region takes elements and gives them back.
 * An element is a number from 0 to `capacity` - 1, which can be handed to any thread.
 *
 * Each thread keeps some free elements in two magazines of its own, and exchanges magazines with the other threads at
 * the depot. When a thread dies, the other threads find its magazines, so no free element is lost.
 *
 * The calls that take and give elements are fast paths: each looks at the loaded magazine, and leaves all else to a
 * slow path. They are small, since V8 inlines at most 920 bytes of bytecode into a program's loop.
 */
export class BufferPool {
  /** How many elements the pool has. */
  declare readonly capacity: number
  /** Bytes of each element. */
  declare readonly elementSize: number
  /** Most elements of one `take` or `room`: half of `cache`. */
  declare readonly magazineSize: number
  /** The numbers of free elements: `take` and `room` return places in it. */
  declare spans: Uint32Array
  // Plain fields, not # fields: V8 checks a # field at each access, and treats a plain one that is assigned once as a
  // constant. The fields of the fast paths are here, not in PoolCache: by one more load each, bursts of 32 took 70 %
  // longer.
  declare private words: Int32Array
  /**
   * Where in `words` the count of the loaded magazine stands; its numbers begin at the same place of `spans`. It is -1,
   * where no word stands, when the fast paths must not be used: during an exchange of magazines, and once the pool is
   * closed.
   */
  declare private level: number
  /** The same as `spans`, two numbers in each element. */
  declare private pairs: Pairs
  /** Where in `words` waiters of other threads ask this thread for the elements that it frees. */
  declare private readonly asked: number
  declare private readonly isCounting: boolean
  /** Elements that the fast paths have taken, when they are counted. */
  declare private taken: number
  declare private readonly cache: PoolCache
  declare private readonly elements: PoolElements
  // The arrays of the last bulk calls. Absent before the first, so that a program that uses one array assigns them
  // once.
  declare private target: Uint32Array
  declare private targetPairs: Pairs | undefined
  declare private source: Uint32Array
  declare private sourcePairs: Pairs | undefined
  readonly #range: MemoryRange
  readonly #bursts = new BurstArrays()
  /** Releases its claim on the range. */
  readonly #release: () => void
  readonly #depot: Depot

  /** Programs call `createBufferPool` and `attachBufferPool`. */
  constructor(range: MemoryRange, shape: PoolShape, depot: Depot, { isCounting, oneIn, release }: PoolUse) {
    this.#range = range
    this.#release = release
    this.#depot = depot
    this.capacity = shape.capacity
    this.elementSize = shape.elementSize
    // Loops end by it, so a program must not change it.
    Object.defineProperty(this, 'magazineSize', { value: shape.magazineSize, enumerable: true })
    this.isCounting = isCounting
    this.taken = 0
    this.level = -1
    this.cache = new PoolCache(range, shape, depot, {
      get: () => this.get(),
      hideLoaded: () => {
        this.level = -1
      },
      showLoaded: ({ words, pairs, spans, level }) => {
        if (this.words !== words) [this.words, this.pairs, this.spans] = [words, pairs, spans]
        this.level = level
      },
    })
    this.asked = this.cache.thread + threadWord.isAsked
    this.elements = new PoolElements(range, shape)
    if (oneIn !== undefined) this.#track(new Tracking(range, this.cache, this.elements, oneIn))
  }

  /**
   * Calls of this pool's own in place of the fast paths, so that these need not look whether a pool tracks its
   * elements.
   */
  #track(tracking: Tracking): void {
    this.get = () => tracking.get(this.get)
    this.put = (index) => tracking.put(index, this.put)
    this.getBulk = (values, count, at = 0) => tracking.getBulk(values, count, at, this.getBulk)
    this.putBulk = (values, count, at = 0) => tracking.putBulk(values, count, at, this.putBulk)
    this.take = (count) => {
      this.#requireSpan('take', count)
      return tracking.take(count, this.take)
    }
    this.give = (count) => {
      this.#requireSpan('give', count)
      tracking.give(count, this.give)
    }
    this.view = (index) => tracking.view(index, this.view)
    this.adopt = (index) => tracking.adopt(index, this.adopt)
    this.reclaimTaken = () => tracking.reclaimTaken()
  }

  /** True if this thread has closed the pool. */
  get closed(): boolean {
    return this.cache.closed
  }

  /** Free elements, in the depot and in the caches of all threads. While other threads work it is a moment old. */
  get available(): number {
    return Math.max(0, Math.min(this.capacity, this.#depot.count(this.cache.wordsNow())))
  }

  /**
   * Takes an element.
   *
   * @returns -1 when the pool is empty, or all free elements lie in other threads' caches
   * @throws PinfoldError `ERR_POOL_CLOSED`, `ERR_REGION_CLOSED`, `ERR_POOL_BUSY` when a living thread keeps the depot
   */
  get(): number {
    const { words, level } = this
    // No word stands at `level` of a closed pool, nor of a closed region. Then the slow path follows, which throws.
    const left = ((words[level] ?? -1) - 1) | 0
    if (left < 0) return this.cache.get()
    // No word stands there if the count was written over.
    const index = words[(level + 2 + left) | 0] ?? -1
    words[level] = left
    if (this.isCounting) this.taken += 1
    return index
  }

  /**
   * Gives an element back.
   *
   * @throws PinfoldError `ERR_POOL_INDEX` when `index` is not the number of an element; as `get`
   */
  put(index: number): void {
    if (!this.isElement(index)) throw this.noElement('put', index)
    const { words, level } = this
    const had = words[level] ?? this.magazineSize // full, of a closed pool: the slow path throws
    if (had >= this.magazineSize) {
      this.cache.put(index)
      return
    }
    words[level + 2 + had] = index
    words[level] = had + 1
    if (words[this.asked] !== 0) this.answer()
  }

  /**
   * Takes `count` elements and writes their numbers into `values` from `at` on, in any order. It takes all or none.
   *
   * @returns `count` or 0
   * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`; as `get`
   */
  getBulk(values: Uint32Array, count?: number, at = 0): number {
    const { words, level, targetPairs, pairs } = this
    if (typeof count === 'number' && typeof at === 'number' && values === this.target) {
      const left = ((words[level] ?? -1) - count) | 0 // -1 of a closed pool: too few, even for a count of 0
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
    return this.#getMore(values, count, at) | 0
  }

  /**
   * Gives back the `count` elements whose numbers stand in `values` from `at` on. The numbers are not looked at, unless
   * the pool tracks its elements.
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`; as `get`; with tracking also as `put`
   */
  putBulk(values: Uint32Array, count?: number, at = 0): void {
    const { words, level, sourcePairs, pairs } = this
    if (typeof count === 'number' && typeof at === 'number' && values === this.source) {
      const had = words[level] ?? this.magazineSize + 1 // of a closed pool: no room, even for a count of 0
      const room = (this.magazineSize - had - count) | 0
      const from = at >> 1
      if (
        (at | 0) === at &&
        (count | 0) === count &&
        ((room | at | count | words[this.asked]) & -0x7fffffff) === 0 &&
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
    this.#putMore(values, count, at)
  }

  /**
   * An array of `count` numbers, as `ring.burst`, which lives until `close`. For rings and packets: a pool is as fast
   * with any array.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE`, `ERR_OUT_OF_MEMORY`; as `get`
   */
  burst(count: number): Uint32Array {
    this.cache.wordsNow()
    return this.#bursts.make(count)
  }

  /**
   * Takes `count` elements without copying their numbers. The numbers stand in `spans` from the returned place on,
   * until the next call of this thread for this pool.
   *
   * @param count 0 to half of the pool's `cache`
   * @returns the place, or -1 when there are too few elements
   * @throws PinfoldError `ERR_OUT_OF_RANGE`; as `get`
   */
  take(count: number): number {
    if (typeof count !== 'number') this.#requireSpan('take', count)
    const { words, level } = this
    const left = ((words[level] ?? -1) - count) | 0 // -1 of a closed pool, as in `getBulk`
    // A count that was written over must not lead out of the magazine: WebAssembly uses the place without a check.
    if ((left | count | (this.magazineSize - left)) < 0 || (count | 0) !== count) {
      this.#requireSpan('take', count)
      return this.cache.take(count)
    }
    words[level] = left
    if (this.isCounting) this.taken += count
    return level + left
  }

  /**
   * Makes room for `count` elements that `give` then gives back. Their numbers must be written into `spans` from the
   * returned place on, before any other call of this thread for this pool. Directly after `take(count)` it is the place
   * where the elements taken stand.
   *
   * @param count 0 to half of the pool's `cache`
   * @throws PinfoldError `ERR_OUT_OF_RANGE`; as `get`
   */
  room(count: number): number {
    if (typeof count !== 'number') this.#requireSpan('room', count)
    const { words, level } = this
    const had = words[level] ?? this.magazineSize + 1 // of a closed pool, as in `putBulk`
    if (((this.magazineSize - had - count) | count | had) < 0 || (count | 0) !== count) {
      this.#requireSpan('room', count)
      return this.cache.room(count)
    }
    return level + had
  }

  /**
   * Gives back `count` elements: those that were written where `room` returned, or those of a `take` directly before.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` when there is no room for so many; as `get`; with tracking also as `put`
   */
  give(count: number): void {
    if (typeof count !== 'number') this.#requireSpan('give', count)
    const { words, level } = this
    const had = words[level] ?? this.magazineSize + 1 // of a closed pool, as in `putBulk`
    if (((this.magazineSize - had - count) | count) < 0 || (count | 0) !== count) {
      this.#requireSpan('give', count)
      throw noRoomMade(count, this.magazineSize - had)
    }
    words[level] = had + count
    if (words[this.asked] !== 0) this.answer()
  }

  /**
   * Takes an element as `get` does, and waits when there is none. Of the waiters of all threads the oldest comes first,
   * and a caller that does not wait comes after all of them. An element that another thread frees arrives within
   * milliseconds.
   *
   * @throws the signal's reason when it is aborted first; PinfoldError as `get`, `ERR_POOL_CLOSED` also when this
   *   thread closes the pool meanwhile, `ERR_INVALID_ARGUMENT`
   */
  async wait(options: PoolWaitOptions = {}): Promise<number> {
    return this.cache.queue.wait(options)
  }

  /** Gives the elements of this thread's cache to all threads. @throws PinfoldError as `get` */
  flush(): void {
    this.cache.flush()
  }

  /**
   * Takes back the elements in the caches of threads that have died. `get` does so by itself when the pool is empty, at
   * most ten times a second. Elements that a dead thread had taken stay taken: it may have handed them on.
   *
   * @returns how many elements
   * @throws PinfoldError as `get`
   */
  reclaim(): number {
    return this.cache.reclaim()
  }

  /**
   * In a pool with tracking, takes back all elements of threads that have died or closed the pool: those in their
   * caches, and those that they had taken. An element that a dead thread handed to a living one still counts as the
   * dead thread's, unless the living thread has called `adopt`.
   *
   * @returns how many elements
   * @throws PinfoldError `ERR_UNSUPPORTED` without tracking: it is not known then which thread has taken an element; as
   *   `get`
   */
  reclaimTaken(): number {
    throw new PinfoldError('reclaimTaken: the pool has no tracking, so it does not know which thread took an element', {
      code: 'ERR_UNSUPPORTED',
    })
  }

  /**
   * Makes an element this thread's that another thread has taken and handed on. Without tracking it does nothing.
   *
   * @throws PinfoldError `ERR_POOL_INDEX`, `ERR_ELEMENT_FREE`
   */
  adopt(index: number): void {
    if (!this.isElement(index)) throw this.noElement('adopt', index)
  }

  /** Bytes from the pool's start to the element. @throws PinfoldError `ERR_POOL_INDEX` */
  offset(index: number): number {
    if (!this.isElement(index)) throw this.noElement('offset', index)
    return this.elements.offset(index)
  }

  /**
   * The element that contains the byte at `offset` of the pool.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` if none does
   */
  indexAt(offset: number): number {
    checkRange('indexAt', offset, 1, this.#range.length)
    const index = this.elements.indexAt(offset)
    if (index !== undefined) return index
    throw new PinfoldError(`indexAt: expected a byte of an element, received ${describe(offset)}`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { offset },
    })
  }

  /**
   * The bytes of an element. The same view each time; its length is 0 once the region is closed.
   *
   * @throws PinfoldError as `offset`; with tracking `ERR_ELEMENT_FREE`
   */
  view(index: number): Uint8Array<ArrayBuffer> {
    if (!this.isElement(index)) throw this.noElement('view', index)
    return this.elements.view(index)
  }

  /**
   * The physical address of an element, for a device without an IOMMU.
   *
   * @param translation of the region that contains the pool: `region.translate()`
   * @throws PinfoldError as `offset` and `translation.physicalAt`
   */
  physicalAt(index: number, translation: Translates): number {
    return translation.physicalAt(this.#range.offset + this.offset(index))
  }

  /**
   * The element as memory of a work request: a slice of the registration of its region.
   *
   * @param registration of the region that contains the pool, or of a part of it that contains the element
   * @param length bytes from the element's start on. Default: all
   * @throws PinfoldError as `offset` and `registration.slice`
   */
  sge<Entry>(index: number, registration: Registers<Entry>, length: number = this.elementSize): Entry {
    checkRange('sge', 0, length, this.elementSize)
    return registration.slice(this.#range.offset + this.offset(index) - (registration.offset ?? 0), length)
  }

  /** The counters of the pool, and of this thread's use of it. @throws PinfoldError as `available` */
  stats(): BufferPoolStats {
    return statsOf(this.cache, this.available, this.isCounting ? this.taken + this.cache.taken : undefined)
  }

  /**
   * Gives this thread's cache to the other threads, and its place among them up. The elements that it has taken stay
   * taken. A second call does nothing.
   */
  close(): void {
    this.cache.close()
    this.#bursts.close()
    this.#release()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [inspect.custom](): string {
    if (this.closed || this.words.length === 0) return `BufferPool { of ${this.capacity}, closed }`
    return `BufferPool { ${this.available} of ${this.capacity} available, ${this.elementSize} bytes each }`
  }

  // The bulk calls for another array, for numbers at odd places, and for more than the magazine holds.
  #getMore(values: Uint32Array, given: number | undefined, at: number): number {
    const targetPairs = (values === this.target ? this.targetPairs : undefined) ?? pairsOf('getBulk', values)
    const count = countOf('getBulk', values, given, at)
    const target = targetPairs.length > 0 ? values : noArray
    if (this.target === undefined) this.#setArrays(target, targetPairs)
    if (this.target !== target) {
      this.target = target
      this.targetPairs = targetPairs
    }
    const { words, level } = this
    const left = (words[level] ?? -1) - count // -1 of a closed pool, as in `getBulk`
    if (left >= 0) {
      moveNumbers(values, targetPairs, at, this.spans, this.pairs, level + left, count)
      words[level] = left
      if (this.isCounting) this.taken += count
      return count
    }
    return this.cache.getPieces(values, targetPairs, count, at)
  }

  #putMore(values: Uint32Array, given: number | undefined, at: number): void {
    const sourcePairs = (values === this.source ? this.sourcePairs : undefined) ?? pairsOf('putBulk', values)
    const count = countOf('putBulk', values, given, at)
    const source = sourcePairs.length > 0 ? values : noArray
    if (this.source === undefined) this.#setArrays(source, sourcePairs)
    if (this.source !== source) {
      this.source = source
      this.sourcePairs = sourcePairs
    }
    const { words, level } = this
    const had = words[level] ?? this.magazineSize + 1 // of a closed pool, as in `putBulk`
    if (had + count <= this.magazineSize && words[this.asked] === 0) {
      moveNumbers(this.spans, this.pairs, level + had, values, sourcePairs, at, count)
      words[level] = had + count
      return
    }
    this.cache.putPieces(values, sourcePairs, count, at)
  }

  #setArrays(values: Uint32Array, pairs: Pairs): void {
    this.target = this.source = values
    this.targetPairs = this.sourcePairs = pairs
  }

  // Methods, since the fast paths call them: a function of another file would be looked up in each call.

  private isElement(index: number): boolean {
    return typeof index === 'number' && index >>> 0 === index && index < this.capacity
  }

  private noElement(subject: string, index: number): PinfoldError {
    return this.elements.wrong(subject, index)
  }

  private answer(): void {
    this.cache.answer()
  }

  #requireSpan(subject: string, count: number): void {
    this.cache.wordsNow()
    if (Number.isInteger(count) && count >= 0 && count <= this.magazineSize) return
    throw noSpan(subject, count, this.magazineSize)
  }
}
