import type { Completions } from './completion.js'
import { completionWord, completionWords } from './contract/work-layout.js'
import type { QueuePair } from './queue-pair.js'

// Requests whose completions the library takes itself, for a promise or a burst. Their ids (wr_id) have the highest bit
// set: the ids of programs end at 2^53. Below it stand the number of the tracker and the index of the request.

const trackedBit = 0x8000_0000
/** More than any completion queue has room for. */
const mostTrackers = 2 ** 20

/** Follows the requests of one call, which were posted one after another to one queue pair. */
export interface Tracker {
  readonly queuePair: QueuePair
  /** When it stalls, by `now()`; undefined if it never does. */
  readonly stallsAt: number | undefined
  /**
   * The request at `index` has completed; all requests before it, too.
   *
   * @param at the place of its completion in `completions`
   * @returns true when nothing of it is outstanding
   */
  completed(index: number, completions: Completions, at: number): boolean
  /** A later request of the queue pair has completed, so all requests of this tracker were successful. */
  passed(): void
  /** No completion will come: the queue pair or the completion queue is gone. */
  lost(reason: unknown): void
  /** It is still outstanding after `stallsAt`. */
  stalled(outstanding: number): void
}

/** The tracked requests whose completions go to one completion queue. */
export class TrackedRequests {
  /** By number, oldest first. */
  readonly #trackers = new Map<number, Tracker>()
  /** Of each queue pair, those with send requests, in the order in which they were posted. */
  readonly #sends = new Map<QueuePair, number[]>()
  #next = 0

  get size(): number {
    return this.#trackers.size
  }

  /** @returns the high word of the ids of its requests; the low word is the index of the request */
  add(tracker: Tracker, isSend: boolean): number {
    const number = this.#freeNumber()
    this.#trackers.set(number, tracker)
    if (isSend) {
      const sends = this.#sends.get(tracker.queuePair)
      if (sends === undefined) this.#sends.set(tracker.queuePair, [number])
      else sends.push(number)
    }
    return trackedBit + number
  }

  /** Its requests were not posted. */
  remove(high: number): void {
    const number = high - trackedBit
    const tracker = this.#trackers.get(number)
    if (tracker === undefined) return
    this.#trackers.delete(number)
    const sends = this.#sends.get(tracker.queuePair)
    if (sends === undefined) return
    // Mostly the oldest, whose requests have completed, or the newest, which could not be posted.
    if (sends[0] === number) sends.shift()
    else if (sends.at(-1) === number) sends.pop()
    else if (sends.includes(number)) sends.splice(sends.indexOf(number), 1)
    if (sends.length === 0) this.#sends.delete(tracker.queuePair)
  }

  /**
   * Hands the completions of tracked requests to their trackers, and moves the others together.
   *
   * @returns the number of the others
   */
  take(completions: Completions, found: number): number {
    const { words } = completions
    let others = 0
    for (let index = 0; index < found; index++) {
      const at = index * completionWords
      const high = words[at + completionWord.id + 1] ?? 0
      if (high >= trackedBit) {
        this.#deliver(high - trackedBit, words[at + completionWord.id] ?? 0, completions, index)
        continue
      }
      if (others !== index) words.copyWithin(others * completionWords, at, at + completionWords)
      others += 1
    }
    return others
  }

  /** No completion will come for the requests of a queue pair, or of all of them. */
  lose(reason: unknown, queuePair?: QueuePair): void {
    for (const [number, tracker] of [...this.#trackers]) {
      if (queuePair !== undefined && tracker.queuePair !== queuePair) continue
      this.#trackers.delete(number)
      this.#sends.delete(tracker.queuePair)
      tracker.lost(reason)
    }
  }

  /**
   * Tells the trackers that have stalled.
   *
   * @returns the time at which the next one stalls; undefined if none does
   */
  stall(time: number): number | undefined {
    let next: number | undefined
    for (const tracker of [...this.#trackers.values()]) {
      if (tracker.stallsAt === undefined) continue
      if (tracker.stallsAt <= time) tracker.stalled(this.#trackers.size)
      else if (next === undefined || tracker.stallsAt < next) next = tracker.stallsAt
    }
    return next
  }

  /** A number comes again only after 2^31 others. Its first tracker may still be outstanding then. */
  #freeNumber(): number {
    for (let tries = 0; tries < mostTrackers; tries++) {
      this.#next = (this.#next + 1) % trackedBit
      if (!this.#trackers.has(this.#next)) break
    }
    return this.#next
  }

  /** A number that is not known belongs to a queue pair that was closed. */
  #deliver(number: number, index: number, completions: Completions, at: number): void {
    const tracker = this.#trackers.get(number)
    if (tracker === undefined) return
    this.#pass(number, tracker.queuePair)
    if (tracker.completed(index, completions, at)) this.remove(trackedBit + number)
  }

  /** A send queue completes its requests in order (IBTA 10.8.3.1), so the trackers before this one have none left. */
  #pass(number: number, queuePair: QueuePair): void {
    const sends = this.#sends.get(queuePair)
    if (sends === undefined || sends[0] === number || !sends.includes(number)) return
    for (const earlier of sends.splice(0, sends.indexOf(number))) {
      this.#trackers.get(earlier)?.passed()
      this.#trackers.delete(earlier)
    }
  }
}
