import * as z from 'zod'
import { isAbortSignal } from './abort.js'
import { cut, PinfoldError } from './errors.js'
import { describe, parseSize } from './sizes.js'

// The door: a caller's words are checked here once, by a schema; behind it there are only plain typed values.

const sizeExpected = "expected a size in bytes, or with a unit such as '64MiB'"

/** A size in bytes, or written with its unit ('64MiB'); its output is bytes, a safe positive integer. */
export const sizeOption = z.lazy(() =>
  z.union([z.number(), text(longestKey)], { error: sizeExpected }).transform((value, context) => {
    try {
      return parseSize(value)
    } catch {
      // The message is ours, since the door below adds the option's name and what was received.
      context.addIssue({ code: 'custom', message: sizeExpected })
      return z.NEVER
    }
  }),
)

// Whatever has a size is bounded before zod looks into it: an array may say that it has 2^32 - 1 elements and take no
// memory, and zod makes an array of that size, or an error for each element, until the process has no memory left.

/** Most options of one object, wrong ones included. */
const mostOptions = 256
/** Most characters of the name of an option, or of another key. */
const longestKey = 1000
/** Most characters of a path (limits.h, PATH_MAX). */
export const longestPath = 4096

/** An object with these properties and no others. */
export function optionsObject<Shape extends z.ZodRawShape>(shape: Shape) {
  const options = z.strictObject(shape)
  return record<z.input<typeof options>>('expected an object').pipe(options)
}

/** An object of few keys: what another schema may look into. */
export function record<Input>(expected: string) {
  return z.custom<Input>(isRecord, { error: expected, abort: true }).refine(hasBoundedKeys, {
    error: `expected at most ${mostOptions} options, with names of at most ${longestKey} characters`,
    abort: true,
  })
}

/**
 * Whether it may have been meant as an object of named values. Bytes are none, nor is a boxed string, nor what inherits
 * from them: each element would be looked at as an option, and a region passed by mistake has millions.
 */
export function isRecord(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return !indexed.some((type) => value instanceof type)
}

/** What has an own property for each index. */
const indexed = [Array, Object.getPrototypeOf(Uint8Array), DataView, String]

/** As zod looks for keys that it does not know: inherited ones too. */
function hasBoundedKeys(value: unknown): boolean {
  let count = 0
  for (const key in Object(value)) {
    count += 1
    if (count > mostOptions || key.length > longestKey) return false
  }
  return true
}

/** How many elements an array may have, and what its error says. */
interface Bounds {
  readonly least?: number
  readonly most: number
  readonly expected: string
}

/**
 * An array of `item`s, as an array of our own: the caller's may change, or be a Proxy. Its length is read once. The first
 * wrong element ends it.
 */
export function list<Item extends z.ZodType>(item: Item, { least = 0, most, expected }: Bounds) {
  return z
    .custom<readonly z.input<Item>[]>(Array.isArray, { error: expected })
    .transform((given, context): readonly z.output<Item>[] => {
      const { length } = given
      if (!isCount(length, least, most)) {
        context.addIssue({
          code: 'custom',
          message: `${expected}, of ${least === 0 ? 'at most' : `${least} to`} ${most} elements`,
        })
        return z.NEVER
      }
      const items: z.output<Item>[] = []
      for (let index = 0; index < length; index++) {
        const result = item.safeParse(given[index])
        if (!result.success) {
          addWithin(context, index, result.error)
          return z.NEVER
        }
        items.push(result.data)
      }
      return items
    })
}

function isCount(length: unknown, least: number, most: number): boolean {
  return typeof length === 'number' && length >= least && length <= most
}

/** An object of `value`s by keys that are not known beforehand, as a Map. The first wrong key or value ends it. */
export function table<Key extends z.ZodType<string>, Value extends z.ZodType>(
  keySchema: Key,
  valueSchema: Value,
  { most, expected }: Omit<Bounds, 'least'>,
) {
  return z
    .custom<Readonly<Record<string, z.input<Value>>>>(isRecord, { error: expected })
    .transform((given, context): ReadonlyMap<string, z.output<Value>> => {
      const values = new Map<string, z.output<Value>>()
      const keys = boundedKeys(given, most)
      if (keys === undefined) context.addIssue({ code: 'custom', message: tooManyKeys(most) })
      for (const key of keys ?? []) {
        const known = keySchema.safeParse(key)
        const result = known.success ? valueSchema.safeParse(given[key]) : known
        if (!result.success) {
          addWithin(context, key, result.error)
          return z.NEVER
        }
        values.set(key, result.data)
      }
      return values
    })
}

/** The keys of an object of the caller's; undefined where there are too many. */
export function boundedKeys(given: object, most: number): readonly string[] | undefined {
  const keys = Object.keys(given)
  return keys.length <= most ? keys : undefined
}

export function tooManyKeys(most: number): string {
  return `expected at most ${most} names`
}

/** What is wrong with an element, as its container's own issue. */
function addWithin(context: z.RefinementCtx, key: PropertyKey, { issues }: z.ZodError): void {
  const [issue] = issues
  if (issue !== undefined) context.issues.push({ ...issue, path: [key, ...issue.path], input: undefined })
}

/** A text of at most `most` characters. */
export function text(most: number, error?: string) {
  return z.string(error).max(most, { error: `expected at most ${most} characters`, abort: true })
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
  const option = cut(path.map((key) => cut(String(key))).join('.'), 300)
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

/**
 * The choice of a union that the caller probably meant: the only one with the fewest problems, all of them inside the value.
 * Otherwise the issue itself.
 */
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
