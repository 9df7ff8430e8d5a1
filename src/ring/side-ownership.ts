import { atomicLoad, atomicStore, compareExchange, now } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { barrierEverywhere, reachableByBarriers } from '../threads/barrier.js'
import { longestNap, type OwnerRules, sleep, spins, takeOver } from '../threads/owner-word.js'
import {
  CallWord,
  doubtAbout,
  isLineAlive,
  lineOf,
  mostParticipants,
  participantAt,
  threadOf,
  ticketMask,
} from '../threads/participants.js'
import { isPlain } from '../threads/publication.js'
import { consumerWord, producerWord, SideWord } from './layout.js'

// An owner's word: 0, or a ticket and what its thread does. Bits 21 to 27 are the line of a revoked keeper.
export const revokedShift = 21
const revokedMask = 127
/** The owner has a reservation. */
export const reservedBit = 1 << 28
/** The owner keeps the side between its calls. */
const keptBit = 1 << 29
/** The owner has revoked the keeper's ownership, and waits for the end of the keeper's call. */
export const revokingBit = 1 << 30

/** A value that no owner's word has. */
export const never = -1

export type SideName = 'producer' | 'consumer'

/** The line of the keeper whose call the owner waits for; `never` if the owner's word is not that of a waiter. */
function revokedLine(found: number): number {
  const line = (found >>> revokedShift) & revokedMask
  return (found & revokingBit) !== 0 && line < mostParticipants ? line : never
}

/** The owner's word once no waiter waits any more for the keeper. */
function abandoned(found: number): number {
  return found & ~ticketMask
}

/**
 * How a thread acquires a side of a ring.
 *
 * A side of one thread is kept by the first thread that uses it, until that thread closes its ring or dies.
 *
 * A side of many threads is kept by the first thread too, which pays nothing but plain stores: it stores that it is
 * within a call (in its participant's line), and then loads the owner's word to see whether it is still the owner. A
 * compare-exchange would take 9 ns, since V8 calls a function for it. The second thread writes itself into the owner's
 * word, asks the kernel for a barrier in every thread, and waits for the end of the keeper's call. After the barrier,
 * either the keeper sees that it is not the owner any more, or the second thread sees that the keeper is within a call.
 * (This is biased locking. The barrier gives the order of store and load which the keeper's plain code lacks.) From
 * then on, threads take turns, by a compare-exchange for each call.
 *
 * Order of stores (`enter` of side.ts and the calls of ring.ts have the keeper's points):
 *
 *     K0   the keeper stores that it is within a call
 *     K1   then it loads the owner's word. If it is not the keeper's any more, it uses nothing of the side
 *     R2   at the end of the call, after R0, it stores that it is within none
 *     V0   the second thread replaces the keeper's word by its own, by compare-exchange
 *     V1   then it makes a barrier in every thread, between their K0 and K1 too
 *     V2   then it loads whether the keeper is within a call. V0 and V2 pair with K1 and K0: at least one of the two
 *          threads sees the store of the other
 *     A2   V2 once it sees the end of the call. It pairs with R2, so the second thread sees the keeper's last index
 *     V3   then it stores that threads take turns
 *     R1   then it becomes the owner for one call. V3 comes before it, so a thread that finds the side free (A1) sees
 *          it
 *
 * The owner's word is in one of these states. T is the ticket of the thread that is named, K the line of a keeper.
 *
 *     free         0             any thread may acquire it
 *     turn         T             T is within one call
 *     kept         T kept        T is the keeper: it may be within a call, which its line says
 *     reserved     T reserved    T has a reservation; with `kept`, it is the keeper too
 *     revoking     T revoking K  T waits for the end of K's call, and nobody is the owner until then
 *     abandoned    revoking K    as revoking, but no thread waits: a call of K may still go on
 *
 * One thread at a time may change the word: the one whose ticket it contains. Other threads may change it if it is
 * free, abandoned or kept, by a compare-exchange of the whole word, and if the thread that is named is dead.
 *
 *     free       -> turn        by a call (-> kept, while threads do not yet take turns)
 *     turn       -> free        the call ends. If T dies, the thread that finds out makes it free
 *     kept       -> revoking    by a second thread. If T dies: free
 *     reserved   -> free, kept  by the commit. If T dies: free, as nothing that it wrote is in the ring
 *     revoking   -> turn        K's call has ended, or K is dead; T goes on with its call, and nobody keeps the side
 *                               again
 *                -> kept        T's patience is over, or it may not ask for barriers, and T itself found K as the
 *                               keeper
 *                -> abandoned   the same, but T had replaced another waiter; or T closes its Ring
 *     T revoking -> U revoking  T died while it waited, and U waits in its place
 *     abandoned  -> U revoking  U comes. It waits for K, unless it is K itself
 *
 * So the word does not contain the ticket of a thread that was told that the side is busy: a waiter takes its own
 * ticket out again. If K's call ends while the word is abandoned, nothing happens until the next call, of K or of any
 * other thread, which then acquires the side at once. The death of a keeper matters in no state: its line tells of it,
 * in place of the end of its call.
 */
export class SideOwnership implements OwnerRules<boolean> {
  /** The owner's word while this thread keeps the side; `never` if it cannot keep it. */
  readonly kept: number
  readonly #name: SideName
  readonly #isShared: boolean
  readonly #ticket: number
  readonly #patience: number
  /** Where the words of the side start, and this side's word in the line of a participant. */
  readonly #side: number
  readonly #call: number

  constructor(name: SideName, isShared: boolean, ticket: number, patience: number) {
    this.#name = name
    this.#isShared = isShared
    this.#ticket = ticket
    this.#patience = patience
    this.#side = name === 'producer' ? producerWord : consumerWord
    this.#call = name === 'producer' ? CallWord.producers : CallWord.consumers
    if (!isShared) this.kept = ticket
    else this.kept = isPlain && reachableByBarriers() ? ticket | keptBit : never
  }

