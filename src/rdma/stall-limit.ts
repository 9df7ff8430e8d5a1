import * as z from 'zod/mini'
import { now } from '../builtins.js'
import { later } from '../options.js'

/**
 * Milliseconds after which a request that has not completed has stalled, 1 to 2^31 - 1; or 'never'. A stall is an error
 * (`ERR_REQUEST_STALLED`) and the event 'REQUEST_STALLED' of the device. The request itself stays outstanding.
 */
export type StallAfter = number | 'never'

/** The longest time of a timer of Node.js. */
const longest = 2 ** 31 - 1

export const stallAfterOption = later(() =>
  z.union([z.int().check(z.minimum(1), z.maximum(longest)), z.literal('never')], {
    error: "expected milliseconds from 1 to 2147483647, or 'never'",
  }),
)

/** Milliseconds, and the time at which they are over, by `now()`. */
export function stallLimit(stallAfter: StallAfter): { readonly milliseconds?: number; readonly at?: number } {
  return stallAfter === 'never' ? {} : { milliseconds: stallAfter, at: now() + stallAfter }
}
