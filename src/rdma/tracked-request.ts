import * as z from 'zod/mini'
import { abortReason, onAbort, throwIfAborted } from '../abort.js'
import { checked, later, optionsOf, signalOption } from '../options.js'
import type { Completion, Completions } from './completion.js'
import type { QueuePair } from './queue-pair.js'
import { requestFailed, requestStalled } from './request-failure.js'
import { type StallAfter, stallAfterOption, stallLimit } from './stall-limit.js'
import type { Tracker } from './tracked-requests.js'
import { resolveInTurn } from './turns.js'

const requestOptions = later(() =>
  optionsOf<RequestOptions>()({ stallAfter: z.optional(stallAfterOption), signal: z.optional(signalOption) }),
)

/** Options of `request` and `receive`. */
export interface RequestOptions {
  readonly stallAfter?: StallAfter | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * A promise of the completion of one request.
 *
 * @param post posts the request, whose tracker is `start(id)`; `id` is the one that the program gave it
 */
export function tracked(
  subject: string,
  queuePair: QueuePair,
  options: RequestOptions | undefined,
  defaultStall: StallAfter,
  post: (start: (id: number) => Tracker) => void,
): Promise<Completion> {
  return new Promise((resolve, reject) => {
    const { signal, stallAfter = defaultStall } =
      options === undefined ? none : checked(subject, requestOptions, options)
    throwIfAborted(signal)
    const { milliseconds = 0, at } = stallLimit(stallAfter)
    const deafen = onAbort(signal, () => reject(abortReason(signal)))
    const fail = (reason: unknown) => {
      deafen()
      reject(reason)
    }
    const succeed = (completion: Completion) => {
      deafen()
      resolveInTurn(resolve, completion)
    }
    try {
      post((id) => trackerOf({ subject, queuePair, id, milliseconds, at, succeed, fail }))
    } catch (error) {
      fail(error)
    }
  })
}

const none: RequestOptions = {}

interface TrackedRequest {
  readonly subject: string
  readonly queuePair: QueuePair
  readonly id: number
  readonly milliseconds: number
  readonly at: number | undefined
  succeed(completion: Completion): void
  fail(reason: unknown): void
}

/** After a stall or an abort the promise is settled, and the rest is ignored. */
function trackerOf({ subject, queuePair, id, milliseconds, at, succeed, fail }: TrackedRequest): Tracker {
  const tracker = {
    queuePair,
    stallsAt: at,
    completed(_index: number, completions: Completions, place: number) {
      const completion = { ...completions.at(place), id }
      if (completion.ok) succeed(completion)
      else fail(requestFailed(subject, queuePair, completion))
      return true
    },
    // Each tracked request is signaled, so its own completion comes before any later one.
    passed: () => {},
    lost: fail,
    stalled(outstanding: number) {
      tracker.stallsAt = undefined
      queuePair.device.tellStall(queuePair)
      fail(requestStalled(subject, queuePair, { milliseconds, outstanding }))
    },
  }
  return tracker
}
