import * as z from 'zod/mini'
import { throwIfAborted } from '../abort.js'
import { now } from '../builtins.js'
import { checked, later, optionsOf, signalOption } from '../options.js'
import { Completions } from './completion.js'
import { whole } from './contract/number-options.js'
import { inTurn } from './turns.js'
import type { Wait } from './waiters.js'

const streamOptions = later(() =>
  optionsOf<CompletionStreamOptions>()({
    signal: z.optional(signalOption),
    most: z.optional(whole(1, 2 ** 16)),
    spin: z.optional(whole(0, 1_000_000)),
  }),
)

/** Options of `queue.completions()`. */
export interface CompletionStreamOptions {
  readonly signal?: AbortSignal | undefined
  /** The most completions of one burst. Default: 64. */
  readonly most?: number | undefined
  /**
   * Microseconds, up to 1,000,000, for which an empty queue is polled before the wait for an event begins. Nothing else runs
   * in this thread meanwhile. While completions come later than that, it polls less, down to once. Default: 0.
   */
  readonly spin?: number | undefined
}

/** A queue that is iterated. */
export interface StreamedQueue {
  pollInto(completions: Completions): number
  /** Requests an event for the next completion, and waits for it. One that is there already makes no event. */
  arm(signal: AbortSignal | undefined): Wait
}

/** The polling time of a stream: it adapts to the time after which completions come. */
class Spin {
  readonly #most: number
  #now: number

  /** @param most milliseconds */
  constructor(most: number) {
    this.#most = most
    this.#now = most
  }

  /** Polls until something is found, or until the time is over. */
  poll(find: () => number): number {
    if (this.#now === 0) return 0
    const end = now() + this.#now
    while (now() < end) {
      const found = find()
      if (found > 0) {
        this.#now = this.#most
        return found
      }
    }
    // In vain: less the next time. Below a microsecond it is not worth reading the clock.
    this.#now = this.#now < 0.001 ? 0 : this.#now / 2
    return 0
  }

  /** An event came that many milliseconds after the wait for it began. */
  slept(milliseconds: number): void {
    if (milliseconds <= this.#most) this.#now = this.#most
  }
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function completionStream(
  queue: StreamedQueue,
  options: CompletionStreamOptions,
): AsyncGenerator<Completions, void> {
  const { signal, most = 64, spin = 0 } = checked('completions', streamOptions, options)
  return stream(queue, new Completions(most), new Spin(spin / 1000), signal)
}

async function* stream(
  queue: StreamedQueue,
  completions: Completions,
  spin: Spin,
  signal: AbortSignal | undefined,
): AsyncGenerator<Completions, void> {
  for (;;) {
    throwIfAborted(signal)
    let found = queue.pollInto(completions)
    if (found === 0) found = spin.poll(() => queue.pollInto(completions))
    if (found === 0) {
      const asleep = now()
      const event = queue.arm(signal)
      found = pollOrCancel(queue, completions, event)
      await event.promise
      if (found === 0) spin.slept(now() - asleep)
    }
    if (found > 0) {
      // The signal must have its turn, too, when completions never stop.
      await inTurn(undefined)
      yield completions
    }
  }
}

/** The completions from before the event was requested. If there are any, or this fails, nobody waits for the event. */
function pollOrCancel(queue: StreamedQueue, completions: Completions, event: Wait): number {
  let isWanted = false
  try {
    const found = queue.pollInto(completions)
    isWanted = found === 0
    return found
  } finally {
    if (!isWanted) event.cancel()
  }
}
