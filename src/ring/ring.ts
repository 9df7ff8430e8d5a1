import { inspect } from 'node:util'
import { copyNumbers, countOf, isRange } from '../arrays/number-array.js'
import { PinfoldError } from '../errors.js'
import type { MemoryRange } from '../memory/region-memory.js'
import { ArrayAddresses, noArray } from '../shadow/array-address.js'
import { BurstArrays } from '../shadow/burst-arrays.js'
import { Shadow } from '../shadow/shadow.js'
import { noCalls, type WasmCalls } from '../shadow/webassembly.js'
import { describe } from '../sizes.js'
import { DequeueResult, Participant } from '../threads/participants.js'
import { isPlain, published } from '../threads/publication.js'
import { noViews, type RingShape, type RingViews, ringBytes, SideWord, viewsOf } from './layout.js'
import { RingSide, type RingSpan, type SideOwner } from './side.js'
import { never } from './side-ownership.js'

/** Flags of a call of native/wasm/ring.c. */
const shared = 1
const bulk = 2
/** The result of `dequeueOne` that may be no value; nor may the next higher one. */
const doubtful = -2

/**
 * A queue of 32-bit values, of fixed size, in the memory of a region. Any thread that has the region attaches its own
 * Ring to it. No call that passes values allocates memory or calls native code.
 *
 * A thread may die at any moment, also within a call. The values that it was enqueueing are then not in the ring, the
 * values that it was dequeueing still are, and the other threads go on.
 */
export class Ring {
  // Each call has up to three implementations, which work on the same memory:
  //
  // - the fast paths of `enqueue` and `dequeue`, for sides of one thread: a call of WebAssembly would take longer
  // - native/wasm/ring.c, for bursts, and for single values on sides of many threads, where it has compare-exchanges
  //   without a call
  // - RingSide, for all else: the caller has to wait, an owner died, the ring is closed, there is no WebAssembly
  //
  // The labels A0, R0, A1 and R1 are those of side.ts. The fast paths need plain loads and stores that have an order
  // (isPlain); elsewhere `keptProducers` and `keptConsumers` equal no owner's word.
  //
  // On a closed ring, the views have a length of 0, and `address` is 0. So all calls use RingSide, which throws.
  //
  // The fields that these calls use are not # fields, which V8 checks at each access.

  /** The number of values that the ring holds. */
  readonly capacity: number
  /** Where reserved values are written and read: slot i is `slots[i]`. Its length is 0 once the region is closed. */
  slots: Uint32Array
  declare private readonly mask: number
  declare private readonly ticket: number
  /** The owner's word of a side of one thread, if this is the thread; `never` on a side of many threads. */
  declare private readonly keptProducers: number
  declare private readonly keptConsumers: number
  declare private producers: Int32Array
  declare private consumers: Int32Array
  /** The ring's address in the memory of `calls`. */
  declare private address: number
  declare private readonly calls: WasmCalls
  /** The flags of bursts and bulk calls on each side. */
  declare private readonly burstIn: number
  declare private readonly bulkIn: number
  declare private readonly burstOut: number
  declare private readonly bulkOut: number
  /** The array of the last call on each side, if WebAssembly can use it, and its address. */
  declare private source: Uint32Array
  declare private sourceAddress: number
  declare private target: Uint32Array
  declare private targetAddress: number
  declare private readonly sources: ArrayAddresses
  declare private readonly targets: ArrayAddresses
  declare private readonly bursts: BurstArrays
  declare private readonly producing: RingSide
  declare private readonly consuming: RingSide
  readonly #range: MemoryRange
  /** Releases its claim on the range. */
  readonly #release: () => void
  readonly #shape: RingShape
  readonly #participant: Participant
  readonly #shadow: Shadow | undefined
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
    this.ticket = ticket
    this.slots = views.slots
    this.producers = views.producers
    this.consumers = views.consumers
    this.source = this.target = noArray
    this.sourceAddress = this.targetAddress = 0
    this.sources = new ArrayAddresses()
    this.targets = new ArrayAddresses()
    this.bursts = new BurstArrays()
    const owner: SideOwner = { requireOpen: () => this.#requireOpen() }
    const common = { count: shape.count, ticket, patience }
    this.producing = new RingSide(owner, views, { ...common, name: 'producer', isShared: shape.manyProducers })
    this.consuming = new RingSide(owner, views, { ...common, name: 'consumer', isShared: shape.manyConsumers })
    this.keptProducers = isPlain && !shape.manyProducers ? ticket : never
    this.keptConsumers = isPlain && !shape.manyConsumers ? ticket : never
    this.burstIn = shape.manyProducers ? shared : 0
    this.burstOut = shape.manyConsumers ? shared : 0
    this.bulkIn = this.burstIn | bulk
    this.bulkOut = this.burstOut | bulk
    this.#range = range
    this.#release = release
    this.#shape = shape
    this.#views = views
    this.#participant = participant
    this.#shadow = Shadow.of(range, ringBytes(shape.count), { forgetAddresses: () => this.#forgetArrays() })
    this.address = this.#shadow?.address ?? 0
    this.calls = this.#shadow?.calls ?? noCalls
  }

