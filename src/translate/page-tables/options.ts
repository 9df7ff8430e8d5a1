import * as z from 'zod'
import { list, sizeOption } from '../../options.js'

/** A size that is a power of two, at most 2^52: larger ones no physical address has. */
export const powerOfTwo = z.lazy(() =>
  sizeOption.refine((bytes) => bytes <= 2 ** 52 && Number.isInteger(Math.log2(bytes)), {
    error: 'expected a power of two of at most 2^52 bytes',
  }),
)

/** An address that a device uses: a bigint of up to 64 bits, or a number while it is a safe integer. */
export const deviceAddress = z.lazy(() =>
  z
    .union([z.bigint(), z.number().int().transform(BigInt)], {
      error: 'expected a bigint or a safe integer',
    })
    .refine((address) => address >= 0n && address < 2n ** 64n, {
      error: 'expected an address of at most 64 bits',
    }),
)

/** As many pages as a table of 2^27 entries takes, the most that is made, and twice that. */
const mostTablePages = 2 ** 19

/** Physical addresses (or IOVAs) of pages that hold parts of a table. Used in order; no two may be the same. */
export const tablePages = z.lazy(() =>
  list(z.number().int().nonnegative(), { most: mostTablePages, expected: 'expected an array of addresses' }).refine(
    (pages) => new Set(pages).size === pages.length,
    { error: 'expected pages that are all different' },
  ),
)
