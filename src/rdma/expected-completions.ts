import type { SharedReceiveQueue } from './shared-receive-queue.js'

/**
 * How many requests may complete on a queue before anybody polls it, as programs have asked for them: devices round that
 * up, and nobody posts more for it. Receives of a shared queue count once, however many queue pairs take from it.
 */
export class ExpectedCompletions {
  #own = 0
  /** With the number of queue pairs that take from each. */
  readonly #shared = new Map<SharedReceiveQueue, number>()

  get total(): number {
    let total = this.#own
    for (const { requests } of this.#shared.keys()) total += requests
    return total
  }

  /** `requests` more, or fewer where it is below 0. */
  add(requests: number): void {
    this.#own += requests
  }

  /** `queuePairs` more take from `queue`, or fewer where it is below 0. */
  addShared(queue: SharedReceiveQueue, queuePairs: 1 | -1): void {
    const now = (this.#shared.get(queue) ?? 0) + queuePairs
    if (now === 0) this.#shared.delete(queue)
    else this.#shared.set(queue, now)
  }
}
