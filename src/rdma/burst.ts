import { PinfoldError } from '../errors.js'
import type { Completion, Completions } from './completion.js'
import type { QueuePair } from './queue-pair.js'
import { requestFailed, requestStalled } from './request-failure.js'
import type { Tracker } from './tracked-requests.js'

/** How the requests of a burst ended. The three numbers add up to `burst.posted`. */
export interface BurstOutcome {
  /** Requests that were carried out. */
  readonly succeeded: number
  /** Requests that failed with a status of their own. */
  readonly failed: number
  /** Requests that were flushed (WR_FLUSH_ERR): the peer may have carried them out or not. */
  readonly flushed: number
}

/** What the batch tells its burst. */
export interface BurstParts {
  readonly queuePair: QueuePair
  readonly posted: number
  /** The ids that the program gave the requests. */
  readonly ids: Float64Array
  /** Milliseconds, or undefined. */
  readonly stallAfter: number | undefined
}

/**
 * The requests of one `batch.start()`, and how far they are. Reading it costs no call of the device. A handle that is dropped
 * holds nothing: the library forgets a burst when its last request has completed, or its queue pair is closed.
 */
export class Burst {
  readonly queuePair: QueuePair
  readonly #ids: Float64Array
  readonly #stallAfter: number | undefined
  #posted: number
  /** Requests of which it is known how they ended: the first ones. */
  #accounted = 0
  #succeeded = 0
  #failed = 0
  #flushed = 0
  #failure: Completion | undefined
  #error: unknown
  #isLost = false
  #isPartial = false
  #finished: Promise<BurstOutcome> | undefined
  /** Called after each change. */
  readonly #listeners: (() => void)[] = []

  /** Made by `batch.start()`. */
  constructor({ queuePair, posted, ids, stallAfter }: BurstParts) {
    this.queuePair = queuePair
    this.#posted = posted
    this.#ids = ids
    this.#stallAfter = stallAfter
  }

  /** Requests that the device took. */
  get posted(): number {
    return this.#posted
  }

  /** Requests that were carried out, as far as the completions tell: an unsignaled one counts with the next signaled one. */
  get done(): number {
    return this.#succeeded
  }

  /** Requests of which no completion tells yet how they ended. */
  get outstanding(): number {
    return this.#posted - this.#accounted
  }

  /** The completion of the first request that failed. Its `id` is the one that the program gave. */
  get failure(): Completion | undefined {
    return this.#failure
  }

  get outcome(): BurstOutcome {
    return { succeeded: this.#succeeded, failed: this.#failed, flushed: this.#flushed }
  }

  /**
   * Resolves when all requests were carried out.
   *
   * @throws PinfoldError `ERR_REQUEST_FAILED` with the first failure, once all requests are accounted for;
   *   `ERR_REQUEST_STALLED`; `ERR_OBJECT_CLOSED`; the refusal of the device, if it took only the first `posted` requests
   */
  get finished(): Promise<BurstOutcome> {
    this.#finished ??= new Promise((resolve, reject) => {
      this.#follow(() => {
        if (this.#error !== undefined) reject(this.#error)
        else if (this.outstanding === 0) resolve(this.outcome)
      })
    })
    return this.#finished
  }

  /**
   * Ends its requests: moves the queue pair to ERR, which flushes all requests of the queue pair, and waits until each request
   * of the burst is accounted for.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED` if the queue pair is closed meanwhile; errors of the device. For a burst that the
   *   device took only in part: also `ERR_QUEUE_FULL`, if the queue is full with requests that nothing signals
   */
  async cancel(): Promise<BurstOutcome> {
    if (this.outstanding > 0) this.queuePair.modify({ state: 'ERR' })
    if (this.outstanding > 0 && this.#isPartial) await this.#passBy()
    await new Promise<void>((resolve, reject) => {
      this.#follow(() => {
        if (this.outstanding === 0) resolve()
        else if (this.#isLost) reject(this.#error)
      })
    })
    return this.outcome
  }

  /**
   * Posts one more request, as kernel drivers do to drain a queue. The last request that the device took may be unsignaled, so
   * no completion would tell that it was carried out.
   */
  async #passBy(): Promise<void> {
    try {
      await this.queuePair.request({ operation: 'send', memory: [] }, { stallAfter: 'never' })
    } catch (error) {
      // It is flushed.
      if (!(error instanceof PinfoldError && error.code === 'ERR_REQUEST_FAILED')) throw error
    }
  }

  /** @internal The device took only the first `posted` requests. */
  static refused(burst: Burst, posted: number, error: PinfoldError): void {
    burst.#isPartial = true
    burst.#posted = posted
    burst.#error = error
  }

  /** @internal */
  static trackerOf(burst: Burst, stallsAt: number | undefined): Tracker {
    const tracker = {
      queuePair: burst.queuePair,
      stallsAt,
      completed: (index: number, completions: Completions, at: number) => burst.#completed(index, completions.at(at)),
      passed: () => burst.#succeedUpTo(burst.#posted),
      lost: (reason: unknown) => burst.#lost(reason),
      stalled: (outstanding: number) => {
        tracker.stallsAt = undefined
        burst.#stalled(outstanding)
      },
    }
    return tracker
  }

  #completed(index: number, completion: Completion): boolean {
    if (index >= this.#posted) return false
    if (completion.ok) {
      this.#succeedUpTo(index + 1)
    } else {
      this.#succeedUpTo(index)
      this.#accounted = index + 1
      if (completion.status === 'WR_FLUSH_ERR') this.#flushed += 1
      else this.#failed += 1
      this.#failure ??= { ...completion, id: this.#ids[index] ?? 0 }
    }
    if (this.outstanding > 0) return false
    if (this.#failure !== undefined) this.#end(requestFailed('burst', this.queuePair, this.#failure))
    else this.#tell()
    return true
  }

  #succeedUpTo(count: number): void {
    if (count <= this.#accounted) return
    this.#succeeded += count - this.#accounted
    this.#accounted = count
    if (this.outstanding === 0) this.#tell()
  }

  #stalled(outstanding: number): void {
    this.queuePair.device.tellStall(this.queuePair)
    this.#end(requestStalled('burst', this.queuePair, { milliseconds: this.#stallAfter ?? 0, outstanding }))
  }

  #lost(reason: unknown): void {
    this.#isLost = true
    this.#end(reason)
  }

  /** The first error is kept. */
  #end(error: unknown): void {
    this.#error ??= error
    this.#tell()
  }

  #follow(listener: () => void): void {
    this.#listeners.push(listener)
    listener()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}
