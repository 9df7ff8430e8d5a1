import { types } from 'node:util'
import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'

/**
 * Numbers of elements as V8 copies them fastest: two of them as one 64-bit float, which is 2 to 3 times as fast as one by
 * one (5 times in bursts of 4). A number above 0x7fefffff in the higher half could make a NaN of the pair, whose bits V8
 * may change; an element's number is below 2^30.
 */
export function copyPairs(to: Pairs, at: number, from: Pairs, first: number, count: number): void {
  // Small, so that V8 has it and its caller within the loop of a program: it inlines 920 bytes of bytecode, all together.
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
 * Copies `count` numbers in pairs, wherever they stand, but not in their order: one that is in the way of the pairs is
 * written to the other end. `fromPairs` and `toPairs` are the same memory as `from` and `to`, or none.
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
  if (toPairs.length === 0 || fromPairs.length === 0) {
    for (let place = 0; place < count; place++) to[at + place] = from[first + place] ?? 0
    return
  }
  if (count > 0 && ((at | first) & 1) !== 0) {
    count -= 1
    const isAtOdd = (at & 1) !== 0
    const isFirstOdd = (first & 1) !== 0
    to[isAtOdd ? at : at + count] = from[isFirstOdd ? first : first + count] ?? 0
    if (isAtOdd) at += 1
    if (isFirstOdd) first += 1
  }
  copyPairs(toPairs, at >> 1, fromPairs, first >> 1, count >> 1)
  if ((count & 1) !== 0) to[at + count - 1] = from[first + count - 1] ?? 0
}

/** Two numbers in each element; without the check for undefined that a Float64Array needs by its type. */
export interface Pairs {
  [index: number]: number | undefined
  readonly length: number
}

export const noPairs: Pairs = new Float64Array(0)

/** Views that were made once are kept with their array: a program that takes turns with two makes no more. */
const pairsOfArrays = new WeakMap<Uint32Array, Pairs>()

/**
 * The same memory as pairs; none of an array that starts at no multiple of 8 bytes, or that can outgrow its view.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for what is no Uint32Array
 */
export function pairsOf(subject: string, values: Uint32Array): Pairs {
  if (!types.isUint32Array(values)) {
    throw new PinfoldError(`${subject}: expected a Uint32Array, received ${describe(values)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { received: values },
    })
  }
  const kept = pairsOfArrays.get(values)
  if (kept !== undefined) return kept
  const { buffer, byteOffset, byteLength } = values
  const canGrow = ('resizable' in buffer && buffer.resizable) || ('growable' in buffer && buffer.growable)
  const made = byteOffset % 8 !== 0 || canGrow ? noPairs : new Float64Array(buffer, byteOffset, byteLength >>> 3)
  pairsOfArrays.set(values, made)
  return made
}