  /**
   * Makes this thread the owner.
   *
   * @returns false for this call; true if this thread keeps the side, and has to look again (K0, K1) whether it still
   *   does
   * @throws PinfoldError `ERR_RING_CLAIMED`, `ERR_RING_BUSY`, `ERR_RING_RESERVATION`
   */
  acquire(words: Int32Array): boolean {
    return takeOver(this, words, this.#side + SideWord.owner, this.#ticket, this.#patience)
  }

  /**
   * Gives up this thread's ownership. If this thread waited for a keeper, which may still be within its call, the next
   * thread waits for that. The reservation of another Ring of this thread stays.
   *
   * @param hasReserved whether the Ring that leaves has a reservation
   */
  leave(words: Int32Array, hasReserved: boolean): void {
    const at = this.#side + SideWord.owner
    const found = atomicLoad(words, at)
    if ((found & ticketMask) !== this.#ticket) return
    if ((found & reservedBit) !== 0 && !hasReserved) return
    compareExchange(words, at, found, revokedLine(found) === never ? 0 : abandoned(found)) // R1
  }

  isFree(found: number, ticket: number): boolean {
    return found === 0 || (found & ticketMask) === ticket
  }

  take(words: Int32Array, at: number, found: number): boolean | undefined {
    this.#refuseReserved(found)
    // Our own ticket is that of a call that used up the stack. If it waited for a keeper, we wait again; else it had
    // done nothing.
    const revoked = revokedLine(found)
    if (revoked !== never) return this.#revoke(words, found, revoked, abandoned(found))
    const keeps = !this.#isShared || (this.kept !== never && atomicLoad(words, this.#side + SideWord.turns) === 0)
    return compareExchange(words, at, found, keeps ? this.kept : this.#ticket) === found ? keeps : undefined // A1
  }

  takeFromDead(words: Int32Array, at: number, found: number): boolean | undefined {
    const revoked = revokedLine(found)
    if (revoked !== never) return this.#revoke(words, found, revoked, abandoned(found))
    compareExchange(words, at, found, 0) // A1, R1: the owner's stores are passed on to the next one
    return undefined
  }

  isKept(found: number): boolean {
    return !this.#isShared || ((found & keptBit) !== 0 && (found & reservedBit) === 0)
  }

  takeFromKeeper(words: Int32Array, _at: number, found: number): boolean | undefined {
    if (!this.#isShared) throw this.#claimed(words, found)
    return this.#revoke(words, found, lineOf(found), found)
  }

  /**
   * Revokes the keeper's ownership, and waits until no call of the keeper goes on. False if this thread owns the side
   * then, for this call; undefined if another thread changed the word first.
   *
   * @param found the owner's word, which becomes this thread's
   * @param revoked the line of the keeper
   * @param before what the owner's word becomes if the wait ends in an error
   */
  #revoke(words: Int32Array, found: number, revoked: number, before: number): false | undefined {
    const at = this.#side + SideWord.owner
    const mine = this.#ticket | revokingBit | (revoked << revokedShift)
    if (compareExchange(words, at, found, mine) !== found) return undefined // V0
    let isOver = false
    try {
      // If the keeper is this thread, it is within no other call.
      if (revoked !== lineOf(this.#ticket)) this.#waitForKeeper(words, mine, revoked)
      isOver = true
    } finally {
      if (!isOver) atomicStore(words, at, before)
    }
    words[this.#side + SideWord.turns] = 1 // V3
    atomicStore(words, at, this.#ticket) // R1
    return false
  }

  #waitForKeeper(words: Int32Array, mine: number, revoked: number): void {
    const call = participantAt(revoked) + this.#call
    const started = now()
    // V1
    if (!barrierEverywhere()) {
      throw new PinfoldError(
        `ring: the ${this.#name}s' side cannot be taken from its keeper: the kernel refused membarrier(2)`,
        { code: 'ERR_UNSUPPORTED', values: { side: this.#name } },
      )
    }
    // V2, A2
    for (let looks = 0; atomicLoad(words, call) !== 0; looks++) {
      if (looks < spins) continue
      if (!isLineAlive(words, revoked)) return
      if (now() - started > this.#patience) throw this.busy(words, mine)
      sleep(longestNap)
    }
  }

  #refuseReserved(found: number): void {
    if ((found & reservedBit) === 0) return
    throw new PinfoldError(`ring: this thread has a reservation on the ${this.#name}s' side: commit it first`, {
      code: 'ERR_RING_RESERVATION',
      values: { side: this.#name },
    })
  }

  #claimed(words: Int32Array, found: number): PinfoldError {
    const thread = threadOf(words, found)
    const doubt = doubtAbout(words, found)
    const message = `ring: its one ${this.#name} is thread ${thread}${doubt?.text ?? ', which lives'}`
    return new PinfoldError(message, {
      code: 'ERR_RING_CLAIMED',
      values: { side: this.#name, thread, ...doubt?.values },
    })
  }

  busy(words: Int32Array, found: number): PinfoldError {
    // Everybody waits for the keeper, also the waiter whose ticket the word contains.
    const revoked = revokedLine(found)
    const ticket = revoked === never ? found : revoked + 1
    const thread = threadOf(words, ticket)
    const doubt = doubtAbout(words, ticket)
    const owned = `thread ${thread} has owned the ${this.#name}s' side for more than ${this.#patience} ms`
    return new PinfoldError(`ring: ${owned}${doubt?.text ?? ''}`, {
      code: 'ERR_RING_BUSY',
      values: { side: this.#name, thread, patience: this.#patience, ...doubt?.values },
    })
  }
}
