import type { BroadcastChannel } from 'node:worker_threads'
import * as z from 'zod/mini'
import { abortReason, onAbort, throwIfAborted } from '../abort.js'
import { atomicAdd, atomicLoad, atomicStore } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsObject, signalOption } from '../options.js'
import { isAlive, mostParticipants } from '../threads/participants.js'
import { published } from '../threads/publication.js'
import { threadsWord, threadWord, threadWords, waitWord } from './layout.js'

/** Milliseconds between two looks of a thread with waiters for elements that other processes have freed. */
const lookEvery = 5

const waitOptions = later(() => optionsObject({ signal: z.optional(signalOption) }))

/** Ends a wait early. */
export interface PoolWaitOptions {
  readonly signal?: AbortSignal | undefined
}

/** What the queue asks of its pool. */
export interface PoolOfQueue {
  /** @throws when the pool is closed */
  wordsNow(): Int32Array
  /** Takes an element; -1 when there is none. The queue has checked that no older waiter comes first. */
  get(): number
  /** Gives the depot this thread's cache, if other threads have asked for it; returns true if they had. */
  flushIfAsked(): boolean
}

interface Waiter {
  /** Drawn from one counter of all threads: the lower, the older is the waiter. */
  readonly number: number
  readonly resolve: (index: number) => void
  readonly reject: (reason: unknown) => void
}

/**
 * The waiters of one thread for an element, in the order in which they came.
 *
 * Four mechanisms make the waiting fair and let it end. Each of them does one thing:
 *
 * 1. Numbers decide who is next. A waiter draws a number from a counter in the pool's memory, and each thread writes
 *    there the number of its oldest waiter. Only the thread with the lowest number takes elements from the depot. A
 *    caller of `get` counts as newest. A dead thread's number is passed over.
 * 2. The flag `isSomebody` saves time. While it is 0 there are no waiters, and nobody reads the 64 numbers.
 * 3. The word `isAsked` of each thread collects elements. Waiters set it in all threads. A thread that finds it set
 *    when it puts an element back gives its whole cache to the depot, and clears it.
 * 4. A channel and a timer wake event loops, which memory cannot wake. The threads of a process tell each other on the
 *    channel that there is a waiter, or that there are elements. Other processes do not hear it, so a thread that has
 *    waiters also looks every 5 ms.
 *
 * The timer alone makes every wait end, so a signal of 2, 3 or 4 may get lost; it costs some milliseconds. Each look
 * sets the flag and asks all threads again.
 *
 * The order of stores: each label names a store or load, and the one that it pairs with.
 *
 *     W1  announce     writes the oldest waiter's number    pairs with W4
 *     W2  announce     isSomebody = 1, after W1             pairs with W3: who sees the flag sees the number
 *     W3  isOurTurn    reads isSomebody
 *     W4  isOurTurn    reads all numbers
 *     W5  isOurTurn    isSomebody = 0, after W4 found none. A W2 in between is lost until that thread's next look.
 *     A1  ask          isAsked = -1                         pairs with the looks in BufferPool and PoolCache
 *     A2  flushIfAsked isAsked = 0, after the flush. An A1 in between is lost until that thread's next look.
 */
export class PoolQueue {
  readonly #pool: PoolOfQueue
  readonly #thread: number
  readonly #waiters: Waiter[] = []
  readonly #channel: BroadcastChannel
  #timer: NodeJS.Timeout | undefined
  #isServing = false

  constructor(line: number, name: string, pool: PoolOfQueue) {
    this.#pool = pool
    this.#thread = threadsWord + line * threadWords
    const { BroadcastChannel } = process.getBuiltinModule('node:worker_threads')
    this.#channel = new BroadcastChannel(name)
    this.#channel.unref()
    this.#channel.onmessage = () => this.#hear()
  }

