import { PinfoldError } from '../errors.js'
import { barrierEverywhere, reachableByBarriers } from '../memory/barrier.js'
import { isPlain } from './publication.js'
import { mostParticipants, participantAt, type RingViews, SideWord } from './ring-layout.js'
import { CallWord, isAlive, isLineAlive, lineOf, threadOf, ticketMask } from './ring-participants.js'

// An owner's word: 0, or a ticket and what its thread does. Bits 21 to 27 are the line of a revoked owner.
const revokedShift = 21
const revokedMask = 127
/** The owner has a reservation. */
export const reservedBit = 1 << 28
/** The owner keeps the side between its calls. */
const keptBit = 1 << 29
/** The owner has taken the side from who kept it, and waits for that thread's call to end. */
const revokingBit = 1 << 30

/** Looks at the owner's word before a waiting thread sleeps. */
const spins = 200
/** Milliseconds of a waiting thread's sleeps: the first, and the longest. */
const shortestNap = 0.05
const longestNap = 1

// Atomics.wait does not work on a region's memory; on memory of this thread's own it is a sleep.
const nap = new Int32Array(new SharedArrayBuffer(4))

/** No owner's word. */
export const never = -1

export type SideName = 'producer' | 'consumer'

/**
 * How a thread comes to own a side of a ring.
 *
 * A side of one thread is kept by the first that uses it, until that one closes its ring or dies.
 *
 * A side of many is kept by the first too, and costs it nothing but plain stores: it says that it is within a call (in its
 * participant's line), and then looks whether it is still the owner. A compare-exchange takes 9 ns, since V8 calls a
 * function for it. Whoever comes second writes itself into the owner's word, asks the kernel for a barrier in every thread,
 * and waits for the first's call to end: after the barrier either the first sees that it is the owner no more, or its
 * being within a call is seen. (Biased locking; the order of store and load that the first does without is the barrier's.)
 * From then on, threads take turns, a compare-exchange each.
 *
 * In each of these states a dead owner's ticket is in the word, so that whoever finds it can go on in its place.
 */
export class SideOwnership {
  /** The owner's word while this thread keeps the side; `never` where it cannot. */
  readonly kept: number
  readonly #name: SideName
  readonly #isShared: boolean
  readonly #ticket: number
  readonly #patience: number

  constructor(name: SideName, isShared: boolean, ticket: number, patience: number) {
    this.#name = name
    this.#isShared = isShared
    this.#ticket = ticket
    this.#patience = patience
    if (!isShared) this.kept = ticket
    else this.kept = isPlain && reachableByBarriers() ? ticket | keptBit : never
  }

