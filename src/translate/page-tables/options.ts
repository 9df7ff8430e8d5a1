import { z } from 'zod'
import { PinfoldError } from '../../errors.js'
import { describe, parseSize } from '../../sizes.js'

/** A size in bytes, or written with a unit ('2MiB'). */
export const size = z
  .union([z.number(), z.string()], {
    error: (issue) =>
      `expected a size in bytes, or a number with a unit such as '64MiB', but received ${describe(issue.input)}`,
  })
  .transform((value, context) => {
    try {
      return parseSize(value)
    } catch (error) {
      // Only the message is kept: the door below wraps it in an error that also names the option.
      const message = error instanceof Error ? error.message : String(error)
      context.issues.push({ code: 'custom', message, input: value })
      return z.NEVER
    }
  })

/** A size that is a power of two, at most 2^52: larger ones no physical address has. */
export const powerOfTwo = size.refine((bytes) => bytes <= 2 ** 52 && Number.isInteger(Math.log2(bytes)), {
  error: (issue) => `expected a power of two of at most 2^52 bytes, but received ${describe(issue.input)}`,
})

/** An address that a device uses: a bigint of up to 64 bits, or a number while it is a safe integer. */
export const deviceAddress = z
  .union([z.bigint(), z.number().int().transform(BigInt)], {
    error: (issue) => `expected a bigint or a safe integer, but received ${describe(issue.input)}`,
  })
  .refine((address) => address >= 0n && address < 2n ** 64n, {
    error: (issue) => `expected an address of at most 64 bits, but received ${describe(issue.input)}`,
  })

/** Physical addresses (or IOVAs) of pages that hold parts of a table. Used in order; no two may be the same. */
export const tablePages = z
  .array(z.number().int().nonnegative())
  .refine((pages) => new Set(pages).size === pages.length, { error: 'expected pages that are all different' })

/**
 * Options as this function understands them, or a typed error that names the first one that is wrong.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function checkedOptions<Schema extends z.ZodType>(
  layout: string,
  schema: Schema,
  options: unknown,
): z.output<Schema> {
  const result = schema.safeParse(options)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const option = issue?.path.join('.') ?? ''
  throw new PinfoldError(`${layout}: ${option === '' ? '' : `${option}: `}${issue?.message}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { option, options },
  })
}
