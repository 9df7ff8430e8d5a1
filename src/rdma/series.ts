import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsOf } from '../options.js'
import { describe } from '../sizes.js'
import { positiveCount, whole } from './contract/number-options.js'
import { sendFlags } from './contract/operations.js'
import { entryWord, sendHeaderWords, sendWord } from './contract/work-layout.js'

const seriesOptions = later(() =>
  optionsOf<Series>()({
    count: positiveCount,
    step: whole(0, 2 ** 32 - 1),
    length: z.optional(whole(1, 2 ** 31)),
    id: z.optional(whole(0, Number.MAX_SAFE_INTEGER)),
    signaled: z.optional(z.enum(['last', 'all', 'none'], { error: "expected 'last', 'all' or 'none'" })),
  }),
)

/** Equal pieces of memory, at equal distances, of which each becomes a request. */
export interface Series {
  /** The number of pieces, from 1 on. */
  readonly count: number
  /** Bytes from the start of a piece to the start of the next, in both memories: 0 to 2^32 - 1. */
  readonly step: number
  /** Bytes of a piece, up to 2 GiB. Default: `step`, so that the pieces are neighbours. */
  readonly length?: number | undefined
  /** The id of the first piece; the others count up from there. Default: 0. */
  readonly id?: number | undefined
  /** Which pieces make a completion when they succeed. Default: 'last'. */
  readonly signaled?: 'last' | 'all' | 'none' | undefined
}

/** A series that was checked. */
export interface CheckedSeries {
  readonly count: number
  readonly step: number
  readonly length: number
  readonly id: number
  readonly signaled: 'last' | 'all' | 'none'
  /** Bytes from the start of the first piece to the end of the last. */
  readonly span: number
}

/** Checks a series. A plain one is checked here, in less time than a schema takes. @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function checkedSeries(subject: string, given: Series): CheckedSeries {
  const plain = plainSeries(given)
  if (plain !== undefined) return plain
  const { count, step, length = step, id = 0, signaled = 'last' } = checked(subject, seriesOptions, given)
  if (id + count - 1 > Number.MAX_SAFE_INTEGER) {
    throw new PinfoldError(
      `${subject}: id: expected ids up to 2^53 - 1, received ${describe(id)} for the first of ${count}`,
      {
        code: 'ERR_INVALID_ARGUMENT',
        values: { id, count },
      },
    )
  }
  if (length > 0) return { count, step, length, id, signaled, span: (count - 1) * step + length }
  throw new PinfoldError(`${subject}: length: expected the bytes of a piece, since step is 0`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { step, length },
  })
}

/** Each property is read once. Undefined if there is anything that the schema should see. */
function plainSeries(given: Series): CheckedSeries | undefined {
  if (typeof given !== 'object' || given === null) return undefined
  try {
    for (const key in given) if (!isKnown(key)) return undefined
    const { count, step, length = step, id = 0, signaled = 'last' } = given
    const isPlain =
      isWhole(count, 1, 2 ** 31) &&
      isWhole(step, 0, 2 ** 32 - 1) &&
      isWhole(length, 1, 2 ** 31) &&
      isWhole(id, 0, 2 ** 52) &&
      (signaled === 'last' || signaled === 'all' || signaled === 'none')
    return isPlain ? { count, step, length, id, signaled, span: (count - 1) * step + length } : undefined
  } catch {
    return undefined // a getter threw; the schema reads it again, and reports that
  }
}

function isKnown(key: string): boolean {
  return key === 'count' || key === 'step' || key === 'length' || key === 'id' || key === 'signaled'
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most && Number.isInteger(value)
}

/** @throws PinfoldError `ERR_OUT_OF_RANGE` if the pieces of a series do not lie in `bytes` bytes */
export function requirePieces(subject: string, series: CheckedSeries, bytes: number): void {
  const { count, step, length, span } = series
  if (span <= bytes) return
  throw new PinfoldError(
    `${subject}: ${count} pieces of ${length} bytes, with a step of ${step}, take ${span} bytes, and there are ${bytes}`,
    { code: 'ERR_OUT_OF_RANGE', values: { count, step, length, bytes } },
  )
}

