import { copyNumbers, requireUint32Array } from './number-array.js'

// V8 copies 32-bit numbers fastest two at a time, as floats of 64 bits: 2 to 3 times as fast as one by one, 5 times in
// bursts of 4. A number above 0x7fefffff in the high half could make the pair a NaN, whose bits V8 may change. Numbers of
// elements are below 2^30.

/** Pairs of numbers of elements. */
export type Pairs = Float64Array

/** What stands for the pairs of an array that cannot be viewed as pairs: its numbers are copied one by one. */
export const noPairs: Pairs = new Float64Array(0)

// A view is made once for each array, so that a program that alternates between two arrays makes no more.
const views = new WeakMap<Uint32Array, Pairs>()

/**
 * The memory of an array viewed as pairs. There are none if the array does not start at a multiple of 8 bytes, or if
 * its buffer can grow, and so outgrow its view.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` if `values` is not a Uint32Array
 */
export function pairsOf(subject: string, values: Uint32Array): Pairs {
  requireUint32Array(subject, values)
  const kept = views.get(values)
  if (kept !== undefined) return kept
  const { buffer, byteOffset, byteLength } = values
  const canGrow = ('resizable' in buffer && buffer.resizable) || ('growable' in buffer && buffer.growable)
  // No view can be made of a detached buffer, whose arrays have a length of 0.
  const isWhole = byteOffset % 8 === 0 && byteLength > 0 && !canGrow
  const view = isWhole ? new Float64Array(buffer, byteOffset, byteLength >>> 3) : noPairs
  views.set(values, view)
  return view
}

/** Copies `count` pairs of numbers of elements. */
export function copyPairs(to: Pairs, at: number, from: Pairs, first: number, count: number): void {
  // Small, so that V8 inlines both this and its caller into the loop of a program: its limit is 920 bytes of bytecode,
  // all together.
  const end = at + count
  for (; at + 4 <= end; at += 4) {
    to[at] = from[first]
    to[at + 1] = from[first + 1]
    to[at + 2] = from[first + 2]
    to[at + 3] = from[first + 3]
    first += 4
  }
  while (at < end) to[at++] = from[first++]
}

/**
 * Copies `count` numbers of elements. `fromPairs` and `toPairs` are the memory of `from` and `to`, or `noPairs`: they
 * are used if the numbers are whole pairs in both.
 */
export function moveNumbers(
  to: Uint32Array,
  toPairs: Pairs,
  at: number,
  from: Uint32Array,
  fromPairs: Pairs,
  first: number,
  count: number,
): void {
  const isWhole = ((at | first | count) & 1) === 0 && toPairs.length > 0 && fromPairs.length > 0
  if (isWhole) copyPairs(toPairs, at >> 1, fromPairs, first >> 1, count >> 1)
  else copyNumbers(to, at, from, first, count)
}