  async wait(options: PoolWaitOptions): Promise<number> {
    const { signal } = checked('wait', waitOptions, options)
    throwIfAborted(signal)
    const words = this.#pool.wordsNow()
    if (this.#waiters.length === 0 && this.isOurTurn(words)) {
      const index = this.#pool.get()
      if (index >= 0) return index
    }
    return new Promise((resolve, reject) => {
      const number = atomicAdd(words, waitWord.next, 1)
      const waiter: Waiter = {
        number,
        resolve: (index) => {
          deafen()
          resolve(index)
        },
        reject: (reason) => {
          deafen()
          reject(reason)
        },
      }
      const deafen = onAbort(signal, () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        this.#announce()
        reject(abortReason(signal))
      })
      this.#waiters.push(waiter)
      this.#announce()
      this.serve()
      if (this.#waiters.length > 0) this.tell()
    })
  }

  /** True if no other thread's oldest waiter is older than ours. A caller that is not waiting counts as newest. */
  isOurTurn(words: Int32Array): boolean {
    if (published(words, waitWord.isSomebody) === 0) return true // W3: acquire, pairs with W2
    const own = this.#waiters[0]?.number
    let isAnybody = own !== undefined
    for (let line = 0; line < mostParticipants; line++) {
      const at = threadsWord + line * threadWords
      const waiting = atomicLoad(words, at + threadWord.waiting) // W4: pairs with W1
      if (waiting === 0 || at === this.#thread || !isAlive(words, words[at + threadWord.ticket])) continue
      isAnybody = true
      if (own === undefined || ((waiting - 1 - own) | 0) < 0) return false
    }
    if (!isAnybody) atomicStore(words, waitWord.isSomebody, 0) // W5
    return true
  }

  /** Gives the waiters of this thread the elements that there are. */
  serve(): void {
    if (this.#isServing || this.#waiters.length === 0) return
    this.#isServing = true
    try {
      const words = this.#pool.wordsNow()
      while (this.#waiters.length > 0 && this.isOurTurn(words)) {
        const index = this.#pool.get()
        if (index < 0) break
        this.#waiters.shift()?.resolve(index)
        this.#announce()
      }
      if (this.#waiters.length > 0) {
        // An older waiter of another thread may need the elements of this thread's cache.
        if (this.#pool.flushIfAsked()) this.tell()
        this.#ask(words)
      }
    } catch (error) {
      for (const { reject } of this.#waiters.splice(0)) reject(error)
      this.#announce()
    } finally {
      this.#isServing = false
    }
  }

  /** Tells the other threads of this process that there is a waiter, or that there are elements in the depot. */
  tell(): void {
    this.#channel.postMessage(0)
  }

  #hear(): void {
    try {
      if (this.#pool.flushIfAsked()) this.tell()
    } catch {
      return // the region is closed: the timer tells the waiters
    }
    this.serve()
  }

  close(): void {
    this.#channel.close()
    const closed = new PinfoldError('this BufferPool was closed', { code: 'ERR_POOL_CLOSED' })
    for (const { reject } of this.#waiters.splice(0)) reject(closed)
    clearInterval(this.#timer)
  }

  /** Writes the number of the oldest waiter here, and starts or stops the timer. */
  #announce(): void {
    const [first] = this.#waiters
    const words = this.#wordsIfOpen()
    if (words !== undefined) {
      // W1: pairs with W4. The number plus 1, and 1 in place of 0, which means that there is no waiter.
      atomicStore(words, this.#thread + threadWord.waiting, first === undefined ? 0 : (first.number + 1) | 0 || 1)
      if (first !== undefined) atomicStore(words, waitWord.isSomebody, 1) // W2: after W1, pairs with W3
    }
    if (first === undefined) {
      clearInterval(this.#timer)
      this.#timer = undefined
    } else {
      this.#timer ??= setInterval(() => this.serve(), lookEvery)
    }
  }

  #wordsIfOpen(): Int32Array | undefined {
    try {
      return this.#pool.wordsNow()
    } catch {
      return undefined // the pool is closed: no other thread reads its words any more
    }
  }

  /** Asks all threads for the elements of their caches, and sets the flag again. */
  #ask(words: Int32Array): void {
    atomicStore(words, waitWord.isSomebody, 1) // W2 again: after W1, pairs with W3
    for (let line = 0; line < mostParticipants; line++) {
      words[threadsWord + line * threadWords + threadWord.isAsked] = -1 // A1
    }
  }
}
