import * as z from 'zod/mini'
import { list, sizeOption } from '../../options.js'

/** A size that is a power of two, at most 2^52, since physical addresses have at most 52 bits. */
export const powerOfTwo = z.lazy(() =>
  sizeOption.check(
    z.refine((bytes) => bytes <= 2 ** 52 && Number.isInteger(Math.log2(bytes)), {
      error: 'expected a power of two of at most 2^52 bytes',
    }),
  ),
)

/** An address that a device uses: a bigint of up to 64 bits, or a safe integer. */
export const deviceAddress = z.lazy(() =>
  z
    .union(
      [
        z.bigint(),
        z.pipe(
          z.int(),
          z.transform((number: number) => BigInt(number)),
        ),
      ],
      {
        error: 'expected a bigint or a safe integer',
      },
    )
    .check(
      z.refine((address) => address >= 0n && address < 2n ** 64n, {
        error: 'expected an address of at most 64 bits',
      }),
    ),
)

/** Twice the pages of the largest table: 2^27 entries of 8 bytes, in pages of 4 KiB. */
const mostTablePages = 2 ** 19

/** Physical addresses (or IOVAs) of pages for parts of a table. They are used in order, and must all be different. */
export const tablePages = z.lazy(() =>
  list(z.int().check(z.nonnegative()), { most: mostTablePages, expected: 'expected an array of addresses' }).check(
    z.refine((pages) => new Set(pages).size === pages.length, { error: 'expected pages that are all different' }),
  ),
)
