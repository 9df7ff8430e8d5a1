import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'
import { publish, published } from './publication.js'
import { type RingViews, sideWord } from './ring-layout.js'
import { isAlive, reservedBit, threadOf, ticketMask } from './ring-participants.js'

/** Looks at the owner's word before a waiting thread sleeps. */
const spins = 200
/** Milliseconds of a waiting thread's sleeps: the first, and the longest. */
const shortestNap = 0.05
const longestNap = 1

// Atomics.wait does not work on a region's memory; on memory of this thread's own it is a sleep.
const nap = new Int32Array(new SharedArrayBuffer(4))

/**
 * Slots that were reserved: `length` from `first` on, then `rest` from slot 0 on. One object of a side of a Ring, which each
 * reservation writes anew.
 */
export interface RingSpan {
  readonly first: number
  readonly length: number
  readonly rest: number
}

/** What a side asks of the ring that it is of. */
export interface SideOwner {
  /** Looks the memory up again when somebody took its ArrayBuffer away. @throws when the ring or region is closed */
  requireOpen(): void
}

/**
 * One thread's way to one side of a ring: the producers' or the consumers'.
 *
 * A side has one index, which its owner alone moves, by one store. So whatever a thread does while it has the side is done
 * in full or, when the thread dies, not at all: a producer's values are not there, a consumer's are there still. Whoever
 * finds a dead owner's ticket takes the side over. On a side of many an owner has it for one call, or from reserve to
 * commit; on a side of one, until it closes the ring.
 */
export class RingSide {
  /** The index, where this call began. */
  declare position: number
  /** As they are once the side is taken. */
  declare views: RingViews
  declare private line: Int32Array
  declare private other: Int32Array
  declare private readonly isShared: boolean
  /** How far this side can be ahead of the other: by the ring's slots for producers, by nothing for consumers. */
  declare private readonly lead: number
  declare private readonly ticket: number
  declare private reserved: number
  readonly #ring: SideOwner
  readonly #name: string
  readonly #count: number
  readonly #patience: number
  readonly #span = { first: 0, length: 0, rest: 0 }

  constructor(ring: SideOwner, views: RingViews, { name, isShared, count, ticket, patience }: SideSettings) {
    this.position = 0
    this.isShared = isShared
    this.lead = name === 'producer' ? count : 0
    this.ticket = ticket
    this.reserved = 0
    this.#ring = ring
    this.#name = name
    this.#count = count
    this.#patience = patience
    this.use(views)
  }

  /** Another view of the same memory, or none when the ring is closed. */
  use(views: RingViews): void {
    const { producers, consumers } = views
    const isProducer = this.#name === 'producer'
    this.views = views
    this.line = isProducer ? producers : consumers
    this.other = isProducer ? consumers : producers
  }

  /**
   * Takes the side and returns how many values can pass; it looks at the other side only when what is known of it does not
   * do for `wanted`.
   *
   * @throws PinfoldError `ERR_RING_CLAIMED`, `ERR_RING_BUSY`, `ERR_RING_RESERVATION`, `ERR_RING_CLOSED`, `ERR_REGION_CLOSED`
   */
  private take(wanted: number): number {
    const { line, ticket } = this
    if (this.isShared) {
      if (line.length === 0 || Atomics.compareExchange(line, sideWord.owner, 0, ticket) !== 0) this.waitForIt()
    } else if (line[sideWord.owner] !== ticket) {
      this.claim()
    }
    return this.room(wanted)
  }

  /** Takes the side for up to `count` values, if `least` can pass; returns how many can, and has not taken it when none. Then `advance`. */
  takeFor(count: number, least: number): number {
    const room = this.take(count)
    const passing = room < count ? room : count
    if (passing >= least && passing > 0) return passing
    this.release()
    return 0
  }

  private room(wanted: number): number {
    const { line } = this
    const position = line[sideWord.index] ?? 0
    this.position = position
    const room = ((line[sideWord.limit] ?? 0) - position) | 0
    return room < wanted ? this.look(position) : room
  }

  /** Looks how far the other side has come. */
  private look(position: number): number {
    const limit = (published(this.other, sideWord.index) + this.lead) | 0
    this.line[sideWord.limit] = limit
    return (limit - position) | 0
  }

