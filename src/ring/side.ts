import { copyNumbers } from '../arrays/number-array.js'
import { compareExchange, min } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'
import { publish, published } from '../threads/publication.js'
import { type RingViews, SideWord } from './layout.js'
import { reservedBit, type SideName, SideOwnership } from './side-ownership.js'

/**
 * Reserved slots: `length` from `first` on, then `rest` from slot 0 on. Each side of a Ring has one such object, which
 * each reservation overwrites.
 */
export interface RingSpan {
  readonly first: number
  readonly length: number
  readonly rest: number
}

/** What a side needs from its ring. */
export interface SideOwner {
  /** Makes new views if the ArrayBuffer was transferred away. @throws if the ring or its region is closed */
  requireOpen(): void
}

export interface SideSettings {
  readonly name: SideName
  /** True for a side of many threads. */
  readonly isShared: boolean
  /** Slots of the ring. */
  readonly count: number
  readonly ticket: number
  /** Milliseconds that a call waits for a living owner. */
  readonly patience: number
}

/**
 * One thread's access to one side of a ring: the producers' or the consumers'. It can do everything that a call of Ring
 * asks for, and waits where it has to. The fast paths, in ring.ts and native/wasm/ring.c, do the same on the same memory,
 * or leave it to this.
 *
 * A side has one index, which its owner alone moves, by one store. So a call is done in full or, if its thread dies,
 * not at all: a producer's values are not in the ring, and a consumer's still are.
 *
 * Order of stores (all implementations have the same points):
 *
 *     A1  the compare-exchange that acquires the side. It pairs with R1
 *     A0  the load of the other side's index, before the slots are used
 *     R0  the store of this side's index, after the slots were used. It pairs with A0 of the other side: a consumer
 *         that sees the producers' index sees the values, and a producer that sees the consumers' index knows that they
 *         were read
 *     R1  the store that frees the side, after R0. The next owner sees the index and the limit of the last one
 */
export class RingSide {
  // The fields of each call are not # fields, which V8 checks at each access.
  /** The index at the start of this call. */
  declare private position: number
  /** Never empty once the side is acquired. */
  declare private views: RingViews
  declare private line: Int32Array
  declare private other: Int32Array
  /** How far this side's index may be ahead of the other's: the ring's slots for producers, 0 for consumers. */
  declare private readonly lead: number
  declare private readonly isShared: boolean
  declare private readonly ticket: number
  readonly #ring: SideOwner
  readonly #name: SideName
  readonly #count: number
  readonly #ownership: SideOwnership
  readonly #span = { first: 0, length: 0, rest: 0 }
  #reserved = 0

  constructor(ring: SideOwner, views: RingViews, { name, isShared, count, ticket, patience }: SideSettings) {
    this.#ring = ring
    this.#name = name
    this.isShared = isShared
    this.ticket = ticket
    this.#count = count
    this.#ownership = new SideOwnership(name, isShared, ticket, patience)
    this.position = 0
    this.lead = name === 'producer' ? count : 0
    this.use(views)
  }

  /** Uses new views of the same memory, or empty ones if the ring is closed. */
  use(views: RingViews): void {
    const isProducer = this.#name === 'producer'
    this.views = views
    this.line = isProducer ? views.producers : views.consumers
    this.other = isProducer ? views.consumers : views.producers
  }

  /** Enqueues as many of the `count` values from `at` on as fit, if at least `least` fit. @returns how many */
  putValues(values: Uint32Array, count: number, at: number, least: number): number {
    const passing = this.take(count, least)
    if (passing === 0) return 0
    const { slots } = this.views
    const start = this.position & (slots.length - 1)
    const first = min(passing, slots.length - start)
    copyNumbers(slots, start, values, at, first)
    if (first < passing) copyNumbers(slots, 0, values, at + first, passing - first)
    this.advance(passing)
    return passing
  }

  /** Dequeues up to `count` values, to `at` and on, if there are at least `least`. @returns how many */
  getValues(values: Uint32Array, count: number, at: number, least: number): number {
    const passing = this.take(count, least)
    if (passing === 0) return 0
    const { slots } = this.views
    const start = this.position & (slots.length - 1)
    const first = min(passing, slots.length - start)
    copyNumbers(values, at, slots, start, first)
    if (first < passing) copyNumbers(values, at + first, slots, 0, passing - first)
    this.advance(passing)
    return passing
  }

