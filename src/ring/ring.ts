import { inspect } from 'node:util'
import { isRange, lengthFrom, wrongRange } from '../arrays/number-array.js'
import { copySixteen, noValuePairs, type ValuePairs, valuePairsOf } from '../arrays/pairs.js'
import { compareExchange } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import type { MemoryRange } from '../memory/region-memory.js'
import { describe } from '../sizes.js'
import { CallWord, Participant } from '../threads/participants.js'
import { isPlain, published } from '../threads/publication.js'
import { noViews, participantLine, type RingShape, type RingViews, SideWord, viewsOf } from './layout.js'
import { RingSide, type RingSpan, type SideOwner } from './side.js'
import { never } from './side-ownership.js'

const noValues = new Uint32Array(0)

/**
 * A queue of 32-bit values, of fixed size, in the memory of a region. Any thread that has the region attaches its own
 * Ring to it. No call that passes values allocates memory or calls native code.
 *
 * A thread may die at any moment, also within a call. The values that it was enqueueing are then not in the ring, the
 * values that it was dequeueing still are, and the other threads go on.
 */
export class Ring {
  // Each call has three implementations: a fast path that V8 can inline, in the four commonest calls; a general path
  // for even counts (`put`, `get`); and RingSide for everything else. The fast paths are small enough for V8 to inline
  // two into a loop; `put` and `get` are too large to be inlined, which would leave no room for the fast paths. Both
  // use plain stores: the fast paths on a side that this thread keeps, `put` and `get` also where threads take turns.
  //
  // Order of stores: the labels are those of side.ts (A0, R0, A1, R1) and side-ownership.ts (K0, K1, R2). Plain loads
  // and stores have the order that they need only on x86-64 (isPlain). Elsewhere no owner's word equals
  // `keepsProducers`, `keepsConsumers` or `turnTicket`, so all calls use RingSide.
  //
  // On a closed ring, the views have a length of 0. A word is then undefined, which is no owner's word, so all calls
  // use RingSide, which throws.
  //
  // The fields that these calls use are not # fields, which V8 checks at each access.

  /** The number of values that the ring holds. */
  readonly capacity: number
  /** Where reserved values are written and read: slot i is `slots[i]`. Its length is 0 once the region is closed. */
  slots: Uint32Array
  declare private readonly mask: number
  /** The owners' words while this thread keeps the sides; `never` if it cannot keep them by plain stores. */
  declare private readonly keepsProducers: number
  declare private readonly keepsConsumers: number
  /** The owner's word for one call; `never` if a plain store cannot free a side. */
  declare private readonly turnTicket: number
  /** This thread's line of the participants. */
  declare private mine: Int32Array
  declare private producers: Int32Array
  declare private consumers: Int32Array
  declare private pairs: ValuePairs
  /** The arrays of the last calls, and their memory viewed as pairs. */
  declare private source: Uint32Array
  declare private sourcePairs: ValuePairs
  declare private target: Uint32Array
  declare private targetPairs: ValuePairs
  declare private readonly producing: RingSide
  declare private readonly consuming: RingSide
  readonly #range: MemoryRange
  /** Releases its claim on the range. */
  readonly #release: () => void
  readonly #shape: RingShape
  readonly #participant: Participant
  #views: RingViews
  #congested = false
  /** Whether other threads know that this Ring is closed. */
  #hasLeft = false
  #closed = false

