import { types } from 'node:util'
import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` if `values` is not a Uint32Array */
export function requireUint32Array(subject: string, values: Uint32Array): void {
  if (types.isUint32Array(values)) return
  throw new PinfoldError(`${subject}: expected a Uint32Array, received ${describe(values)}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { received: values },
  })
}

/** The number of elements from `at` on: the default of a `count`. */
function lengthFrom(values: Uint32Array, at: number): number {
  return typeof at === 'number' ? values.length - at : 0
}

/** True if the array has `count` elements from `at` on. */
export function isRange(values: Uint32Array, count: number, at: number): boolean {
  return (
    typeof count === 'number' &&
    count >>> 0 === count &&
    typeof at === 'number' &&
    at >>> 0 === at &&
    at + count <= values.length
  )
}

/**
 * How many elements of an array a bulk call means: `given`, or all from `at` on.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` if `values` is not a Uint32Array; `ERR_OUT_OF_RANGE` if it has fewer
 */
export function countOf(subject: string, values: Uint32Array, given: number | undefined, at: number): number {
  requireUint32Array(subject, values)
  const count = given === undefined ? lengthFrom(values, at) : given
  if (!isRange(values, count, at)) throw wrongRange(subject, values, count, at)
  return count
}

/** The error for an `at` and a `count` that are no range of the array. It names the first of the two that is wrong. */
function wrongRange(subject: string, values: Uint32Array, count: number, at: number): PinfoldError {
  const isPlace = Number.isInteger(at) && at >= 0 && at <= values.length
  const name = isPlace ? 'count' : 'at'
  const most = isPlace ? values.length - at : values.length
  const received = isPlace ? count : at
  const message = `${subject}: ${name}: expected a whole number from 0 to ${most}, received ${describe(received)}`
  return new PinfoldError(message, { code: 'ERR_OUT_OF_RANGE', values: { [name]: received, length: values.length } })
}

/** Copies `count` numbers. Eight at a time take half as long as one by one. */
export function copyNumbers(to: Uint32Array, at: number, from: Uint32Array, first: number, count: number): void {
  let target = at
  let source = first
  for (const end = at + count - 7; target < end; target += 8, source += 8) {
    to[target] = from[source]
    to[target + 1] = from[source + 1]
    to[target + 2] = from[source + 2]
    to[target + 3] = from[source + 3]
    to[target + 4] = from[source + 4]
    to[target + 5] = from[source + 5]
    to[target + 6] = from[source + 6]
    to[target + 7] = from[source + 7]
  }
  for (const end = at + count; target < end; target++, source++) to[target] = from[source]
}
