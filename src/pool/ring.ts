import { inspect } from 'node:util'
import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'
import { isPlain, published } from './publication.js'
import { copySixteen, noPairs } from './ring-copy.js'
import {
  noViews,
  participantLine,
  type RingMemory,
  type RingShape,
  type RingViews,
  sideWord,
  viewsOf,
} from './ring-layout.js'
import { never } from './ring-ownership.js'
import { Participant } from './ring-participants.js'
import { RingSide, type RingSpan } from './ring-side.js'
import { getValue, getValues, putValue, putValues } from './ring-transfer.js'
import { isRange, lengthFrom, pairsOfArray, wrongRange } from './value-array.js'

const noValues = new Uint32Array(0)

/**
 * A queue of 32-bit values in the memory of a region, of fixed size; any thread that has the region attaches its own Ring
 * to it. Nothing that it does for a value allocates or crosses into native code.
 *
 * A thread may die at any moment, also within a call: the values that it was enqueueing are not in the ring then, those that
 * it was dequeueing still are, and the others go on.
 */
export class Ring {
  /** Values that it holds. */
  readonly capacity: number
  /** Where reserved values are written and read: slot i is `slots[i]`. Its length is 0 once the region is closed. */
  slots: Uint32Array
  // The short ways of the four commonest calls are written out, and small enough for V8 to inline two into a loop: they do
  // what `put` and `get` do, for a side that this thread keeps. So words stand here as numbers: of a side 0 the owner, 1
  // the index, 2 the limit; of this thread's line 6 and 7, that it is within a call (SideOwnership tells why). And fields are
  // private by TypeScript's word: V8 checks a # field at each access.
  declare private readonly mask: number
  /** The words of the owners while this thread keeps the sides; `never` where it cannot, or not by plain stores. */
  declare private readonly keepsProducers: number
  declare private readonly keepsConsumers: number
  /** This thread's line of the participants. */
  declare private mine: Int32Array
  declare private producers: Int32Array
  declare private consumers: Int32Array
  declare private pairs: BigUint64Array
  /** The arrays of the last calls, and their memory as pairs. */
  declare private source: Uint32Array
  declare private sourcePairs: BigUint64Array
  declare private target: Uint32Array
  declare private targetPairs: BigUint64Array
  declare private readonly producing: RingSide
  declare private readonly consuming: RingSide

  readonly #memory: RingMemory
  readonly #shape: RingShape
  readonly #participant: Participant
  #views: RingViews
  #congested = false
  #closed = false

