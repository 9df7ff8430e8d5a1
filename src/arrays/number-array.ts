import { types } from 'node:util'
import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'
import { noPairs, pairsOf } from './value-copy.js'

/** Views that were made once are kept with their array: a program that takes turns with two makes no more. */
const pairsOfArrays = new WeakMap<Uint32Array, BigUint64Array>()

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` for what is no Uint32Array */
export function pairsOfArray(subject: string, values: Uint32Array): BigUint64Array {
  if (!types.isUint32Array(values)) {
    throw new PinfoldError(`${subject}: expected a Uint32Array, received ${describe(values)}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { received: values },
    })
  }
  const kept = pairsOfArrays.get(values)
  if (kept !== undefined) return kept
  const made = canBePairs(values) ? pairsOf(values) : noPairs
  pairsOfArrays.set(values, made)
  return made
}

/** A buffer that can grow would outgrow its view. */
function canBePairs({ buffer, byteOffset, byteLength }: Uint32Array): boolean {
  const canGrow = ('resizable' in buffer && buffer.resizable) || ('growable' in buffer && buffer.growable)
  return byteOffset % 8 === 0 && byteLength > 0 && !canGrow
}

/** How many elements it has from `at` on: what is meant where no count is given. */
export function lengthFrom(values: Uint32Array, at: number): number {
  return typeof at === 'number' ? values.length - at : 0
}

/** Whether it has `count` elements from `at` on. */
export function isRange(values: Uint32Array, count: number, at: number): boolean {
  return (
    typeof count === 'number' &&
    count >>> 0 === count &&
    typeof at === 'number' &&
    at >>> 0 === at &&
    at + count <= values.length
  )
}

/** Why `at` and `count` are no range of the array. */
export function wrongRange(subject: string, values: Uint32Array, count: number, at: number): PinfoldError {
  const isPlace = Number.isInteger(at) && at >= 0 && at <= values.length
  const name = isPlace ? 'count' : 'at'
  const most = isPlace ? values.length - at : values.length
  const received = isPlace ? count : at
  const message = `${subject}: ${name}: expected a whole number from 0 to ${most}, received ${describe(received)}`
  return new PinfoldError(message, { code: 'ERR_OUT_OF_RANGE', values: { [name]: received, length: values.length } })
}
