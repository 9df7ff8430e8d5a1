import * as z from 'zod/mini'
import english from 'zod/v4/locales/en.js'
import { isAbortSignal } from './abort.js'
import { cut, PinfoldError } from './errors.js'
import { describe, parseSize } from './sizes.js'

// A caller's options are checked here once, by a schema. The code behind it works with plain typed values.

/**
 * The texts of zod's own messages. They are given to each check, since zod keeps the texts that a program chooses in
 * one place of the process, and this program may use zod, too.
 */
const messages = { error: english().localeError }

/**
 * A schema that is made when it is first used, so that a program that imports this library does not wait for schemas that
 * it never needs. (`z.lazy` makes a schema of its own for each, which takes a third of the time of the schema itself.)
 */
export function later<Schema extends z.core.$ZodType>(make: () => Schema): Later<Schema> {
  let made: Schema | undefined
  const schema = () => {
    made ??= make()
    return made
  }
  return {
    get _zod() {
      return schema()._zod
    },
    get '~standard'() {
      return schema()['~standard']
    },
  }
}

/** The two properties by which zod uses a schema. It has no `check`: a schema with more checks is another schema. */
export interface Later<Schema extends z.core.$ZodType> {
  readonly _zod: Schema['_zod']
  readonly '~standard': Schema['~standard']
}

const sizeExpected = "expected a size in bytes, or with a unit such as '64MiB'"

/** A size in bytes, or a text with its unit ('64MiB'). The output is bytes, a safe positive integer. */
export const sizeOption = z.lazy(() =>
  z.pipe(
    z.union([z.number(), text(longestKey)], { error: sizeExpected }),
    z.transform((value, context) => {
      try {
        return parseSize(value)
      } catch {
        // `checked` adds the option's name and the received value to this message.
        addIssue(context, sizeExpected)
        return z.NEVER
      }
    }),
  ),
)

// Every list, object and text is bounded before zod looks into it. An array may claim 2^32 - 1 elements and take no
// memory. zod would make an array of that size, or an error for each element, until the process has no memory left.

/** The most options of one object, including wrong ones. */
const mostOptions = 256
/** The most characters in the name of an option, or in another key. */
const longestKey = 1000
/** The most characters of a path (limits.h, PATH_MAX). */
export const longestPath = 4096

/** An object with these properties and no others. */
export function optionsObject<Shape extends z.core.$ZodShape>(shape: Shape) {
  const options = z.strictObject(shape)
  return z.pipe(record<z.input<typeof options>>('expected an object'), options)
}

/** A field for each property of `Options`, which takes nothing but the values of that property. */
type FieldsFor<Options> = { readonly [Name in keyof Required<Options>]: z.core.$ZodType<unknown, Options[Name]> }

/** Of the fields of `Shape`: those that `Options` does not have, and those that refuse some of its values. */
type Agreeing<Shape, Options> = {
  readonly [Name in keyof Shape]: Name extends keyof Options
    ? Options[Name] extends z.input<Shape[Name]>
      ? Shape[Name]
      : never
    : never
}

/**
 * An object with the properties of the interface `Options` and no others. An interface has a name and documents each
 * property, so it is what users read; the schema checks the values. A property that one of the two lacks, or whose
 * types differ, does not compile.
 *
 * The call returns a function, since TypeScript infers either all type arguments of a call or none.
 */
export function optionsOf<Options extends object>() {
  return <Shape extends z.core.$ZodShape & FieldsFor<Options>>(shape: Shape & Agreeing<Shape, Options>) =>
    optionsObject<Shape>(shape)
}

/** An object with a bounded number of keys, so that another schema may look into it. */
export function record<Input>(expected: string) {
  return z.custom<Input>(isRecord, { error: expected, abort: true }).check(
    z.refine(hasBoundedKeys, {
      error: `expected at most ${mostOptions} options, with names of at most ${longestKey} characters`,
      abort: true,
    }),
  )
}

/**
 * True if the caller may have meant the value as an object of named options. Arrays, bytes, boxed strings and objects
 * that inherit from them are refused: zod would look at each element as an option, and a region that is passed by
 * mistake has millions.
 */
export function isRecord(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return !indexed.some((type) => value instanceof type)
}

/** The types whose values contain elements or bytes instead of named options. */
const indexed = [Array, Object.getPrototypeOf(Uint8Array), DataView, String]

/** Counts the keys as zod looks for unknown keys: inherited ones, too. */
function hasBoundedKeys(value: unknown): boolean {
  let count = 0
  for (const key in Object(value)) {
    count += 1
    if (count > mostOptions || key.length > longestKey) return false
  }
  return true
}

/** The number of elements that an array may have, and the text of its error. */
interface Bounds {
  readonly least?: number
  readonly most: number
  readonly expected: string
}

/**
 * An array of `item`s. The output is a copy, since the caller's array may change or be a Proxy. Its length is read
 * once. The check ends at the first wrong element.
 */
