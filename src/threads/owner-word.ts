import { atomicLoad, atomicWait, compareExchange, now } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { doubtAbout, isAlive, threadOf } from './participants.js'

/** Looks at the owner's word before a waiting thread sleeps. */
const spins = 200
/** Milliseconds of a waiting thread's sleeps: the first, and the longest. */
const shortestNap = 0.05
const longestNap = 1

// Atomics.wait does not work on a region's memory; on memory of this thread's own it is a sleep.
const nap = new Int32Array(new SharedArrayBuffer(4))

/** How we acquired it: it was free, or its last owner had died, or was cut off by an exception, before it gave it up. */
export type Taken = 'free' | 'left behind'

/** The word of an owner that was cut off, and has said so. It is the ticket of no thread, so none counts as alive. */
export const leftBehind = 1 << 30

/**
 * Takes what one thread at a time may have. The word at `at` is in one of these states:
 *
 *     0            free: any thread may take it
 *     ticket       had by that thread, which alone may change it while it lives; when it is dead, any thread may take it
 *     leftBehind   had by a thread that was cut off by an exception: any thread may take it
 *
 * It is taken by a compare-exchange from what was found. So a thread that waits has written nothing, and when its patience
 * is over there is nothing of it in the word.
 *
 * @param patience milliseconds that an owner who lives is waited for
 * @throws PinfoldError `ERR_POOL_BUSY` after that
 */
export function takeOwnership(words: Int32Array, at: number, ticket: number, patience: number): Taken {
  return compareExchange(words, at, 0, ticket) === 0 ? 'free' : waited(words, at, ticket, patience)
}

function waited(words: Int32Array, at: number, ticket: number, patience: number): Taken {
  for (let spin = 0; spin < spins; spin++) {
    if (compareExchange(words, at, 0, ticket) === 0) return 'free'
  }
  const start = now()
  for (let sleep = shortestNap; ; sleep = Math.min(2 * sleep, longestNap)) {
    const found = atomicLoad(words, at)
    // Our own: a call that ended half-way, by a stack that was used up so far that it could not even say so.
    if (found === 0 || found === ticket || !isAlive(words, found)) {
      if (compareExchange(words, at, found, ticket) === found) return found === 0 ? 'free' : 'left behind'
      continue
    }
    if (now() - start > patience) {
      const thread = threadOf(words, found)
      const doubt = doubtAbout(words, found)
      throw new PinfoldError(`pool: thread ${thread} has had the depot for ${patience} ms${doubt?.text ?? ''}`, {
        code: 'ERR_POOL_BUSY',
        values: { thread, patience, ...doubt?.values },
      })
    }
    atomicWait(nap, 0, 0, sleep)
  }
}
