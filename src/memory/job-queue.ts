import { setImmediate } from 'node:timers'
import type { Stop } from './stop.js'

/**
 * Native work beside the event loop takes a thread for each job. So only few jobs run at a time; the others wait here, in
 * the order of their calls. There is a queue for each JavaScript thread.
 *
 * The event loop starts the jobs, one in a turn, and not the call that asks for one: many calls in a row would block it
 * otherwise.
 */
export class JobQueue {
  readonly #most: number
  readonly #waiting = new Set<() => void>()
  #running = 0
  #isTurnAwaited = false

  /** @param most the number of jobs that run at a time */
  constructor(most: number) {
    this.#most = most
  }

  /**
   * Starts the job when its turn comes. Returns what the job returns.
   *
   * @throws the reason of `stop` at once when that is stopped before the job has started
   */
  run<Result>(job: () => Promise<Result>, stop?: Stop): Promise<Result> {
    const result = new Promise<Result>((resolve, reject) => {
      if (stop?.isStopped) return reject(stop.reason)
      const start = () => {
        stop?.listen(undefined)
        job()
          .finally(() => this.#end())
          .then(resolve, reject)
      }
      stop?.listen(() => {
        this.#waiting.delete(start)
        reject(stop.reason)
      })
      this.#waiting.add(start)
      try {
        this.#awaitTurn()
      } catch (error) {
        this.#waiting.delete(start)
        throw error
      }
    })
    // A caller that a stack overflow has cut off does not listen. Others handle the promise that they get.
    result.catch(() => {})
    return result
  }

  #end(): void {
    this.#running -= 1
    this.#awaitTurn()
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited || this.#waiting.size === 0 || this.#running === this.#most) return
    setImmediate(() => this.#startOne())
    this.#isTurnAwaited = true
  }

  #startOne(): void {
    this.#isTurnAwaited = false
    const [start] = this.#waiting
    if (start === undefined) return // it was stopped
    this.#waiting.delete(start)
    this.#running += 1
    start()
    this.#awaitTurn()
  }
}

/** The queue of everything that takes memory: allocations, and registrations with a real device. */
export const jobs = new JobQueue(4)
