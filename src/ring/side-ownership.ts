import { atomicLoad, atomicStore, atomicWait, compareExchange, now } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { barrierEverywhere, reachableByBarriers } from '../threads/barrier.js'
import {
  CallWord,
  doubtAbout,
  isAlive,
  isLineAlive,
  lineOf,
  mostParticipants,
  participantAt,
  threadOf,
  ticketMask,
} from '../threads/participants.js'
import { isPlain } from '../threads/publication.js'
import { type RingViews, SideWord } from './layout.js'

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

/** The line of the thread whose call is waited for; `never` when the owner's word is none of such a wait. */
function revokedLine(found: number): number {
  const line = (found >>> revokedShift) & revokedMask
  return (found & revokingBit) !== 0 && line < mostParticipants ? line : never
}

/** The owner's word when nobody waits any more for the thread that had kept the side. */
function abandoned(found: number): number {
  return found & ~ticketMask
}

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
 * The owner's word is in one of these states. T is the ticket of the thread that is named, K the line of a keeper.
 *
 *     free         0             any thread may take it
 *     turn         T             T is within one call
 *     kept         T kept        T is the keeper: it may be within a call, which its line says
 *     reserved     T reserved    T has a reservation; with `kept`, it is the keeper too
 *     revoking     T revoking K  T waits for a call of K to end, and nobody is the owner until then
 *     abandoned    revoking K    as revoking, but no thread waits: a call of K may still go on
 *
 * One thread at a time may change the word, the one whose ticket is in it. Others may when it is free, abandoned or kept, by
 * a compare-exchange of the whole word, and when the thread that is named is dead.
 *
 *     free       -> turn        (kept, while threads do not yet take turns) by a call
 *     turn       -> free        the call ends. T dies: whoever finds that makes it free
 *     kept       -> revoking    by a second thread. T dies: free
 *     reserved   -> free, kept  by the commit. T dies: free, as nothing that it has written is in the ring
 *     revoking   -> turn        K's call has ended, or K is dead; T goes on with its call, and nobody keeps the side again
 *                -> kept        T's patience is over, or it may not ask for barriers, and it was T who found K as the keeper
 *                -> abandoned   the same, and T had come in the place of another waiter; or T closes its Ring
 *     T revoking -> U revoking  T died while it waited, and U waits in its place
 *     abandoned  -> U revoking  U comes. It waits for K, unless it is K itself
 *
 * So a thread that was told that the side is busy has no ticket in it: whoever waited takes its own out again. When K's call
 * ends while the word is abandoned, nothing happens until the next call, of K or of any other thread, which then takes the
 * side at once. A keeper dies in no state that matters: its line tells that, in place of the end of its call.
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
    const started = now()
    let sleep = shortestNap
    for (let spin = 0; ; spin++) {
      const found = atomicLoad(line, SideWord.owner)
      const keeps = !this.#isShared || (this.kept !== never && atomicLoad(line, SideWord.turns) === 0)
      const wanted = keeps ? this.kept : this.#ticket
      const isOurs = (found & ticketMask) === this.#ticket
      if (isOurs) this.#refuseReserved(found)
      if (isOurs && revokedLine(found) !== never) {
        // Of a call of ours that ended while it waited, by a stack that was used up: wait again.
        if (this.#succeed(views, line, found)) return false
        continue
      }
      if (found === 0 || found === this.#ticket || found === wanted) {
        // Our own ticket for a call that is over: it ended half-way, by a stack that was used up, and had done nothing.
        if (compareExchange(line, SideWord.owner, found, wanted) === found) return keeps
        continue
      }
      const isKept = (found & keptBit) !== 0 && (found & reservedBit) === 0
      if (isKept || spin > spins) {
        if (!isAlive(words, found)) {
          if (this.#succeed(views, line, found)) return false
          continue
        }
        if (!this.#isShared) throw this.#claimed(words, found)
        if (isKept) {
          if (this.#revoke(views, line, found, lineOf(found), found)) return false
          continue
        }
        if (now() - started > this.#patience) throw this.#busy(words, found)
        atomicWait(nap, 0, 0, sleep)
        sleep = Math.min(2 * sleep, longestNap)
      } else if (!this.#isShared) spin = spins
    }
  }

  /**
   * Gives up what this thread has of the side. When a thread that had kept it may still be within its call, whoever comes
   * next waits for that; and what another Ring of this thread has reserved stays.
   *
   * @param hasReserved whether the Ring that leaves has a reservation
   */
  leave(line: Int32Array, hasReserved: boolean): void {
    const found = atomicLoad(line, SideWord.owner)
    if ((found & ticketMask) !== this.#ticket) return
    if ((found & reservedBit) !== 0 && !hasReserved) return
    compareExchange(line, SideWord.owner, found, revokedLine(found) === never ? 0 : abandoned(found))
  }

  /** Takes the place of an owner that is dead, or of none; true when this thread owns the side then, for this call. */
  #succeed(views: RingViews, line: Int32Array, found: number): boolean {
    const revoked = revokedLine(found)
    if (revoked !== never) return this.#revoke(views, line, found, revoked, abandoned(found))
    compareExchange(line, SideWord.owner, found, 0)
    return false
  }

  /**
   * Waits until no call of the thread goes on that has kept the side, or keeps it; true when this thread owns the side then,
   * for this call.
   *
   * @param found the owner's word, which becomes this thread's
   * @param revoked the line of the thread that has kept the side
   * @param before what the owner's word is to be when the wait ends in an error
   */
  #revoke(views: RingViews, line: Int32Array, found: number, revoked: number, before: number): boolean {
    const mine = this.#ticket | revokingBit | (revoked << revokedShift)
    if (compareExchange(line, SideWord.owner, found, mine) !== found) return false
    let isOver = false
    try {
      // This thread is within no other call.
      if (revoked !== lineOf(this.#ticket)) this.#waitForRevoked(views, mine, revoked)
      isOver = true
    } finally {
      if (!isOver) atomicStore(line, SideWord.owner, before)
    }
    line[SideWord.turns] = 1
    atomicStore(line, SideWord.owner, this.#ticket)
    return true
  }

  #waitForRevoked({ words }: RingViews, mine: number, revoked: number): void {
    const busy = participantAt(revoked) + (this.#name === 'producer' ? CallWord.producers : CallWord.consumers)
    const started = now()
    if (!barrierEverywhere()) {
      throw new PinfoldError('ring: it cannot be taken from the thread that keeps it: membarrier(2) is refused here', {
        code: 'ERR_UNSUPPORTED',
        values: { side: this.#name },
      })
    }
    for (let spin = 0; atomicLoad(words, busy) !== 0; spin++) {
      if (spin < spins) continue
      if (!isLineAlive(words, revoked)) return
      if (now() - started > this.#patience) throw this.#busy(words, mine)
      atomicWait(nap, 0, 0, longestNap)
    }
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
    const doubt = doubtAbout(words, found)
    return new PinfoldError(`ring: it has one ${this.#name}, thread ${thread}${doubt?.text ?? ', which lives'}`, {
      code: 'ERR_RING_CLAIMED',
      values: { side: this.#name, thread, ...doubt?.values },
    })
  }

  #busy(words: Int32Array, found: number): PinfoldError {
    // A thread that waits for the keeper itself is not what everybody waits for.
    const revoked = revokedLine(found)
    const ticket = revoked === never ? found : revoked + 1
    const thread = threadOf(words, ticket)
    const doubt = doubtAbout(words, ticket)
    const message = `ring: thread ${thread} has had the ${this.#name}s' side for ${this.#patience} ms${doubt?.text ?? ''}`
    return new PinfoldError(message, {
      code: 'ERR_RING_BUSY',
      values: { side: this.#name, thread, patience: this.#patience, ...doubt?.values },
    })
  }
}