  /**
   * Makes this thread the owner: for this call, or (true) of a side that it keeps, of which it has to make sure again.
   *
   * @throws PinfoldError `ERR_RING_CLAIMED`, `ERR_RING_BUSY`, `ERR_RING_RESERVATION`
   */
  acquire(views: RingViews, line: Int32Array): boolean {
    const { words } = views
    const started = performance.now()
    let sleep = shortestNap
    for (let spin = 0; ; spin++) {
      const found = Atomics.load(line, SideWord.owner)
      const keeps = !this.#isShared || (this.kept !== never && Atomics.load(line, SideWord.turns) === 0)
      const wanted = keeps ? this.kept : this.#ticket
      const isOurs = (found & ticketMask) === this.#ticket
      if (isOurs) this.#refuseReserved(found)
      if (isOurs && (found & revokingBit) !== 0) {
        // Of a call of ours that ended while it waited for the one that had kept the side: wait again.
        if (this.#replace(views, line, found)) return false
        continue
      }
      if (found === 0 || found === this.#ticket || found === wanted) {
        // Our own ticket for a call that is over: it ended half-way, by a stack that was used up, and had done nothing.
        if (Atomics.compareExchange(line, SideWord.owner, found, wanted) === found) return keeps
        continue
      }
      const isKept = (found & keptBit) !== 0 && (found & reservedBit) === 0
      if (isKept || spin > spins) {
        if (!isAlive(words, found)) {
          if (this.#replace(views, line, found)) return false
          continue
        }
        if (!this.#isShared) throw this.#claimed(words, found)
        if (isKept) {
          if (this.#revoke(views, line, found)) return false
          continue
        }
        if (performance.now() - started > this.#patience) throw this.#busy(words, found)
        Atomics.wait(nap, 0, 0, sleep)
        sleep = Math.min(2 * sleep, longestNap)
      } else if (!this.#isShared) spin = spins
    }
  }

  /**
   * Gives up what this thread has of the side. Not when the one that had kept it may still be within its call: whoever
   * comes next finds that this thread is gone, and waits in its place. And not what another Ring of this thread has
   * reserved.
   *
   * @param hasReserved whether the Ring that leaves has a reservation
   */
  leave(line: Int32Array, hasReserved: boolean): void {
    const found = Atomics.load(line, SideWord.owner)
    if ((found & ticketMask) !== this.#ticket || (found & revokingBit) !== 0) return
    if ((found & reservedBit) !== 0 && !hasReserved) return
    Atomics.compareExchange(line, SideWord.owner, found, 0)
  }

  /** Takes the place of an owner who will not go on; true when this thread owns the side then, for this call. */
  #replace(views: RingViews, line: Int32Array, found: number): boolean {
    const revoked = (found >>> revokedShift) & revokedMask
    if ((found & revokingBit) === 0 || revoked >= mostParticipants) {
      Atomics.compareExchange(line, SideWord.owner, found, 0)
      return false
    }
    // It died while it waited for the one that had kept the side, which may still be within its call.
    const mine = this.#ticket | revokingBit | (revoked << revokedShift)
    if (Atomics.compareExchange(line, SideWord.owner, found, mine) !== found) return false
    this.#waitForRevoked(views, line, mine, revoked, mine)
    return true
  }

  /** Takes the side from the living thread that keeps it; true when this thread owns it then, for this call. */
  #revoke(views: RingViews, line: Int32Array, found: number): boolean {
    const revoked = lineOf(found)
    const mine = this.#ticket | revokingBit | (revoked << revokedShift)
    if (Atomics.compareExchange(line, SideWord.owner, found, mine) !== found) return false
    this.#waitForRevoked(views, line, mine, revoked, found)
    return true
  }

  /** @param before what the owner's word is to be when the wait ends in an error */
  #waitForRevoked({ words }: RingViews, line: Int32Array, mine: number, revoked: number, before: number): void {
    const busy = participantAt(revoked) + (this.#name === 'producer' ? CallWord.producers : CallWord.consumers)
    const started = performance.now()
    if (!barrierEverywhere()) {
      Atomics.store(line, SideWord.owner, before)
      throw new PinfoldError('ring: it cannot be taken from the thread that keeps it: membarrier(2) is refused here', {
        code: 'ERR_UNSUPPORTED',
        values: { side: this.#name },
      })
    }
    for (let spin = 0; Atomics.load(words, busy) !== 0; spin++) {
      if (spin < spins) continue
      if (!isLineAlive(words, revoked)) break
      if (performance.now() - started > this.#patience) {
        Atomics.store(line, SideWord.owner, before)
        throw this.#busy(words, before === mine ? mine : before)
      }
      Atomics.wait(nap, 0, 0, longestNap)
    }
    line[SideWord.turns] = 1
    Atomics.store(line, SideWord.owner, this.#ticket)
  }

  #refuseReserved(found: number): void {
    if ((found & reservedBit) === 0) return
    throw new PinfoldError(`ring: this thread has a reservation on the ${this.#name}s' side; commit it first`, {
      code: 'ERR_RING_RESERVATION',
      values: { side: this.#name },
    })
  }

  #claimed(words: Int32Array, found: number): PinfoldError {
    const thread = threadOf(words, found)
    return new PinfoldError(`ring: it has one ${this.#name}, thread ${thread}, which lives`, {
      code: 'ERR_RING_CLAIMED',
      values: { side: this.#name, thread },
    })
  }

  #busy(words: Int32Array, found: number): PinfoldError {
    const thread = threadOf(words, found)
    return new PinfoldError(`ring: thread ${thread} has had the ${this.#name}s' side for ${this.#patience} ms`, {
      code: 'ERR_RING_BUSY',
      values: { side: this.#name, thread, patience: this.#patience },
    })
  }
}
