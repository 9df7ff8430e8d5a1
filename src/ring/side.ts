import { copyValuePairs, copyValues, type ValuePairs } from '../arrays/pairs.js'
import { compareExchange } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'
import { CallWord, lineOf } from '../threads/participants.js'
import { publish, published } from '../threads/publication.js'
import { participantLine, type RingViews, SideWord } from './layout.js'
import { reservedBit, type SideName, SideOwnership } from './side-ownership.js'

/**
 * Slots that were reserved: `length` from `first` on, then `rest` from slot 0 on. One object of a side of a Ring, which each
 * reservation writes anew.
 */
export interface RingSpan {
  readonly first: number
  readonly length: number
  readonly rest: number
}

/** A side is kept until a second thread comes, and then never again: so it is lost once, between taking it and using it. */
const mostTries = 100

function contradiction(side: SideName): PinfoldError {
  return new PinfoldError(`ring: its ${side}s' side is taken, and is not: somebody has written over its bookkeeping`, {
    code: 'ERR_RING_LAYOUT',
    values: { side },
  })
}

/** What a side asks of the ring that it is of. */
export interface SideOwner {
  /** Looks the memory up again when somebody took its ArrayBuffer away. @throws when the ring or region is closed */
  requireOpen(): void
}

export interface SideSettings {
  readonly name: SideName
  /** Whether it is a side of many threads. */
  readonly isShared: boolean
  /** Slots of the ring. */
  readonly count: number
  readonly ticket: number
  /** Milliseconds that a living owner is waited for. */
  readonly patience: number
}

/**
 * One thread's way to one side of a ring: the producers' or the consumers'.
 *
 * A side has one index, which its owner alone moves, by one store. So whatever a thread does while it has the side is done
 * in full or, when the thread dies, not at all: a producer's values are not there, a consumer's are there still.
 */
export class RingSide {
  /** The index, where this call began. */
  declare private position: number
  /** As they are once the side is taken. */
  declare private views: RingViews
  /** The owner's word while this thread keeps the side between calls. */
  readonly kept: number
  declare private line: Int32Array
  declare private other: Int32Array
  /** This thread's line of the participants, and its word there for this side. */
  declare private mine: Int32Array
  declare private readonly busy: number
  /** How far this side can be ahead of the other: by the ring's slots for producers, by nothing for consumers. */
  declare private readonly lead: number
  /** Whether the side that was taken is kept, or is to be given up. */
  declare private keeps: boolean
  readonly #ring: SideOwner
  readonly #name: SideName
  readonly #ticket: number
  readonly #count: number
  readonly #ownership: SideOwnership
  readonly #span = { first: 0, length: 0, rest: 0 }
  #reserved = 0

  constructor(ring: SideOwner, views: RingViews, { name, isShared, count, ticket, patience }: SideSettings) {
    this.#ring = ring
    this.#name = name
    this.#ticket = ticket
    this.#count = count
    this.#ownership = new SideOwnership(name, isShared, ticket, patience)
    this.kept = this.#ownership.kept
    this.position = 0
    this.busy = name === 'producer' ? CallWord.producers : CallWord.consumers
    this.lead = name === 'producer' ? count : 0
    this.keeps = false
    this.use(views)
  }