  /** Moves this side's index past `count` values, which publishes them or frees their slots, and gives the side up. */
  advance(count: number): void {
    const { line } = this
    publish(line, sideWord.index, (this.position + count) | 0)
    if (this.isShared) publish(line, sideWord.owner, 0)
  }

  private release(): void {
    if (this.isShared) publish(this.line, sideWord.owner, 0)
  }

  /**
   * Takes the side and keeps it until `commit`, when at least `least` can pass; else the span is empty.
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
    const reserved = this.takeFor(count, least)
    if (reserved === 0) {
      span.first = span.length = span.rest = 0
      return span
    }
    publish(this.line, sideWord.owner, this.ticket | reservedBit)
    this.reserved = reserved
    span.first = this.position & (most - 1)
    span.length = Math.min(reserved, most - span.first)
    span.rest = reserved - span.length
    return span
  }

  /** @throws PinfoldError `ERR_RING_RESERVATION` without one, `ERR_OUT_OF_RANGE` for more than was reserved */
  commit(count: number | undefined): void {
    this.#ring.requireOpen()
    const { line, reserved } = this
    if (line[sideWord.owner] !== (this.ticket | reservedBit) || reserved === 0) {
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
    this.reserved = 0
    publish(line, sideWord.index, ((line[sideWord.index] ?? 0) + passed) | 0)
    publish(line, sideWord.owner, this.isShared ? 0 : this.ticket)
  }

  /** Gives up what this thread has of the side; a reservation is void. */
  leave(): void {
    this.reserved = 0
    const found = Atomics.load(this.line, sideWord.owner)
    if ((found & ticketMask) === this.ticket) Atomics.compareExchange(this.line, sideWord.owner, found, 0)
  }

  /** Takes a side of one, for good, when nobody has it or who has it is dead. */
  private claim(): void {
    this.#ring.requireOpen()
    const {
      line,
      views: { words },
    } = this
    for (;;) {
      const found = Atomics.load(line, sideWord.owner)
      if (found === this.ticket) return
      this.refuseReserved(found)
      if (found !== 0 && isAlive(words, found)) {
        const thread = threadOf(words, found)
        throw new PinfoldError(`ring: it has one ${this.#name}, thread ${thread}, which lives`, {
          code: 'ERR_RING_CLAIMED',
          values: { side: this.#name, thread },
        })
      }
      if (Atomics.compareExchange(line, sideWord.owner, found, this.ticket) === found) return
    }
  }

  /** Takes a side of many, after whoever has it has given it up or is dead. */
  private waitForIt(): void {
    this.#ring.requireOpen()
    const {
      line,
      views: { words },
    } = this
    for (let spin = 0; spin < spins; spin++) {
      if (Atomics.load(line, sideWord.owner) !== 0) continue
      if (Atomics.compareExchange(line, sideWord.owner, 0, this.ticket) === 0) return
    }
    const start = performance.now()
    for (let sleep = shortestNap; ; sleep = Math.min(2 * sleep, longestNap)) {
      const found = Atomics.load(line, sideWord.owner)
      this.refuseReserved(found)
      // Our own without a reservation: a call that ended half-way, by a stack that was used up. It had done nothing.
      const isMine = found === this.ticket
      if (isMine || found === 0 || !isAlive(words, found)) {
        if (Atomics.compareExchange(line, sideWord.owner, found, this.ticket) === found) return
        continue
      }
      if (performance.now() - start > this.#patience) {
        const thread = threadOf(words, found)
        throw new PinfoldError(`ring: thread ${thread} has had the ${this.#name}s' side for ${this.#patience} ms`, {
          code: 'ERR_RING_BUSY',
          values: { side: this.#name, thread, patience: this.#patience },
        })
      }
      Atomics.wait(nap, 0, 0, sleep)
    }
  }

  private refuseReserved(found: number): void {
    if (found !== (this.ticket | reservedBit)) return
    throw new PinfoldError(`ring: this thread has a reservation on the ${this.#name}s' side; commit it first`, {
      code: 'ERR_RING_RESERVATION',
      values: { side: this.#name },
    })
  }
}

export interface SideSettings {
  readonly name: 'producer' | 'consumer'
  /** Whether many threads may take turns with it. */
  readonly isShared: boolean
  /** Slots of the ring. */
  readonly count: number
  readonly ticket: number
  /** Milliseconds that a living owner is waited for. */
  readonly patience: number
}