  putValue(value: number): boolean {
    if (this.take(1, 1) === 0) return false
    const { slots } = this.views
    slots[this.position & (slots.length - 1)] = value
    this.advance(1)
    return true
  }

  getValue(): number {
    if (this.take(1, 1) === 0) return -1
    const { slots } = this.views
    const value = slots[this.position & (slots.length - 1)]
    this.advance(1)
    return value
  }

  /**
   * Acquires the side for up to `count` values, if at least `least` can pass. `advance` has to follow.
   *
   * @returns how many can pass; if 0, the side is not acquired
   * @throws PinfoldError `ERR_RING_CLAIMED`, `ERR_RING_BUSY`, `ERR_RING_RESERVATION`, `ERR_RING_CLOSED`,
   *   `ERR_REGION_CLOSED`
   */
  private take(count: number, least: number): number {
    this.enter()
    const { line } = this
    const position = line[SideWord.index]
    this.position = position
    let room = (line[SideWord.limit] - position) | 0
    if (room < count) room = this.look(position) // A0
    const passing = room < count ? room : count
    if (passing >= least && passing > 0) return passing
    this.release()
    return 0
  }

  /** Moves this side's index past `count` values, which publishes them or frees their slots. */
  private advance(count: number): void {
    publish(this.line, SideWord.index, (this.position + count) | 0) // R0
    // Not by `release`, which needs more stack: after R0, the end of the stack must not end the call.
    if (this.isShared) publish(this.line, SideWord.owner, 0) // R1
  }

  private release(): void {
    if (this.isShared) publish(this.line, SideWord.owner, 0) // R1
  }

  private enter(): void {
    const { line } = this
    if (this.isShared) {
      if (line.length > 0 && compareExchange(line, SideWord.owner, 0, this.ticket) === 0) return // A1
    } else if (line[SideWord.owner] === this.ticket) {
      return
    }
    this.#ring.requireOpen()
    this.#ownership.acquire(this.views.words)
  }

  /** Loads the other side's index; returns how many values can pass. */
  private look(position: number): number {
    const limit = (published(this.other, SideWord.index) + this.lead) | 0 // A0
    this.line[SideWord.limit] = limit
    return (limit - position) | 0
  }

  /**
   * Acquires the side until `commit`, if at least `least` values can pass; else the span is empty.
   *
   * @throws PinfoldError `ERR_OUT_OF_RANGE`; as `take`
   */
  reserve(count: number, least: number): RingSpan {
    const most = this.#count
    if (!(Number.isInteger(count) && count >= 0 && count <= most)) {
      throw new PinfoldError(`reserve: expected a whole number from 0 to ${most}, received ${describe(count)}`, {
        code: 'ERR_OUT_OF_RANGE',
        values: { count, capacity: most },
      })
    }
    const span = this.#span
    const reserved = this.take(count, least)
    this.#reserved = reserved
    span.first = reserved === 0 ? 0 : this.position & (most - 1)
    span.length = Math.min(reserved, most - span.first)
    span.rest = reserved - span.length
    if (reserved > 0) publish(this.line, SideWord.owner, this.ticket | reservedBit)
    return span
  }

  /** @throws PinfoldError `ERR_RING_RESERVATION` without one, `ERR_OUT_OF_RANGE` for more than was reserved */
  commit(count: number | undefined): void {
    this.#ring.requireOpen()
    const { line } = this
    const reserved = this.#reserved
    if (reserved === 0 || line[SideWord.owner] !== (this.ticket | reservedBit)) {
      throw new PinfoldError(`commit: nothing is reserved on the ${this.#name}s' side`, {
        code: 'ERR_RING_RESERVATION',
        values: { side: this.#name },
      })
    }
    const passed = count ?? reserved
    if (!(Number.isInteger(passed) && passed >= 0 && passed <= reserved)) {
      throw new PinfoldError(`commit: expected a whole number from 0 to ${reserved}, received ${describe(passed)}`, {
        code: 'ERR_OUT_OF_RANGE',
        values: { count: passed, reserved },
      })
    }
    this.#reserved = 0
    publish(line, SideWord.index, (line[SideWord.index] + passed) | 0) // R0
    publish(line, SideWord.owner, this.isShared ? 0 : this.ticket) // R1
  }

  /** Gives up the side, and a reservation on it. */
  leave(): void {
    this.#ownership.leave(this.views.words, this.#reserved > 0)
    this.#reserved = 0
  }
}