  /** Another view of the same memory, or none when the ring is closed. */
  use(views: RingViews): void {
    const isProducer = this.#name === 'producer'
    this.views = views
    this.line = isProducer ? views.producers : views.consumers
    this.other = isProducer ? views.consumers : views.producers
    this.mine = participantLine(views, lineOf(this.#ticket))
  }

  /** Enqueues those of `count` values from `at` on that fit, if `least` do. @returns how many */
  putValues(values: Uint32Array, valuePairs: ValuePairs, count: number, at: number, least: number): number {
    const passing = this.take(count, least)
    if (passing === 0) return 0
    const { slots, pairs } = this.views
    const start = this.position & (slots.length - 1)
    const end = start + passing
    if (((start | at | passing) & 1) === 0 && end <= slots.length && valuePairs.length > 0) {
      copyValuePairs(pairs, start >>> 1, valuePairs, at >>> 1, passing >>> 1)
    } else {
      const first = end <= slots.length ? passing : slots.length - start
      copyValues(slots, start, values, at, first)
      copyValues(slots, 0, values, at + first, passing - first)
    }
    this.advance(passing)
    return passing
  }

  /** Dequeues up to `count` values to `at` and on, if there are `least`. @returns how many */
  getValues(values: Uint32Array, valuePairs: ValuePairs, count: number, at: number, least: number): number {
    const passing = this.take(count, least)
    if (passing === 0) return 0
    const { slots, pairs } = this.views
    const start = this.position & (slots.length - 1)
    const end = start + passing
    if (((start | at | passing) & 1) === 0 && end <= slots.length && valuePairs.length > 0) {
      copyValuePairs(valuePairs, at >>> 1, pairs, start >>> 1, passing >>> 1)
    } else {
      const first = end <= slots.length ? passing : slots.length - start
      copyValues(values, at, slots, start, first)
      copyValues(values, at + first, slots, 0, passing - first)
    }
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
   * Takes the side for up to `count` values, if `least` can pass; returns how many can, and has not taken it when none.
   * Then `advance`.
   *
   * @throws PinfoldError `ERR_RING_CLAIMED`, `ERR_RING_BUSY`, `ERR_RING_RESERVATION`, `ERR_RING_CLOSED`, `ERR_REGION_CLOSED`
   */
  private take(count: number, least: number): number {
    this.enter()
    const { line } = this
    const position = line[SideWord.index]
    this.position = position
    let room = (line[SideWord.limit] - position) | 0
    if (room < count) room = this.look(position)
    const passing = room < count ? room : count
    if (passing >= least && passing > 0) return passing
    this.release()
    return 0
  }

  /** Moves this side's index past `count` values, which publishes them or frees their slots. */
  private advance(count: number): void {
    publish(this.line, SideWord.index, (this.position + count) | 0)
    this.release()
  }

  private release(): void {
    if (this.keeps) this.mine[this.busy] = 0
    else publish(this.line, SideWord.owner, 0)
  }

  private enter(): void {
    const { line, mine, busy } = this
    mine[busy] = 1
    if (line[SideWord.owner] === this.kept) {
      this.keeps = true
      return
    }
    mine[busy] = 0
    if (line[SideWord.turns] === 1 && compareExchange(line, SideWord.owner, 0, this.#ticket) === 0) {
      this.keeps = false
      return
    }
    this.enterSlowly()
  }

  private enterSlowly(): void {
    for (let tries = 0; tries < mostTries; tries++) {
      this.#ring.requireOpen()
      const { line, mine, busy } = this
      if (!this.#ownership.acquire(this.views, line)) {
        this.keeps = false
        return
      }
      mine[busy] = 1
      if (line[SideWord.owner] === this.kept) {
        this.keeps = true
        return
      }
      mine[busy] = 0
    }
    throw contradiction(this.#name)
  }

  /** Looks how far the other side has come. */
  private look(position: number): number {
    const limit = (published(this.other, SideWord.index) + this.lead) | 0
    this.line[SideWord.limit] = limit
    return (limit - position) | 0
  }

  /**
   * Takes the side and has it until `commit`, when at least `least` can pass; else the span is empty.
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
    for (let tries = 0; tries < mostTries; tries++) {
      const reserved = this.take(count, least)
      if (reserved === 0) {
        span.first = span.length = span.rest = 0
        return span
      }
      const { line, mine, busy } = this
      const owner = this.keeps ? this.kept : this.#ticket
      // Exchanged, since another thread may be about to take the side from this one, if it keeps it.
      const isMine = compareExchange(line, SideWord.owner, owner, owner | reservedBit) === owner
      if (this.keeps) mine[busy] = 0
      if (!isMine) continue
      this.#reserved = reserved
      span.first = this.position & (most - 1)
      span.length = Math.min(reserved, most - span.first)
      span.rest = reserved - span.length
      return span
    }
    throw contradiction(this.#name)
  }

  /** @throws PinfoldError `ERR_RING_RESERVATION` without one, `ERR_OUT_OF_RANGE` for more than was reserved */
  commit(count: number | undefined): void {
    this.#ring.requireOpen()
    const { line } = this
    const reserved = this.#reserved
    const owner = this.keeps ? this.kept : this.#ticket
    if (reserved === 0 || line[SideWord.owner] !== (owner | reservedBit)) {
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
    publish(line, SideWord.index, (line[SideWord.index] + passed) | 0)
    publish(line, SideWord.owner, this.keeps ? this.kept : 0)
  }

  /** Gives up what this thread has of the side; a reservation is void. */
  leave(): void {
    this.#ownership.leave(this.line, this.#reserved > 0)
    this.#reserved = 0
  }
}
