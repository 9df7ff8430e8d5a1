import * as z from 'zod/mini'
import { later, optionsOf } from '../../options.js'
import { completionStatuses } from '../../rdma/contract/completion-status.js'
import { count, whole, word32 } from '../../rdma/contract/number-options.js'

const failures = completionStatuses.all.filter((name) => name !== 'SUCCESS')

/** A number of turns of the event loop, or the range that the seed chooses from. */
export type WeatherTurns = number | TurnsRange

/** A range of turns, both ends included. */
export interface TurnsRange {
  readonly least: number
  readonly most: number
}

/** The status of a request that has failed. */
export type FailureStatus = (typeof failures)[number]

/** The options of `weather`. Requests are counted as they are posted on the device, from 0 on, since the weather began. */
export interface WeatherOptions {
  /** Decides everything that is left to chance, 32 bits. The same seed gives the same weather. Default: 1. */
  readonly seed?: number | undefined
  /**
   * The time that a request takes to its peer. A queue pair keeps its order; requests of different queue pairs overtake each
   * other if the range allows that. Default: 0, at once.
   */
  readonly delay?: WeatherTurns | undefined
  /** Whether the seed also chooses the order of requests of different queue pairs that arrive in the same turn. Default: false. */
  readonly reorder?: boolean | undefined
  /**
   * The part of all transmissions that is lost, 0 to 1. A reliable connection tries again, one turn later, until its retries
   * are used up (RETRY_EXC_ERR); with a timeout of 0, it waits for ever. UC and UD notice nothing. Default: 0.
   */
  readonly loss?: number | undefined
  /**
   * The part of all messages that a reliable peer refuses for now as if no receive were posted, 0 to 1: the sender tries
   * again, one turn later, until rnrRetry is used up (RNR_RETRY_EXC_ERR); an rnrRetry of 7 has no end. Default: 0.
   */
  readonly notReady?: number | undefined
  /** Request `after` ends with this status, and its queue pair in ERR. Default: none. */
  readonly error?: { readonly after: number; readonly status: FailureStatus } | undefined
  /** Request `after` never completes, nor any later one of its queue pair, until that is in ERR. Default: none. */
  readonly stall?: { readonly after: number } | undefined
  /** The queue of the completion of request `after` overruns (CQ_ERR). Default: none. */
  readonly overrun?: { readonly after: number } | undefined
  /**
   * The port goes down (PORT_ERR) before request `after` is carried out, and comes back (PORT_ACTIVE) so many turns later;
   * without `turns`, when `portUp()` is called. Default: none.
   */
  readonly portDown?: { readonly after: number; readonly turns?: number | undefined } | undefined
  /** The device fails (DEVICE_FATAL) before request `after` is carried out. Default: none. */
  readonly removal?: { readonly after: number } | undefined
  /**
   * So many registrations and memory windows can still be made; then the device has no keys left (ERR_DEVICE_REFUSED,
   * ENOMEM), until one is closed. Default: as many as the device has.
   */
  readonly keys?: number | undefined
  /** The time that `register()` takes. `registerSync()` is not slower. Default: 0. */
  readonly slowRegistration?: WeatherTurns | undefined
}

const mostTurns = 1_000_000
const turns = later(() => whole(0, mostTurns))
const turnsOrRange = later(() =>
  z.union(
    [
      turns,
      optionsOf<TurnsRange>()({ least: turns, most: turns }).check(
        z.refine(({ least, most }) => least <= most, { error: "expected a 'least' that is not above 'most'" }),
      ),
    ],
    { error: `expected a number of turns from 0 to ${mostTurns}, or { least, most }` },
  ),
)
const part = later(() =>
  z
    .number({ error: 'expected a number from 0 to 1' })
    .check(z.refine((value) => value >= 0 && value <= 1, { error: 'expected a number from 0 to 1' })),
)
const after = later(() => optionsOf<{ readonly after: number }>()({ after: count }))

export const weatherOptions = later(() =>
  optionsOf<WeatherOptions>()({
    seed: z.optional(word32),
    delay: z.optional(turnsOrRange),
    reorder: z.optional(z.boolean()),
    loss: z.optional(part),
    notReady: z.optional(part),
    error: z.optional(
      optionsOf<NonNullable<WeatherOptions['error']>>()({
        after: count,
        status: z.enum(failures, { error: `expected one of ${failures.join(', ')}` }),
      }),
    ),
    stall: z.optional(after),
    overrun: z.optional(after),
    portDown: z.optional(
      optionsOf<NonNullable<WeatherOptions['portDown']>>()({ after: count, turns: z.optional(turns) }),
    ),
    removal: z.optional(after),
    keys: z.optional(count),
    slowRegistration: z.optional(turnsOrRange),
  }),
)

export function rangeOf(given: WeatherTurns = 0): TurnsRange {
  return typeof given === 'number' ? { least: given, most: given } : given
}