/**
 * Writes the pieces of a series from word `at` on. The words at `at` contain the first piece: its entry and its target. All
 * words of each request that are not written here were set before.
 *
 * Numbers are signed words here, since V8 computes with larger ones as doubles: a piece took 15 ns then, and takes 4 now.
 */
export function writePieces(words: Uint32Array, at: number, stride: number, series: CheckedSeries): void {
  const { count, step, id, signaled, length, span } = series
  const entry = at + sendHeaderWords
  const from = words[entry + entryWord.offset] ?? 0
  const to = words[at + sendWord.remoteAddress] ?? 0
  // No address passes a multiple of 4 GiB, and no id reaches 2^31.
  const isNear = from + span <= 2 ** 32 && to + span <= 2 ** 32 && id + count <= 2 ** 31
  const flags = signaled === 'all' ? sendFlags.signaled : 0
  if (isNear) writeNear(words, at | 0, stride | 0, count | 0, step | 0, length | 0, id | 0, flags)
  else for (let piece = 0; piece < count; piece++) writeFar(words, at, at + piece * stride, piece, series, flags)
  if (signaled === 'last') words[at + (count - 1) * stride + sendWord.flags] = sendFlags.signaled
}

function writeNear(
  words: Uint32Array,
  at: number,
  stride: number,
  count: number,
  step: number,
  length: number,
  id: number,
  flags: number,
): void {
  const entry = at + sendHeaderWords
  const registration = (words[entry + entryWord.registration] ?? 0) | 0
  const rkey = (words[at + sendWord.rkey] ?? 0) | 0
  const toHigh = (words[at + sendWord.remoteAddress + 1] ?? 0) | 0
  const fromHigh = (words[entry + entryWord.offset + 1] ?? 0) | 0
  let from = (words[entry + entryWord.offset] ?? 0) | 0
  let to = (words[at + sendWord.remoteAddress] ?? 0) | 0
  let next = at
  for (let piece = 0; piece < count; piece++) {
    words[next + sendWord.id] = id + piece
    words[next + sendWord.id + 1] = 0
    words[next + sendWord.flags] = flags
    words[next + sendWord.entries] = 1
    words[next + sendWord.rkey] = rkey
    words[next + sendWord.remoteAddress] = to
    words[next + sendWord.remoteAddress + 1] = toHigh
    words[next + sendHeaderWords + entryWord.registration] = registration
    words[next + sendHeaderWords + entryWord.length] = length
    words[next + sendHeaderWords + entryWord.offset] = from
    words[next + sendHeaderWords + entryWord.offset + 1] = fromHigh
    from = (from + step) | 0
    to = (to + step) | 0
    next = (next + stride) | 0
  }
}

/** Writes one piece of a series that is anywhere. The first piece, of which the others are made, stays the same. */
function writeFar(
  words: Uint32Array,
  first: number,
  at: number,
  piece: number,
  { step, length, id }: CheckedSeries,
  flags: number,
): void {
  const own = id + piece
  words[at + sendWord.id] = own
  words[at + sendWord.id + 1] = own / 2 ** 32
  words[at + sendWord.flags] = flags
  words[at + sendWord.entries] = 1
  words[at + sendWord.rkey] = words[first + sendWord.rkey] ?? 0
  moved(words, first + sendWord.remoteAddress, at + sendWord.remoteAddress, piece * step)
  const entry = at + sendHeaderWords
  words[entry + entryWord.registration] = words[first + sendHeaderWords + entryWord.registration] ?? 0
  words[entry + entryWord.length] = length
  moved(words, first + sendHeaderWords + entryWord.offset, entry + entryWord.offset, piece * step)
}

/** The 64-bit number at word `from`, plus `distance`, is written to word `to`. */
function moved(words: Uint32Array, from: number, to: number, distance: number): void {
  const low = (words[from] ?? 0) + (distance % 2 ** 32)
  words[to] = low
  words[to + 1] = (words[from + 1] ?? 0) + Math.floor(distance / 2 ** 32) + (low < 2 ** 32 ? 0 : 1)
}
