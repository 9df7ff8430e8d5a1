import { atomicLoad, compareExchange } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { type OwnerRules, takeOver } from '../threads/owner-word.js'
import { doubtAbout, threadOf, ticketMask } from '../threads/participants.js'
import { consumerWord, producerWord, SideWord } from './layout.js'

/** A bit of an owner's word: the owner has a reservation. */
export const reservedBit = 1 << 28

/** A value that no owner's word has. */
export const never = -1

export type SideName = 'producer' | 'consumer'

/**
 * How a thread acquires a side of a ring.
 *
 * On a side of many threads, each call acquires the owner's word by a compare-exchange from 0, and frees it at its end.
 * A side of one thread is acquired in the same way, but only by the first call: the thread keeps it until it closes its
 * ring or dies.
 *
 * The owner's word is in one of these states. T is the ticket of the thread that is named.
 *
 *     free       0            any thread may acquire it
 *     owned      T            T is within a call, or keeps the side of one thread
 *     reserved   T reserved   T has a reservation
 *
 * Only the thread whose ticket the word contains may change it. If that thread is dead, any thread may, by a
 * compare-exchange of the word that it found (A1, R1 in side.ts):
 *
 *     free       -> owned     by a call
 *     owned      -> free      the call of a side of many threads ends, or the Ring is closed
 *                -> reserved  by a reservation
 *     reserved   -> owned     by the commit, which on a side of many threads ends the call
 *     any of T   -> owned     T is dead: the thread that finds out owns it now. Nothing that T wrote in its last call
 *                             is in the ring
 */
export class SideOwnership implements OwnerRules<true> {
  readonly #name: SideName
  readonly #isShared: boolean
  readonly #ticket: number
  readonly #patience: number
  /** Where the owner's word stands. */
  readonly #at: number

  constructor(name: SideName, isShared: boolean, ticket: number, patience: number) {
    this.#name = name
    this.#isShared = isShared
    this.#ticket = ticket
    this.#patience = patience
    this.#at = (name === 'producer' ? producerWord : consumerWord) + SideWord.owner
  }

  /**
   * Makes this thread the owner.
   *
   * @throws PinfoldError `ERR_RING_CLAIMED`, `ERR_RING_BUSY`, `ERR_RING_RESERVATION`
   */
  acquire(words: Int32Array): void {
    takeOver(this, words, this.#at, this.#ticket, this.#patience)
  }

  /**
   * Gives up this thread's ownership. The reservation of another Ring of this thread stays.
   *
   * @param hasReserved whether the Ring that leaves has a reservation
   */
  leave(words: Int32Array, hasReserved: boolean): void {
    const found = atomicLoad(words, this.#at)
    if ((found & ticketMask) !== this.#ticket) return
    if ((found & reservedBit) !== 0 && !hasReserved) return
    compareExchange(words, this.#at, found, 0) // R1
  }

  isFree(found: number, ticket: number): boolean {
    return found === 0 || (found & ticketMask) === ticket
  }

  /** A word with our own ticket is that of a call that was cut off: it had not moved the index. */
  take(words: Int32Array, at: number, found: number): true | undefined {
    if ((found & reservedBit) !== 0) throw this.#reserved()
    return this.takeFromDead(words, at, found)
  }

  takeFromDead(words: Int32Array, at: number, found: number): true | undefined {
    return compareExchange(words, at, found, this.#ticket) === found || undefined // A1
  }

  isKept(): boolean {
    return !this.#isShared
  }

  takeFromKeeper(words: Int32Array, _at: number, found: number): never {
    const thread = threadOf(words, found)
    const doubt = doubtAbout(words, found)
    const message = `ring: its one ${this.#name} is thread ${thread}${doubt?.text ?? ', which lives'}`
    throw new PinfoldError(message, {
      code: 'ERR_RING_CLAIMED',
      values: { side: this.#name, thread, ...doubt?.values },
    })
  }

  busy(words: Int32Array, found: number): PinfoldError {
    const thread = threadOf(words, found)
    const doubt = doubtAbout(words, found)
    const owned = `thread ${thread} has owned the ${this.#name}s' side for more than ${this.#patience} ms`
    return new PinfoldError(`ring: ${owned}${doubt?.text ?? ''}`, {
      code: 'ERR_RING_BUSY',
      values: { side: this.#name, thread, patience: this.#patience, ...doubt?.values },
    })
  }

  #reserved(): PinfoldError {
    return new PinfoldError(`ring: this thread has a reservation on the ${this.#name}s' side: commit it first`, {
      code: 'ERR_RING_RESERVATION',
      values: { side: this.#name },
    })
  }
}
