import { now } from '../builtins.js'
import { Completions } from './completion.js'
import { completionWords } from './contract/work-layout.js'
import type { QueuePair } from './queue-pair.js'
import { TrackedRequests, type Tracker } from './tracked-requests.js'
import type { Alive, Waiters } from './waiters.js'

/** Completions of one poll by the watch. */
const piece = 64
/** More polls than empty any completion queue: a program that replaces builtin functions must not keep us in a loop. */
const mostPolls = 2 ** 17

/** The completion queue of a watch. */
export interface WatchedQueue {
  readonly device: Alive
  readonly waiters: Waiters
  /** Completions that it has room for. */
  room(): number
  /** Polls the device into an array, at most as many as it has room for. */
  fill(completions: Completions, most: number): number
  requestNotification(): void
}

/**
 * Takes the completions of tracked requests from a completion queue, for as long as there are any. Completions of other
 * requests that it meets are kept for the program, which takes them first.
 */
export class RequestWatch {
  readonly #queue: WatchedQueue
  readonly #tracked = new TrackedRequests()
  readonly #polled = new Completions(piece)
  /** Completions for the program, oldest first. */
  #kept: Uint32Array[] = []
  #isRunning = false
  #timer: NodeJS.Timeout | undefined
  /** By `now()`. */
  #timerEnds = 0

  constructor(queue: WatchedQueue) {
    this.#queue = queue
  }

  /** @returns the high word of the ids of the requests */
  add(tracker: Tracker, isSend: boolean): number {
    return this.#tracked.add(tracker, isSend)
  }

  remove(high: number): void {
    this.#tracked.remove(high)
  }

  /**
   * Takes the completions for the program: those that were kept, or those that are in the queue.
   *
   * @returns how many there are, at the start of `completions`
   */
  fill(completions: Completions, most: number): number {
    if (this.#kept.length > 0) return this.#takeKept(completions, most)
    // 0 must mean that the queue is empty: then nobody waits while a completion is there.
    for (let polls = 0; polls < mostPolls; polls++) {
      const found = this.#queue.fill(completions, most)
      if (found === 0) return 0
      const others = this.#tracked.take(completions, found)
      if (others > 0) return others
    }
    return 0
  }

  /** Begins to take completions, after the requests of a tracker were posted. */
  start({ stallsAt }: Tracker): void {
    // With a timer that ends before, the new one is looked at then.
    if (stallsAt !== undefined && (this.#timer === undefined || stallsAt < this.#timerEnds)) this.#schedule()
    this.#drainOrLose()
    if (this.#tracked.size > 0 && !this.#isRunning) void this.#run()
  }

  /** Takes the completions that are there, before an act that discards what is outstanding. */
  settle(): void {
    this.#drainOrLose()
  }

  /** No completion will come any more: of a queue pair, or of all. */
  lose(reason: unknown, queuePair?: QueuePair): void {
    this.#tracked.lose(reason, queuePair)
    if (this.#tracked.size === 0) {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
    // The run ends when it finds nothing to wait for.
    this.#queue.waiters.wake()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    try {
      while (this.#tracked.size > 0) {
        const event = this.#queue.waiters.next(undefined, this.#queue.device)
        try {
          this.#queue.requestNotification()
          // A completion from before the request makes no event.
          this.#drain()
        } catch (error) {
          event.cancel()
          throw error
        }
        if (this.#tracked.size === 0) event.cancel()
        await event.promise
        this.#drain()
      }
    } catch (error) {
      this.#tracked.lose(error)
    } finally {
      this.#isRunning = false
    }
  }

  #drainOrLose(): void {
    try {
      this.#drain()
    } catch (error) {
      this.lose(error)
    }
  }

  /** Polls until the queue is empty, or until it has kept as much as the queue has room for. */
  #drain(): void {
    const before = this.#kept.length
    const { words } = this.#polled
    for (let polls = 0; polls < mostPolls; polls++) {
      if (this.#tracked.size === 0 || this.#kept.length >= this.#queue.room()) break
      const found = this.#queue.fill(this.#polled, piece)
      if (found === 0) break
      const others = this.#tracked.take(this.#polled, found)
      for (let index = 0; index < others; index++) {
        this.#kept.push(words.slice(index * completionWords, (index + 1) * completionWords))
      }
    }
    if (this.#kept.length > before) this.#queue.waiters.wake()
  }

  #takeKept(completions: Completions, most: number): number {
    const taken = this.#kept.splice(0, most)
    for (let index = 0; index < taken.length; index++) {
      const words = taken[index]
      if (words !== undefined) completions.words.set(words, index * completionWords)
    }
    // There is room again for what the run has left in the queue.
    if (this.#tracked.size > 0) this.#queue.waiters.wake()
    return taken.length
  }

  /** Sets the timer for the request that stalls next. The run keeps the process alive. */
  #schedule(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const time = now()
    const next = this.#tracked.stall(time)
    if (next === undefined) return
    this.#timerEnds = next
    this.#timer = setTimeout(() => this.#schedule(), next - time).unref()
  }
}