export function list<Item extends z.core.$ZodType>(item: Item, { least = 0, most, expected }: Bounds) {
  return z.pipe(
    z.custom<readonly z.input<Item>[]>(Array.isArray, { error: expected }),
    z.transform((given, context): readonly z.output<Item>[] => {
      const { length } = given
      if (!isCount(length, least, most)) {
        addIssue(context, `${expected}, of ${least === 0 ? 'at most' : `${least} to`} ${most} elements`)
        return z.NEVER
      }
      const items: z.output<Item>[] = []
      for (let index = 0; index < length; index++) {
        const result = z.safeParse(item, given[index], messages)
        if (!result.success) {
          addWithin(context, index, result.error)
          return z.NEVER
        }
        items.push(result.data)
      }
      return items
    }),
  )
}

function isCount(length: unknown, least: number, most: number): boolean {
  return typeof length === 'number' && length >= least && length <= most
}

/**
 * An object of `value`s whose keys are not known beforehand. The output is a Map. The check ends at the first wrong key
 * or value.
 */
export function table<Key extends z.core.$ZodType<string>, Value extends z.core.$ZodType>(
  keySchema: Key,
  valueSchema: Value,
  { most, expected }: Omit<Bounds, 'least'>,
) {
  return z.pipe(
    z.custom<Readonly<Record<string, z.input<Value>>>>(isRecord, { error: expected }),
    z.transform((given, context): ReadonlyMap<string, z.output<Value>> => {
      const values = new Map<string, z.output<Value>>()
      const keys = boundedKeys(given, most)
      if (keys === undefined) addIssue(context, tooManyKeys(most))
      for (const key of keys ?? []) {
        const known = z.safeParse(keySchema, key, messages)
        const result = known.success ? z.safeParse(valueSchema, given[key], messages) : known
        if (!result.success) {
          addWithin(context, key, result.error)
          return z.NEVER
        }
        values.set(key, result.data)
      }
      return values
    }),
  )
}

/** The keys of a caller's object; undefined if there are more than `most`. */
export function boundedKeys(given: object, most: number): readonly string[] | undefined {
  const keys = Object.keys(given)
  return keys.length <= most ? keys : undefined
}

export function tooManyKeys(most: number): string {
  return `expected at most ${most} names`
}

/** Adds a problem that a transformation has found. */
export function addIssue({ issues }: z.core.ParsePayload, message: string): void {
  issues.push({ code: 'custom', message, input: undefined })
}

/** Adds the first problem of an element to the issues of its container. */
function addWithin(context: z.core.ParsePayload, key: PropertyKey, { issues }: z.core.$ZodError): void {
  const [issue] = issues
  if (issue !== undefined) context.issues.push({ ...issue, path: [key, ...issue.path], input: undefined })
}

/** A text of at most `most` characters. */
export function text(most: number, error?: string) {
  return z.string(error).check(z.maxLength(most, { error: `expected at most ${most} characters`, abort: true }))
}

export const signalOption = later(() => z.custom<AbortSignal>(isAbortSignal, { error: 'expected an AbortSignal' }))

/**
 * Checks a caller's `value` by `schema`, and returns the schema's output.
 *
 * @param subject the name of the value in the message: 'allocate', 'hold'
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` that names the first wrong option and what was received
 */
export function checked<Schema extends z.core.$ZodType>(
  subject: string,
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  let refusal: PinfoldError
  try {
    const result = z.safeParse(schema, value, messages)
    if (result.success) return result.data
    refusal = refused(subject, result.error, value)
  } catch (error) {
    throw unreadable(subject, value, error)
  }
  throw refusal
}

/** The error for a caller's value that threw when it was read: it has a getter, or is a Proxy. */
export function unreadable(subject: string, received: unknown, cause: unknown): PinfoldError {
  return new PinfoldError(`${subject}: ${describe(received)} cannot be read: its getter or Proxy threw`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { received },
    cause,
  })
}

function refused(subject: string, error: z.core.$ZodError, value: unknown): PinfoldError {
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
 * The problem to report for a union. If exactly one choice of the union has the fewest problems, and all of them are
 * inside the value, the caller probably meant that choice: its first problem. Otherwise the issue itself.
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

/**
 * Zod's message without its heading and without the received type. Our own message contains the received value and its
 * type.
 */
function inOurWords(message: string): string {
  return message.replace(/^(?:Invalid|Too) \w+: (?=expected)/, '').replace(/, received \w+$/, '')
}

function property(from: unknown, key: PropertyKey): unknown {
  return typeof from === 'object' && from !== null ? Reflect.get(from, key) : undefined
}

/**
 * Checks that [offset, offset + length) lies in [0, size).
 *
 * @throws PinfoldError `ERR_OUT_OF_RANGE` that names the value: negative, fractional, NaN, of another type, or past the
 *   end
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
