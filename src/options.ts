import * as z from 'zod'
import { isAbortSignal } from './abort.js'
import { PinfoldError } from './errors.js'
import { describe, parseSize } from './sizes.js'

// The door: a caller's words are checked here once, by a schema; behind it there are only plain typed values.

const sizeExpected = "expected a size in bytes, or with a unit such as '64MiB'"

/** A size in bytes, or written with its unit ('64MiB'); its output is bytes, a safe positive integer. */
export const sizeOption = z.lazy(() =>
  z.union([z.number(), z.string()], { error: sizeExpected }).transform((value, context) => {
    try {
      return parseSize(value)
    } catch {
      // The message is ours, since the door below adds the option's name and what was received.
      context.addIssue({ code: 'custom', message: sizeExpected })
      return z.NEVER
    }
  }),
)

/**
 * An object with these properties and no others. Bytes are none, nor is a boxed string: each element would be looked at
 * as an option, and a region passed by mistake has millions.
 */
export function optionsObject<Shape extends z.ZodRawShape>(shape: Shape) {
  const options = z.strictObject(shape)
  return z.custom<z.input<typeof options>>(isRecord, { error: 'expected an object' }).pipe(options)
}

/** Whether it may have been meant as an object of named values. */
export function isRecord(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return !(Array.isArray(value) || ArrayBuffer.isView(value) || value instanceof String)
}

export const signalOption = z.lazy(() => z.custom<AbortSignal>(isAbortSignal, { error: 'expected an AbortSignal' }))

/**
 * The caller's `value` as `schema` understands it.
 *
 * @param subject what it is, as the message names it: 'allocate', 'hold'
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` that names the first wrong option and what was received
 */
export function checked<Schema extends z.ZodType>(subject: string, schema: Schema, value: unknown): z.output<Schema> {
  let refusal: PinfoldError
  try {
    const result = schema.safeParse(value)
    if (result.success) return result.data
    refusal = refused(subject, result.error, value)
  } catch (error) {
    throw unreadable(subject, value, error)
  }
  throw refusal
}

/** The error for a value of the caller's that threw when it was looked at: it has a getter, or is a Proxy. */
export function unreadable(subject: string, received: unknown, cause: unknown): PinfoldError {
  return new PinfoldError(`${subject}: ${describe(received)} cannot be read: its getter or Proxy threw`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { received },
    cause,
  })
}

function refused(subject: string, error: z.ZodError, value: unknown): PinfoldError {
  const issue = meant(error.issues[0])
  const path = issue?.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0] ?? ''] : (issue?.path ?? [])
  const received = path.reduce<unknown>(property, value)
  const option = path.map(String).join('.')
  const problem =
    issue?.code === 'unrecognized_keys' ? 'there is no such option' : inOurWords(issue?.message ?? 'invalid')
  return new PinfoldError(
    `${subject}: ${option === '' ? '' : `${option}: `}${problem}, received ${describe(received)}`,
    {
      code: 'ERR_INVALID_ARGUMENT',
      values: { option, received },
    },
  )
}

type Issue = z.core.$ZodIssue

/** Of a union's choices the one that was meant, as it has the fewest problems, and those inside of it. */
function meant(issue: Issue | undefined): Issue | undefined {
  if (issue?.code !== 'invalid_union') return issue
  const fewest = Math.min(...issue.errors.map(({ length }) => length))
  const nearest = issue.errors.filter((problems) => problems.length === fewest && problems.every(isInside))
  const [problem] = nearest.length === 1 ? (nearest[0] ?? []) : []
  return problem === undefined ? issue : { ...problem, path: [...issue.path, ...problem.path] }
}

function isInside({ code, path }: Issue): boolean {
  return path.length > 0 || code === 'unrecognized_keys'
}

/** Zod's own messages without their heading, and without the type received, which stands in ours with the value. */
function inOurWords(message: string): string {
  return message.replace(/^(?:Invalid|Too) \w+: (?=expected)/, '').replace(/, received \w+$/, '')
}

function property(from: unknown, key: PropertyKey): unknown {
  return typeof from === 'object' && from !== null ? Reflect.get(from, key) : undefined
}

/**
 * Checks that [offset, offset + length) lies in [0, size).
 *
 * @throws PinfoldError `ERR_OUT_OF_RANGE` that names the value: negative, fractional, NaN, of another type, or past the end
 */
export function checkRange(subject: string, offset: number, length: number, size: number): void {
  // Each comparison is written so that NaN and other types fail it.
  if (!(Number.isSafeInteger(offset) && offset >= 0 && offset <= size)) {
    throw outOfRange(subject, 'offset', offset, `a whole number from 0 to ${size}`)
  }
  if (!(Number.isSafeInteger(length) && length >= 0 && length <= size - offset)) {
    throw outOfRange(
      subject,
      'length',
      length,
      `a whole number from 0 to ${size - offset}, at offset ${offset} of ${size}`,
    )
  }
}

function outOfRange(subject: string, name: string, value: unknown, expected: string): PinfoldError {
  return new PinfoldError(`${subject}: ${name}: expected ${expected}, received ${describe(value)}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { [name]: value },
  })
}
