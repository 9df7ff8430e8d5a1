import { BroadcastChannel } from 'node:worker_threads'
import { abortReason, onAbort, throwIfAborted } from '../abort.js'
import { atomicAdd, atomicLoad, atomicStore } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { checked, optionsObject, signalOption } from '../options.js'
import { isAlive, mostParticipants } from '../threads/participants.js'
import { published } from '../threads/publication.js'
import { threadsWord, threadWord, threadWords, waitWord } from './layout.js'

/** How long a thread waits for what other processes free before it looks again, in milliseconds. */
const lookEvery = 5

const waitOptions = optionsObject({ signal: signalOption.optional() })

/** Ends a wait early. */
export interface PoolWaitOptions {
  readonly signal?: AbortSignal | undefined
}

/** What the queue asks of its pool. */
export interface PoolOfQueue {
  /** @throws when it is closed */
  wordsNow(): Int32Array
  /** An element, or -1; whoever waits before us has been looked at. */
  get(): number
  /** Gives the depot what this thread has, when others have asked for it; returns whether they had. */
  flushIfAsked(): boolean
}

interface Waiter {
  /** Drawn when it came, by all threads from one counter. */
  readonly number: number
  readonly resolve: (index: number) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Those of this thread that wait for an element, in the order in which they came. Its first one's number stands in the
 * pool's memory, and the lowest number of all threads that live comes first.
 *
 * Whoever waits asks all threads for what they have in their caches, and for what they free. An event loop cannot be woken
 * through memory, so the threads of a process tell each other on a channel; of other processes a thread has to look.
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

  /** Whether nobody of another thread has waited longer than the first here; who does not wait has not waited at all. */
  isOurTurn(words: Int32Array): boolean {
    if (published(words, waitWord.isSomebody) === 0) return true
    const own = this.#waiters[0]?.number
    let isAnybody = own !== undefined
    for (let line = 0; line < mostParticipants; line++) {
      const at = threadsWord + line * threadWords
      const waiting = atomicLoad(words, at + threadWord.waiting)
      if (waiting === 0 || at === this.#thread || !isAlive(words, words[at + threadWord.ticket])) continue
      isAnybody = true
      if (own === undefined || ((waiting - 1 - own) | 0) < 0) return false
    }
    if (!isAnybody) atomicStore(words, waitWord.isSomebody, 0)
    return true
  }

  /** Gives those that wait what there is. */
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
        // What this thread has may be another's, who has waited longer.
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

  /** There is something new for the other threads: somebody waits, or there are elements in the depot. */
  tell(): void {
    this.#channel.postMessage(0)
  }

  #hear(): void {
    try {
      if (this.#pool.flushIfAsked()) this.tell()
    } catch {
      return // the region is closed; who waits here finds out by itself
    }
    this.serve()
  }

  close(): void {
    this.#channel.close()
    const closed = new PinfoldError('this BufferPool was closed', { code: 'ERR_POOL_CLOSED' })
    for (const { reject } of this.#waiters.splice(0)) reject(closed)
    clearInterval(this.#timer)
  }

  /** Writes down who is first here, and looks from time to time as long as anybody is. */
  #announce(): void {
    const [first] = this.#waiters
    const words = this.#wordsIfAny()
    if (words !== undefined) {
      atomicStore(words, this.#thread + threadWord.waiting, first === undefined ? 0 : (first.number + 1) | 0 || 1)
      if (first !== undefined) atomicStore(words, waitWord.isSomebody, 1)
    }
    if (first === undefined) {
      clearInterval(this.#timer)
      this.#timer = undefined
    } else {
      this.#timer ??= setInterval(() => this.serve(), lookEvery)
    }
  }

  #wordsIfAny(): Int32Array | undefined {
    try {
      return this.#pool.wordsNow()
    } catch {
      return undefined // closed: nothing is left to be written to
    }
  }

  #ask(words: Int32Array): void {
    for (let line = 0; line < mostParticipants; line++) {
      words[threadsWord + line * threadWords + threadWord.isAsked] = -1
    }
  }
}
