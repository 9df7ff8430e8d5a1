import { abortReason, isAborted, onAbort } from '../abort.js'
import { PinfoldError } from '../errors.js'
import { Completions } from '../rdma/completion.js'
import type { CompletionQueue } from '../rdma/completion-queue.js'
import { explainStatus } from '../rdma/contract/completion-status.js'
import { explainVendorError } from '../rdma/contract/loopback-vendor-errors.js'
import { clock, longestRun, turn } from './clock.js'

const mostOfPoll = 64
/** Polls between two readings of the clock. */
const looksPerReading = 16

/**
 * The completions of a queue, for a loop that polls. On a device the loop polls without a pause, and lets the event loop
 * turn every few milliseconds, so that the peer's messages and signals are noticed. On the loopback, requests proceed as the
 * event loop turns, so it turns after each poll that found nothing. With events, the loop sleeps instead.
 */
export class Arrivals {
  /** The completions of the last poll or rest. */
  completions = new Completions(mostOfPoll)
  readonly #queue: CompletionQueue
  readonly #signal: AbortSignal
  readonly #polls: 'device' | 'loopback' | 'events'
  readonly #stream: AsyncGenerator<Completions, void>
  readonly #ignore: () => void
  readonly #end = new AbortController()
  #isAborted = false
  /** What the stream brings next, if somebody waits for it. */
  #next: Promise<IteratorResult<Completions, void>> | undefined
  #wake: (next: IteratorResult<Completions, void> | undefined) => void = () => {}
  #fail: (error: unknown) => void = () => {}
  #looks = 0
  #turned = clock()

  constructor(queue: CompletionQueue, events: boolean, signal: AbortSignal) {
    this.#queue = queue
    this.#signal = signal
    this.#polls = events ? 'events' : queue.device.kind === 'loopback' ? 'loopback' : 'device'
    this.#stream = queue.completions({ signal: AbortSignal.any([signal, this.#end.signal]), most: mostOfPoll })
    this.#ignore = onAbort(signal, () => {
      this.#isAborted = true
    })
    this.#isAborted = isAborted(signal)
  }

  /** @throws the signal's reason */
  throwIfAborted(): void {
    if (this.#isAborted) throw abortReason(this.#signal)
  }

  /** Takes what is there, and returns how many. @throws the signal's reason */
  poll(): number {
    this.throwIfAborted()
    return this.#queue.pollInto(this.completions)
  }

  /** Whether the loop has to call `rest` before it continues. The clock is read now and then: that takes its time, too. */
  needsRest(isIdle: boolean): boolean {
    if (isIdle && this.#polls !== 'device') return true
    this.#looks += 1
    return this.#looks % looksPerReading === 0 && clock() - this.#turned > longestRun
  }

  /**
   * Lets others have their turn. With events, and if the loop is idle, it sleeps until something has come.
   *
   * @param maySleep whether nothing else than a completion, or what `wakeOn` was told, ends the idleness
   * @returns the number of completions that it has found
   */
  async rest(isIdle: boolean, maySleep: boolean): Promise<number> {
    const found = isIdle && this.#polls === 'events' && maySleep ? await this.#sleep() : await turn()
    this.#turned = clock()
    return found
  }

  /** Ends a sleep when the promise is settled. */
  wakeOn(promise: Promise<unknown>): void {
    const wake = () => this.#wake(undefined)
    promise.then(wake, wake)
  }

  async #sleep(): Promise<number> {
    // Not Promise.race, which would leave a reaction behind on each promise that is not settled.
    const result = await new Promise<IteratorResult<Completions, void> | undefined>((resolve, reject) => {
      this.#wake = resolve
      if (this.#next === undefined) {
        this.#next = this.#stream.next()
        this.#next.then(
          (next) => this.#wake(next),
          (error) => this.#fail(error),
        )
      }
      this.#fail = reject
    })
    if (result === undefined) return 0
    this.#next = undefined
    if (result.done === true) return 0
    this.completions = result.value
    return result.value.count
  }

  /** @throws PinfoldError `ERR_REQUEST_FAILED` if completion `index` is a failure */
  requireSuccess(index: number): void {
    if (this.completions.statusCode(index) === 0) return
    const { status, vendorError, queuePair } = this.completions.at(index)
    const { kind } = this.#queue.device
    const vendor = vendorError === 0 ? '' : ` (${explainVendorError(kind, vendorError)})`
    throw new PinfoldError(`perf: ${status} on queue pair ${queuePair}: ${explainStatus(status)}${vendor}`, {
      code: 'ERR_REQUEST_FAILED',
      values: { status, vendorError, queuePair },
    })
  }

  close(): void {
    this.#ignore()
    // A stream that waits would take the completions of whoever comes next.
    this.#next?.catch(() => {})
    this.#end.abort()
    this.#stream.return().catch(() => {})
  }
}