  /**
   * Enqueues one value. Returns false if the ring is full.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE` if `value` is not a whole number from 0 to 2^32 - 1; as `enqueueBulk`
   */
  enqueue(value: number): boolean {
    const side = this.producers
    const position = side[SideWord.index]
    if (
      side[SideWord.owner] === this.keptProducers &&
      typeof value === 'number' &&
      value >>> 0 === value &&
      ((side[SideWord.limit] - position) | 0) > 0
    ) {
      this.slots[position & this.mask] = value
      side[SideWord.index] = position + 1 // R0
      return true
    }
    return this.enqueueOne(value)
  }

  /** Dequeues one value. Returns -1 if the ring is empty. @throws PinfoldError as `dequeueBulk` */
  dequeue(): number {
    const side = this.consumers
    const position = side[SideWord.index]
    if (
      side[SideWord.owner] === this.keptConsumers &&
      (((side[SideWord.limit] - position) | 0) > 0 || this.look(side, position) > 0)
    ) {
      const value = this.slots[position & this.mask]
      side[SideWord.index] = position + 1 // R0
      return value
    }
    return this.dequeueOne()
  }

  /**
   * Enqueues `count` values of `values`, from `at` on, or none if they do not all fit.
   *
   * @param values an array that `burst` has made is used as it is; the values of any other are copied first
   * @param count default: all values from `at` on
   * @returns `count` or 0
   * @throws PinfoldError `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARGUMENT`; `ERR_RING_CLAIMED` if another thread is the one
   *   producer of the ring; `ERR_RING_BUSY` if a living thread owns the side for too long; `ERR_RING_RESERVATION` while
   *   this thread has a reservation; `ERR_RING_CLOSED`, `ERR_REGION_CLOSED`
   */
  enqueueBulk(values: Uint32Array, count?: number, at = 0): number {
    if (values === this.source && count !== undefined && isRange(values, count, at)) {
      const { calls, address, mask, ticket } = this
      const passed = calls.enqueue(address, mask, ticket, this.sourceAddress + 4 * at, count, this.bulkIn)
      if (passed >= 0) return passed
    }
    return this.put(values, count, at, this.bulkIn)
  }

  /** Enqueues as many of them as fit. @returns how many @throws PinfoldError as `enqueueBulk` */
  enqueueBurst(values: Uint32Array, count?: number, at = 0): number {
    if (values === this.source && count !== undefined && isRange(values, count, at)) {
      const { calls, address, mask, ticket } = this
      const passed = calls.enqueue(address, mask, ticket, this.sourceAddress + 4 * at, count, this.burstIn)
      if (passed >= 0) return passed
    }
    return this.put(values, count, at, this.burstIn)
  }

  /**
   * Dequeues `count` values into `values`, from `at` on, or none if there are fewer.
   *
   * @param count default: as many as `values` has places from `at` on
   * @returns `count` or 0
   * @throws PinfoldError as `enqueueBulk`; `ERR_RING_CLAIMED` if another thread is the one consumer of the ring
   */
  dequeueBulk(values: Uint32Array, count?: number, at = 0): number {
    if (values === this.target && count !== undefined && isRange(values, count, at)) {
      const { calls, address, mask, ticket } = this
      const passed = calls.dequeue(address, mask, ticket, this.targetAddress + 4 * at, count, this.bulkOut)
      if (passed >= 0) return passed
    }
    return this.get(values, count, at, this.bulkOut)
  }