  /** Made by `createRing` and `attachRing`. */
  constructor(memory: RingMemory, shape: RingShape, patience: number, views: RingViews) {
    this.#memory = memory
    this.#shape = shape
    this.#views = views
    this.#participant = Participant.join(views.words)
    const { ticket } = this.#participant
    this.capacity = shape.count
    this.slots = views.slots
    this.mask = shape.count - 1
    this.producers = views.producers
    this.consumers = views.consumers
    this.pairs = views.pairs
    this.source = this.target = noValues
    this.sourcePairs = this.targetPairs = noPairs
    const owner = { requireOpen: () => this.#requireOpen() }
    const common = { count: shape.count, ticket, patience }
    this.producing = new RingSide(owner, views, { ...common, name: 'producer', isShared: shape.manyProducers })
    this.consuming = new RingSide(owner, views, { ...common, name: 'consumer', isShared: shape.manyConsumers })
    this.keepsProducers = isPlain ? this.producing.kept : never
    this.keepsConsumers = isPlain ? this.consuming.kept : never
    this.mine = participantLine(views, this.#participant.line)
  }

  /** Values in it, as of a moment ago when others use it. */
  get count(): number {
    this.#requireOpen()
    // The consumers' index first: it never passes the producers', so what is read later cannot be behind it.
    const consumed = published(this.consumers, sideWord.index)
    const count = (published(this.producers, sideWord.index) - consumed) | 0
    return Math.max(0, Math.min(count, this.capacity))
  }

  /** Values that fit in, as of a moment ago when others use it. */
  get free(): number {
    return this.capacity - this.count
  }

  /**
   * Whether it has filled up to `highWatermark` and not yet emptied to `lowWatermark`, as this Ring sees it when it is
   * asked: what lies between two questions is not known.
   */
  get congested(): boolean {
    const { count } = this
    if (count >= this.#shape.highWatermark) this.#congested = true
    else if (count <= this.#shape.lowWatermark) this.#congested = false
    return this.#congested
  }

  /** Whether this Ring was closed. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Puts one value in; false when it is full.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` for what is no whole number from 0 to 2^32 - 1; as `enqueueBulk`
   */
  enqueue(value: number): boolean {
    const mine = this.mine
    mine[6] = 1
    const side = this.producers
    const position = side[1] as number
    if (
      side[0] === this.keepsProducers &&
      typeof value === 'number' &&
      value >>> 0 === value &&
      (((side[2] as number) - position) | 0) > 0
    ) {
      this.slots[position & this.mask] = value
      side[1] = position + 1
      mine[6] = 0
      return true
    }
    mine[6] = 0
    if (typeof value !== 'number' || value >>> 0 !== value) throw noValue(value)
    return putValue(this.producing, value)
  }

  /** Takes one value out; -1 when it is empty. @throws PinfoldError as `dequeueBulk` */
  dequeue(): number {
    const mine = this.mine
    mine[7] = 1
    const side = this.consumers
    const position = side[1] as number
    if (
      side[0] === this.keepsConsumers &&
      ((((side[2] as number) - position) | 0) > 0 || this.look(side, position) > 0)
    ) {
      const value = this.slots[position & this.mask] as number
      side[1] = position + 1
      mine[7] = 0
      return value
    }
    mine[7] = 0
    return getValue(this.consuming)
  }

  /**
   * Puts `count` values in, those of `values` from `at` on, or none when they do not fit all.
   *
   * @returns `count` or 0
   * @throws PinfoldError `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARGUMENT`; `ERR_RING_CLAIMED` when its one producer is another
   *   thread; `ERR_RING_BUSY` when a living thread keeps the others out; `ERR_RING_RESERVATION` during a reservation of
   *   this thread's; `ERR_RING_CLOSED`, `ERR_REGION_CLOSED`
   */
  enqueueBulk(values: Uint32Array, count?: number, at = 0): number {
    const mine = this.mine
    mine[6] = 1
    const side = this.producers
    const position = side[1] as number
    const start = position & this.mask
    if (
      count === 32 &&
      at >>> 0 === at &&
      values === this.source &&
      side[0] === this.keepsProducers &&
      ((start | at) & 31) === 0 &&
      (at >>> 1) + 16 <= this.sourcePairs.length &&
      (((side[2] as number) - position) | 0) >= count
    ) {
      copySixteen(this.pairs, start >>> 1, this.sourcePairs, at >>> 1)
      side[1] = position + count
      mine[6] = 0
      return count
    }
    mine[6] = 0
    return this.put(values, count, at, true)
  }

  /** Puts as many of them in as fit. @returns how many @throws PinfoldError as `enqueueBulk` */
  enqueueBurst(values: Uint32Array, count?: number, at = 0): number {
    return this.put(values, count, at, false)
  }

  /**
   * Takes `count` values out, into `values` from `at` on, or none when there are fewer.
   *
   * @returns `count` or 0
   * @throws PinfoldError as `enqueueBulk`; `ERR_RING_CLAIMED` when its one consumer is another thread
   */
  dequeueBulk(values: Uint32Array, count?: number, at = 0): number {
    const mine = this.mine
    mine[7] = 1
    const side = this.consumers
    const position = side[1] as number
    const start = position & this.mask
    if (
      count === 32 &&
      at >>> 0 === at &&
      values === this.target &&
      side[0] === this.keepsConsumers &&
      ((start | at) & 31) === 0 &&
      (at >>> 1) + 16 <= this.targetPairs.length &&
      ((((side[2] as number) - position) | 0) >= count || this.look(side, position) >= count)
    ) {
      copySixteen(this.targetPairs, at >>> 1, this.pairs, start >>> 1)
      side[1] = position + count
      mine[7] = 0
      return count
    }
    mine[7] = 0
    return this.get(values, count, at, true)
  }

  /** Takes as many out as there are, up to `count`. @returns how many @throws PinfoldError as `dequeueBulk` */
  dequeueBurst(values: Uint32Array, count?: number, at = 0): number {
    return this.get(values, count, at, false)
  }

  /**
   * Reserves `count` free slots, or none; write the values into `slots`, then `commitEnqueue`. Until then nothing of it is
   * in the ring, and no other thread enqueues.
   *
   * @returns the slots; a `length` of 0 when they are not free
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
   * Puts in the values of the first `count` reserved slots, and gives the others back. Default: all of them.
   *
   * @throws PinfoldError `ERR_RING_RESERVATION` without a reservation, `ERR_OUT_OF_RANGE`; the reservation stays then
   */
  commitEnqueue(count?: number): void {
    this.producing.commit(count)
  }

  /**
   * Reserves `count` values, or none; read them in `slots`, then `commitDequeue`. Until then they are in the ring, and no
   * other thread dequeues.
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

  /** Takes the first `count` reserved values out; the others stay. Default: all of them. @throws PinfoldError as `commitEnqueue` */
  commitDequeue(count?: number): void {
    this.consuming.commit(count)
  }

  /**
   * Gives up what this Ring has of it: a reservation is void, and another thread can be its one producer or consumer. The
   * values stay. Once only.
   */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#views.words.length > 0) {
      this.producing.leave()
      this.consuming.leave()
      this.#participant.leave()
    }
    this.#use(noViews)
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
      this.sourcePairs = pairsOfArray('enqueue', values)
      this.source = values
    }
    const count = wanted === undefined ? lengthFrom(values, at) : wanted
    if (!isRange(values, count, at)) throw wrongRange('enqueue', values, count, at)
    return putValues(this.producing, values, this.sourcePairs, count, at, isBulk ? count : 1)
  }

  private get(values: Uint32Array, wanted: number | undefined, at: number, isBulk: boolean): number {
    if (values !== this.target) {
      this.targetPairs = pairsOfArray('dequeue', values)
      this.target = values
    }
    const count = wanted === undefined ? lengthFrom(values, at) : wanted
    if (!isRange(values, count, at)) throw wrongRange('dequeue', values, count, at)
    return getValues(this.consuming, values, this.targetPairs, count, at, isBulk ? count : 1)
  }

  /** Looks how many values there are; of the ways in plain stores alone. */
  private look(side: Int32Array, position: number): number {
    const produced = this.producers[1] as number
    side[2] = produced
    return (produced - position) | 0
  }

  /** @throws PinfoldError `ERR_RING_CLOSED`, `ERR_REGION_CLOSED` */
  #requireOpen(): void {
    if (this.#views.words.length > 0) return
    if (this.#closed) throw new PinfoldError('this Ring is closed', { code: 'ERR_RING_CLOSED' })
    // A region that is closed says so. One that is open has lost its ArrayBuffer: somebody has transferred it away.
    this.#use(viewsOf(this.#memory, this.capacity))
  }

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
