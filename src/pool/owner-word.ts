import { PinfoldError } from '../errors.js'
import { isAlive, threadOf } from './ring-participants.js'

/** Looks at the owner's word before a waiting thread sleeps. */
const spins = 200
/** Milliseconds of a waiting thread's sleeps: the first, and the longest. */
const shortestNap = 0.05
const longestNap = 1

// Atomics.wait does not work on a region's memory; on memory of this thread's own it is a sleep.
const nap = new Int32Array(new SharedArrayBuffer(4))

/** How what has one owner at a time came to be ours: given up by the last owner, or found with one who will not return. */
export type Taken = 'free' | 'left behind'

/**
 * Writes `ticket` into the word at `at` when nobody has it, or when whoever has it is dead; else waits.
 *
 * @param patience milliseconds that an owner who lives is waited for
 * @throws PinfoldError `ERR_POOL_BUSY` after that
 */
export function takeOwnership(words: Int32Array, at: number, ticket: number, patience: number): Taken {
  return Atomics.compareExchange(words, at, 0, ticket) === 0 ? 'free' : waited(words, at, ticket, patience)
}

function waited(words: Int32Array, at: number, ticket: number, patience: number): Taken {
  for (let spin = 0; spin < spins; spin++) {
    if (Atomics.compareExchange(words, at, 0, ticket) === 0) return 'free'
  }
  const start = performance.now()
  for (let sleep = shortestNap; ; sleep = Math.min(2 * sleep, longestNap)) {
    const found = Atomics.load(words, at)
    // Our own: a call that ended half-way, by a stack that was used up.
    if (found === 0 || found === ticket || !isAlive(words, found)) {
      if (Atomics.compareExchange(words, at, found, ticket) === found) return found === 0 ? 'free' : 'left behind'
      continue
    }
    if (performance.now() - start > patience) {
      const thread = threadOf(words, found)
      throw new PinfoldError(`pool: thread ${thread} has had the depot for ${patience} ms`, {
        code: 'ERR_POOL_BUSY',
        values: { thread, patience },
      })
    }
    Atomics.wait(nap, 0, 0, sleep)
  }
}
