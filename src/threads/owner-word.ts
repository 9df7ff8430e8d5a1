import { atomicLoad, atomicWait, compareExchange, min, now, random } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { doubtAbout, isAlive, threadOf } from './participants.js'

// An owner's word is a lock that survives the death of its owner: it contains the owner's ticket, so a waiter can look
// up whether the owner still lives. It is acquired by one compare-exchange from the word that was found. Therefore a
// waiter has written nothing, and leaves nothing behind if it gives up.
//
// Order of stores:
//
//     A1  the compare-exchange that acquires the word. It pairs with R1, so the new owner sees all that the last one
//         wrote.
//     R1  the store that frees the word, after all other stores of its owner (`Depot.close`; the sides of a ring).
//
// An owner that died has no R1. Its stores were made in the order of the program, and the kernel reports a thread as
// dead only after its last store, so a thread that reads of the death in /proc sees them.

/** How often a waiting thread looks at a word before it sleeps. */
const spins = 100
/** Milliseconds of a waiting thread's first and longest sleep. */
const shortestNap = 0.05
const longestNap = 32
/** Milliseconds between two questions whether the owner lives. Each one reads files of /proc. */
const askEvery = 10

// Atomics.wait does not work on a region's memory. On memory of this thread's own it is a sleep.
const napWord = new Int32Array(new SharedArrayBuffer(4))

/** Blocks this thread for so many milliseconds. */
function sleep(milliseconds: number): void {
  atomicWait(napWord, 0, 0, milliseconds)
}

/**
 * The rules of one kind of owner's word. `at` is its place in the words of the thing that threads share, `found` is
 * what it contained, `ticket` is this thread's.
 */
export interface OwnerRules<Owned> {
  /** True if this thread may acquire the word at once: it is free, or an earlier call of this thread left it behind. */
  isFree(found: number, ticket: number): boolean
  /** Acquires such a word; undefined if another thread changed it first. */
  take(words: Int32Array, at: number, found: number, ticket: number): Owned | undefined
  /** Acquires the word of a dead owner, or frees it; undefined if it has to be looked at again. */
  takeFromDead(words: Int32Array, at: number, found: number, ticket: number): Owned | undefined
  /** True if a living owner does not free the word by itself, so that it is useless to wait. */
  isKept(found: number): boolean
  /** Acquires the word of such an owner, or throws; undefined if it has to be looked at again. */
  takeFromKeeper(words: Int32Array, at: number, found: number, ticket: number): Owned | undefined
  /** The error for a caller whose patience is over. */
  busy(words: Int32Array, found: number, patience: number): PinfoldError
}

/**
 * Acquires an owner's word: from nobody, from a dead owner, or from one that keeps it. Waits while a living owner uses
 * it.
 *
 * @param patience milliseconds that the call waits for a living owner
 * @throws PinfoldError `rules.busy` after that; what `rules.takeFromKeeper` throws
 */
export function takeOver<Owned>(
  rules: OwnerRules<Owned>,
  words: Int32Array,
  at: number,
  ticket: number,
  patience: number,
): Owned {
  const started = now()
  let asked = started
  let nap = shortestNap
  for (let looks = 0; ; looks++) {
    const found = atomicLoad(words, at)
    if (rules.isFree(found, ticket)) {
      const owned = rules.take(words, at, found, ticket)
      if (owned !== undefined) return owned
      continue
    }
    const isKept = rules.isKept(found)
    if (looks < spins && !isKept) continue
    const time = now()
    const isOver = time - started > patience
    if (isKept || isOver || time - asked > askEvery) {
      asked = time
      const isDead = !isAlive(words, found)
      if (isDead || isKept) {
        const owned = isDead
          ? rules.takeFromDead(words, at, found, ticket)
          : rules.takeFromKeeper(words, at, found, ticket)
        if (owned !== undefined) return owned
        continue
      }
      if (isOver) throw rules.busy(words, found, patience)
    }
    // At random, so that the waiters do not all come back at once.
    sleep(nap * random())
    nap = min(2 * nap, longestNap)
  }
}

/**
 * How this thread acquired the word: it was free, or its last owner died, or an exception cut the owner's call short.
 */
export type Taken = 'free' | 'left behind'

/** The word of an owner whose call an exception cut short. It is no thread's ticket, so no owner counts as alive. */
export const leftBehind = 1 << 30

function exchange(words: Int32Array, at: number, found: number, ticket: number): Taken | undefined {
  if (compareExchange(words, at, found, ticket) !== found) return undefined // A1
  return found === 0 ? 'free' : 'left behind'
}

const depotRules: OwnerRules<Taken> = {
  // A call of this thread that used up the stack may leave the thread's own ticket in the word, without having stored
  // `leftBehind`.
  isFree: (found, ticket) => found === 0 || found === ticket,
  take: exchange,
  takeFromDead: exchange,
  isKept: () => false,
  takeFromKeeper: () => undefined,
  busy(words, found, patience) {
    const thread = threadOf(words, found)
    const doubt = doubtAbout(words, found)
    const message = `buffer pool: thread ${thread} has owned the depot for more than ${patience} ms${doubt?.text ?? ''}`
    return new PinfoldError(message, { code: 'ERR_POOL_BUSY', values: { thread, patience, ...doubt?.values } })
  },
}

/**
 * Acquires the depot of a pool. Its owner's word is in one of these states:
 *
 *     0            free: any thread may acquire it
 *     ticket       owned by that thread, which alone may change it while it lives; any thread may when it is dead
 *     leftBehind   an exception cut the owner's call short: any thread may acquire it
 *
 * @param patience milliseconds that the call waits for a living owner
 * @throws PinfoldError `ERR_POOL_BUSY` after that
 */
export function takeOwnership(words: Int32Array, at: number, ticket: number, patience: number): Taken {
  return compareExchange(words, at, 0, ticket) === 0 ? 'free' : waited(words, at, ticket, patience) // A1
}

// A function of its own, so that `takeOwnership` needs little stack: test/pool/stack.test.ts lets the stack end in
// the calls that follow it.
function waited(words: Int32Array, at: number, ticket: number, patience: number): Taken {
  return takeOver(depotRules, words, at, ticket, patience)
}
