import * as z from 'zod/mini'
import { later } from '../../options.js'

// Schemas of the numbers of verbs. Each message names the range.

export const count = later(() => whole(0, 2 ** 31 - 1))
export const positiveCount = later(() => whole(1, 2 ** 31 - 1))
export const byte = later(() => whole(0, 2 ** 8 - 1))
export const word16 = later(() => whole(0, 2 ** 16 - 1))
/** Queue pair and packet sequence numbers. */
export const word24 = later(() => whole(0, 2 ** 24 - 1))
export const word32 = later(() => whole(0, 2 ** 32 - 1))
export const address64 = later(() =>
  z
    .bigint({ error: 'expected a bigint' })
    .check(z.refine((value) => value >= 0n && value < 2n ** 64n, { error: 'expected a 64-bit address' })),
)

export function whole(least: number, most: number) {
  return z.number({ error: `expected a whole number from ${least} to ${most}` }).check(
    z.refine((value) => Number.isInteger(value) && value >= least && value <= most, {
      error: `expected a whole number from ${least} to ${most}`,
    }),
  )
}