  /** Dequeues as many as there are, up to `count`. @returns how many @throws PinfoldError as `dequeueBulk` */
  dequeueBurst(values: Uint32Array, count?: number, at = 0): number {
    if (values === this.target && count !== undefined && isRange(values, count, at)) {
      const { calls, address, mask, ticket } = this
      const passed = calls.dequeue(address, mask, ticket, this.targetAddress + 4 * at, count, this.burstOut)
      if (passed >= 0) return passed
    }
    return this.get(values, count, at, this.burstOut)
  }

  /**
   * An array of `count` numbers for bursts, of this ring or any other ring, buffer pool or packets of this thread. It
   * lies where WebAssembly can use it, so that its values need not be copied before a call. Make it once, and use it for
   * many calls. Its length is 0 once this Ring is closed.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE`, `ERR_OUT_OF_MEMORY`, `ERR_RING_CLOSED`, `ERR_REGION_CLOSED`
   */
  burst(count: number): Uint32Array {
    this.#requireOpen()
    return this.bursts.make(count)
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
    this.address = 0
    this.#forgetArrays()
    this.#shadow?.close()
    this.bursts.close()
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

  /**
   * Enqueues values of any array. If WebAssembly cannot use the array, the values are copied: on a side of many threads
   * to an array that it can use, since that is faster than Atomics; on a side of one thread into the ring.
   */
  private put(values: Uint32Array, wanted: number | undefined, at: number, flags: number): number {
    const address = this.sources.of('enqueue', values)
    const count = countOf('enqueue', values, wanted, at)
    const { calls } = this
    if (address !== 0 && this.address !== 0) {
      this.source = values
      this.sourceAddress = address
      const passed = calls.enqueue(this.address, this.mask, this.ticket, address + 4 * at, count, flags)
      if (passed >= 0) return passed
    } else if (this.address !== 0 && (flags & shared) !== 0) {
      const scratch = this.bursts.scratch(count)
      if (scratch !== undefined) {
        copyNumbers(scratch.values, 0, values, at, count)
        const passed = calls.enqueue(this.address, this.mask, this.ticket, scratch.address, count, flags)
        if (passed >= 0) return passed
      }
    }
    return this.producing.putValues(values, count, at, (flags & bulk) !== 0 ? count : 1)
  }

  private get(values: Uint32Array, wanted: number | undefined, at: number, flags: number): number {
    const address = this.targets.of('dequeue', values)
    const count = countOf('dequeue', values, wanted, at)
    const { calls } = this
    if (address !== 0 && this.address !== 0) {
      this.target = values
      this.targetAddress = address
      const passed = calls.dequeue(this.address, this.mask, this.ticket, address + 4 * at, count, flags)
      if (passed >= 0) return passed
    } else if (this.address !== 0 && (flags & shared) !== 0) {
      const scratch = this.bursts.scratch(count)
      if (scratch !== undefined) {
        const passed = calls.dequeue(this.address, this.mask, this.ticket, scratch.address, count, flags)
        if (passed >= 0) {
          copyNumbers(values, at, scratch.values, 0, passed)
          return passed
        }
      }
    }
    return this.consuming.getValues(values, count, at, (flags & bulk) !== 0 ? count : 1)
  }

  private enqueueOne(value: number): boolean {
    if (typeof value !== 'number' || value >>> 0 !== value) throw noValue(value)
    if (this.burstIn === shared && this.address !== 0) {
      const passed = this.calls.enqueueOne(this.address, this.mask, this.ticket, value)
      if (passed >= 0) return passed === 1
    }
    return this.producing.putValue(value)
  }

  private dequeueOne(): number {
    if (this.burstOut === shared && this.address !== 0) {
      const value = this.calls.dequeueOne(this.address, this.mask, this.ticket)
      if (value !== doubtful && value !== doubtful + 1) return value >>> 0
      const result = this.#participant.result(this.#views.words)
      if (result === DequeueResult.value) return value >>> 0
      if (result === DequeueResult.empty) return -1
    }
    return this.consuming.getValue()
  }

  /** Loads the producers' index; returns how many values there are. Only for calls by plain loads. */
  private look(side: Int32Array, position: number): number {
    const produced = this.producers[SideWord.index] // A0
    side[SideWord.limit] = produced
    return (produced - position) | 0
  }

  #forgetArrays(): void {
    this.source = this.target = noArray
    this.sources.forget()
    this.targets.forget()
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
    this.producers = views.producers
    this.consumers = views.consumers
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