  /** Made by `createRing` and `attachRing`. */
  constructor(range: MemoryRange, shape: RingShape, patience: number, views: RingViews, release: () => void) {
    const participant = Participant.join(views.words, 'ring')
    const { ticket } = participant
    this.capacity = shape.count
    this.mask = shape.count - 1
    this.slots = views.slots
    this.pairs = views.pairs
    this.producers = views.producers
    this.consumers = views.consumers
    this.mine = participantLine(views, participant.line)
    this.source = this.target = noValues
    this.sourcePairs = this.targetPairs = noValuePairs
    const owner: SideOwner = { requireOpen: () => this.#requireOpen() }
    const common = { count: shape.count, ticket, patience }
    this.producing = new RingSide(owner, views, { ...common, name: 'producer', isShared: shape.manyProducers })
    this.consuming = new RingSide(owner, views, { ...common, name: 'consumer', isShared: shape.manyConsumers })
    this.keepsProducers = isPlain ? this.producing.kept : never
    this.turnTicket = isPlain ? ticket : never
    this.keepsConsumers = isPlain ? this.consuming.kept : never
    this.#range = range
    this.#release = release
    this.#shape = shape
    this.#views = views
    this.#participant = participant
  }

  /**
   * Enqueues one value. Returns false if the ring is full.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` if `value` is not a whole number from 0 to 2^32 - 1; as `enqueueBulk`
   */
  enqueue(value: number): boolean {
    const mine = this.mine
    mine[CallWord.producers] = 1 // K0
    const side = this.producers
    const position = side[SideWord.index]
    if (
      side[SideWord.owner] === this.keepsProducers && // K1
      typeof value === 'number' &&
      value >>> 0 === value &&
      ((side[SideWord.limit] - position) | 0) > 0
    ) {
      this.slots[position & this.mask] = value
      side[SideWord.index] = position + 1 // R0
      mine[CallWord.producers] = 0 // R2
      return true
    }
    mine[CallWord.producers] = 0
    if (typeof value !== 'number' || value >>> 0 !== value) throw noValue(value)
    return this.producing.putValue(value)
  }

  /** Dequeues one value. Returns -1 if the ring is empty. @throws PinfoldError as `dequeueBulk` */
  dequeue(): number {
    const mine = this.mine
    mine[CallWord.consumers] = 1 // K0
    const side = this.consumers
    const position = side[SideWord.index]
    if (
      side[SideWord.owner] === this.keepsConsumers && // K1
      (((side[SideWord.limit] - position) | 0) > 0 || this.look(side, position) > 0)
    ) {
      const value = this.slots[position & this.mask]
      side[SideWord.index] = position + 1 // R0
      mine[CallWord.consumers] = 0 // R2
      return value
    }
    mine[CallWord.consumers] = 0
    return this.consuming.getValue()
  }

  /**
   * Enqueues `count` values of `values`, from `at` on, or none if they do not all fit.
   *
   * @param count default: all values from `at` on
   * @returns `count` or 0
   * @throws PinfoldError `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARGUMENT`; `ERR_RING_CLAIMED` if another thread is the one
   *   producer of the ring; `ERR_RING_BUSY` if a living thread owns the side for too long; `ERR_RING_RESERVATION` while
   *   this thread has a reservation; `ERR_RING_CLOSED`, `ERR_REGION_CLOSED`
   */
  enqueueBulk(values: Uint32Array, count?: number, at = 0): number {
    const mine = this.mine
    mine[CallWord.producers] = 1 // K0
    const side = this.producers
    const position = side[SideWord.index]
    const start = position & this.mask
    if (
      count === 32 &&
      at >>> 0 === at &&
      values === this.source &&
      side[SideWord.owner] === this.keepsProducers && // K1
      ((start | at) & 31) === 0 &&
      (at >>> 1) + 16 <= this.sourcePairs.length &&
      ((side[SideWord.limit] - position) | 0) >= count
    ) {
      copySixteen(this.pairs, start >>> 1, this.sourcePairs, at >>> 1)
      side[SideWord.index] = position + count // R0
      mine[CallWord.producers] = 0 // R2
      return count
    }
    mine[CallWord.producers] = 0
    return this.put(values, count, at, true)
  }

  /** Enqueues as many of them as fit. @returns how many @throws PinfoldError as `enqueueBulk` */
  enqueueBurst(values: Uint32Array, count?: number, at = 0): number {
    return this.put(values, count, at, false)
  }

  /**
   * Dequeues `count` values into `values`, from `at` on, or none if there are fewer.
   *
   * @param count default: as many as `values` has places from `at` on
   * @returns `count` or 0
   * @throws PinfoldError as `enqueueBulk`; `ERR_RING_CLAIMED` if another thread is the one consumer of the ring
   */
  dequeueBulk(values: Uint32Array, count?: number, at = 0): number {
    const mine = this.mine
    mine[CallWord.consumers] = 1 // K0
    const side = this.consumers
    const position = side[SideWord.index]
    const start = position & this.mask
    if (
      count === 32 &&
      at >>> 0 === at &&
      values === this.target &&
      side[SideWord.owner] === this.keepsConsumers && // K1
      ((start | at) & 31) === 0 &&
      (at >>> 1) + 16 <= this.targetPairs.length &&
      (((side[SideWord.limit] - position) | 0) >= count || this.look(side, position) >= count)
    ) {
      copySixteen(this.targetPairs, at >>> 1, this.pairs, start >>> 1)
      side[SideWord.index] = position + count // R0
      mine[CallWord.consumers] = 0 // R2
      return count
    }
    mine[CallWord.consumers] = 0
    return this.get(values, count, at, true)
  }

  /** Dequeues as many as there are, up to `count`. @returns how many @throws PinfoldError as `dequeueBulk` */
  dequeueBurst(values: Uint32Array, count?: number, at = 0): number {
    return this.get(values, count, at, false)
  }

  /** The number of values in the ring; as of a moment ago if other threads use it. */
  get count(): number {
    this.#requireOpen()
    // The consumers' index first: it never passes the producers' index, so the later load cannot be behind it.
    const consumed = published(this.consumers, SideWord.index)
    const count = (published(this.producers, SideWord.index) - consumed) | 0
    return Math.max(0, Math.min(count, this.capacity))
  }

  /** The number of values that still fit; as of a moment ago if other threads use the ring. */
  get free(): number {
    return this.capacity - this.count
  }

  /**
   * True from the moment that the ring is filled to `highWatermark` until it is emptied to `lowWatermark`. This Ring
   * looks when it is asked: it does not know what happened between two questions.
   */
  get congested(): boolean {
    const { count } = this
    if (count >= this.#shape.highWatermark) this.#congested = true
    else if (count <= this.#shape.lowWatermark) this.#congested = false
    return this.#congested
  }

  /** True once this Ring is closed. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Reserves `count` free slots, or none if fewer are free. Write the values into `slots`, then call `commitEnqueue`.
   * Until then none of them is in the ring, and no other thread can enqueue.
   *
   * @returns the slots; its `length` is 0 if none are reserved
   * @throws PinfoldError as `enqueueBulk`
   */
  reserveEnqueueBulk(count: number): RingSpan {
    return this.producing.reserve(count, count)
  }

  /** Reserves as many as are free, up to `count`. @throws PinfoldError as `reserveEnqueueBulk` */
  reserveEnqueueBurst(count: number): RingSpan {
    return this.producing.reserve(count, 1)
  }

  /**
   * Enqueues the values of the first `count` reserved slots, and gives the others back. Default: all of them.
   *
   * @throws PinfoldError `ERR_RING_RESERVATION` without a reservation; `ERR_OUT_OF_RANGE`, and the reservation stays
   */
  commitEnqueue(count?: number): void {
    this.producing.commit(count)
  }

  /**
   * Reserves `count` values, or none if there are fewer. Read them in `slots`, then call `commitDequeue`. Until then
   * they are in the ring, and no other thread can dequeue.
   *
   * @throws PinfoldError as `dequeueBulk`
   */
  reserveDequeueBulk(count: number): RingSpan {
    return this.consuming.reserve(count, count)
  }

  /** Reserves as many as there are, up to `count`. @throws PinfoldError as `reserveDequeueBulk` */
  reserveDequeueBurst(count: number): RingSpan {
    return this.consuming.reserve(count, 1)
  }

  /**
   * Dequeues the first `count` reserved values; the others stay. Default: all of them.
   *
   * @throws PinfoldError as `commitEnqueue`
   */
  commitDequeue(count?: number): void {
    this.consuming.commit(count)
  }

  /**
   * Ends this thread's use of the ring: its reservation is void, and another thread can become the one producer or
   * consumer. The values stay. A second call does nothing.
   */
  close(): void {
    if (this.#closed) return
    if (!this.#hasLeft && !this.#range.core.closed) {
      this.#requireOpen()
      this.producing.leave()
      this.consuming.leave()
      this.#participant.leave(this.#views.words)
    }
    // A call that the end of the stack cuts off goes on here the next time.
    this.#hasLeft = true
    this.#use(noViews)
    this.#release()
    this.#closed = true
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [inspect.custom](): string {
    if (this.#closed || this.#views.words.length === 0) return `Ring { of ${this.capacity}, closed }`
    return `Ring { ${this.count} of ${this.capacity} }`
  }

  private put(values: Uint32Array, wanted: number | undefined, at: number, isBulk: boolean): number {
    if (values !== this.source) {
      this.sourcePairs = valuePairsOf('enqueue', values)
      this.source = values
    }
    const count = wanted === undefined ? lengthFrom(values, at) : wanted
    if (!isRange(values, count, at)) throw wrongRange('enqueue', values, count, at)
    const mine = this.mine
    mine[CallWord.producers] = 1 // K0
    const side = this.producers
    const isKept = side[SideWord.owner] === this.keepsProducers // K1
    const isOwned = isKept || (side[SideWord.turns] === 1 && this.takeTurn(side))
    const position = side[SideWord.index]
    const start = position & this.mask
    const room = (side[SideWord.limit] - position) | 0
    if (
      isOwned &&
      ((start | at | count) & 1) === 0 &&
      start + count <= this.capacity &&
      at + count <= 2 * this.sourcePairs.length &&
      room >= count
    ) {
      const to = this.pairs
      const from = this.sourcePairs
      let source = at >>> 1
      let target = start >>> 1
      const end = target + (count >>> 1)
      for (; target + 16 <= end; target += 16, source += 16) {
        to[target] = from[source]
        to[target + 1] = from[source + 1]
        to[target + 2] = from[source + 2]
        to[target + 3] = from[source + 3]
        to[target + 4] = from[source + 4]
        to[target + 5] = from[source + 5]
        to[target + 6] = from[source + 6]
        to[target + 7] = from[source + 7]
        to[target + 8] = from[source + 8]
        to[target + 9] = from[source + 9]
        to[target + 10] = from[source + 10]
        to[target + 11] = from[source + 11]
        to[target + 12] = from[source + 12]
        to[target + 13] = from[source + 13]
        to[target + 14] = from[source + 14]
        to[target + 15] = from[source + 15]
      }
      for (; target + 4 <= end; target += 4, source += 4) {
        to[target] = from[source]
        to[target + 1] = from[source + 1]
        to[target + 2] = from[source + 2]
        to[target + 3] = from[source + 3]
      }
      for (; target < end; target++, source++) to[target] = from[source]
      side[SideWord.index] = position + count // R0
      mine[CallWord.producers] = 0 // R2
      if (!isKept) side[SideWord.owner] = 0 // R1
      return count
    }
    mine[CallWord.producers] = 0
    if (isOwned && !isKept) side[SideWord.owner] = 0 // R1
    return this.producing.putValues(values, this.sourcePairs, count, at, isBulk ? count : 1)
  }

  private get(values: Uint32Array, wanted: number | undefined, at: number, isBulk: boolean): number {
    if (values !== this.target) {
      this.targetPairs = valuePairsOf('dequeue', values)
      this.target = values
    }
    const count = wanted === undefined ? lengthFrom(values, at) : wanted
    if (!isRange(values, count, at)) throw wrongRange('dequeue', values, count, at)
    const mine = this.mine
    mine[CallWord.consumers] = 1 // K0
    const side = this.consumers
    const isKept = side[SideWord.owner] === this.keepsConsumers // K1
    const isOwned = isKept || (side[SideWord.turns] === 1 && this.takeTurn(side))
    const position = side[SideWord.index]
    const start = position & this.mask
    const room = (side[SideWord.limit] - position) | 0
    if (
      isOwned &&
      ((start | at | count) & 1) === 0 &&
      start + count <= this.capacity &&
      at + count <= 2 * this.targetPairs.length &&
      (room >= count || this.look(side, position) >= count)
    ) {
      const to = this.targetPairs
      const from = this.pairs
      let source = start >>> 1
      let target = at >>> 1
      const end = target + (count >>> 1)
      for (; target + 16 <= end; target += 16, source += 16) {
        to[target] = from[source]
        to[target + 1] = from[source + 1]
        to[target + 2] = from[source + 2]
        to[target + 3] = from[source + 3]
        to[target + 4] = from[source + 4]
        to[target + 5] = from[source + 5]
        to[target + 6] = from[source + 6]
        to[target + 7] = from[source + 7]
        to[target + 8] = from[source + 8]
        to[target + 9] = from[source + 9]
        to[target + 10] = from[source + 10]
        to[target + 11] = from[source + 11]
        to[target + 12] = from[source + 12]
        to[target + 13] = from[source + 13]
        to[target + 14] = from[source + 14]
        to[target + 15] = from[source + 15]
      }
      for (; target + 4 <= end; target += 4, source += 4) {
        to[target] = from[source]
        to[target + 1] = from[source + 1]
        to[target + 2] = from[source + 2]
        to[target + 3] = from[source + 3]
      }
      for (; target < end; target++, source++) to[target] = from[source]
      side[SideWord.index] = position + count // R0
      mine[CallWord.consumers] = 0 // R2
      if (!isKept) side[SideWord.owner] = 0 // R1
      return count
    }
    mine[CallWord.consumers] = 0
    if (isOwned && !isKept) side[SideWord.owner] = 0 // R1
    return this.consuming.getValues(values, this.targetPairs, count, at, isBulk ? count : 1)
  }

  /** Loads the producers' index; returns how many values there are. Only for calls by plain loads. */
  private look(side: Int32Array, position: number): number {
    const produced = this.producers[SideWord.index] // A0
    side[SideWord.limit] = produced
    return (produced - position) | 0
  }

  /** Acquires a side for one call, if threads take turns. */
  private takeTurn(side: Int32Array): boolean {
    return this.turnTicket !== never && compareExchange(side, SideWord.owner, 0, this.turnTicket) === 0 // A1
  }

  /** @throws PinfoldError `ERR_RING_CLOSED`, `ERR_REGION_CLOSED` */
  #requireOpen(): void {
    if (this.#views.words.length > 0) return
    if (this.#closed) throw new PinfoldError('this Ring is closed', { code: 'ERR_RING_CLOSED' })
    // A closed region throws. An open one has lost its ArrayBuffer: the program has transferred it away.
    this.#use(viewsOf(this.#range, this.capacity))
  }

  /** Uses new views of the same memory, or empty ones. */
  #use(views: RingViews): void {
    this.#views = views
    this.slots = views.slots
    this.pairs = views.pairs
    this.producers = views.producers
    this.consumers = views.consumers
    this.mine = participantLine(views, this.#participant.line)
    this.producing.use(views)
    this.consuming.use(views)
  }
}

function noValue(value: number): PinfoldError {
  return new PinfoldError(`enqueue: expected a whole number from 0 to 2^32 - 1, received ${describe(value)}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { value },
  })
}
