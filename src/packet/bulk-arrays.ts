import { isRange, lengthFrom, wrongRange } from '../arrays/number-array.js'
import { pairsOf } from '../arrays/pairs.js'

// The arrays that a caller of a bulk call gives.

/** The elements that a bulk call is about: `given`, or all from `at` on. @throws PinfoldError if the array has fewer */
export function countOf(subject: string, values: Uint32Array, given: number | undefined, at: number): number {
  pairsOf(subject, values)
  const count = given === undefined ? lengthFrom(values, at) : given
  if (!isRange(values, count, at)) throw wrongRange(subject, values, count, at)
  return count
}

/** A copy of `count` elements from `at` on. Not by a method, since the caller's array may have one of its own. */
export function numbersOf(values: Uint32Array, at: number, count: number): number[] {
  return Array.from({ length: count }, (_, place) => values[at + place])
}
