import { copyPairs, copyValues } from '../arrays/value-copy.js'
import type { RingSide } from './side.js'

// The ways of every call, whoever has the side and wherever the slots wrap; ring.ts has short ones for the commonest.

/** Takes the producers' side, puts in what fits of `count` values from `at` on, if `least` do; returns how many. */
export function putValues(
  side: RingSide,
  values: Uint32Array,
  valuePairs: BigUint64Array,
  count: number,
  at: number,
  least: number,
): number {
  const passing = side.take(count, least)
  if (passing === 0) return 0
  const { slots, pairs } = side.views
  const start = side.position & (slots.length - 1)
  const end = start + passing
  if (((start | at | passing) & 1) === 0 && end <= slots.length && valuePairs.length > 0) {
    copyPairs(pairs, start >>> 1, valuePairs, at >>> 1, passing >>> 1)
  } else {
    const first = end <= slots.length ? passing : slots.length - start
    copyValues(slots, start, values, at, first)
    copyValues(slots, 0, values, at + first, passing - first)
  }
  side.advance(passing)
  return passing
}

/** The other way round. */
export function getValues(
  side: RingSide,
  values: Uint32Array,
  valuePairs: BigUint64Array,
  count: number,
  at: number,
  least: number,
): number {
  const passing = side.take(count, least)
  if (passing === 0) return 0
  const { slots, pairs } = side.views
  const start = side.position & (slots.length - 1)
  const end = start + passing
  if (((start | at | passing) & 1) === 0 && end <= slots.length && valuePairs.length > 0) {
    copyPairs(valuePairs, at >>> 1, pairs, start >>> 1, passing >>> 1)
  } else {
    const first = end <= slots.length ? passing : slots.length - start
    copyValues(values, at, slots, start, first)
    copyValues(values, at + first, slots, 0, passing - first)
  }
  side.advance(passing)
  return passing
}

export function putValue(side: RingSide, value: number): boolean {
  if (side.take(1, 1) === 0) return false
  const { slots } = side.views
  slots[side.position & (slots.length - 1)] = value
  side.advance(1)
  return true
}

export function getValue(side: RingSide): number {
  if (side.take(1, 1) === 0) return -1
  const { slots } = side.views
  const value = slots[side.position & (slots.length - 1)] ?? 0
  side.advance(1)
  return value
}
