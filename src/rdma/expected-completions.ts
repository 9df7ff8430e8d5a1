import type { SharedReceiveQueue } from './shared-receive-queue.js'

/**
 * The number of requests that may complete on a queue before the program polls it, as the program has requested them.
 * Devices may grant more. Receives of a shared queue count once, also when several queue pairs take from it.
 */
export class ExpectedCompletions {
  #own = 0
  /** The number of queue pairs that take from each. */
  readonly #shared = new Map<SharedReceiveQueue, number>()

  get total(): number {
    let total = this.#own
    for (const { requests } of this.#shared.keys()) total += requests
    return total
  }

  /** Adds `requests`, or removes them if the number is negative. */
  add(requests: number): void {
    this.#own += requests
  }

  /** One queue pair more takes from `queue`, or one fewer. */
  addShared(queue: SharedReceiveQueue, queuePairs: 1 | -1): void {
    const now = (this.#shared.get(queue) ?? 0) + queuePairs
    if (now === 0) this.#shared.delete(queue)
    else this.#shared.set(queue, now)
  }
}
