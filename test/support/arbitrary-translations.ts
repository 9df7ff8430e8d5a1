import fc from 'fast-check'
import type { Run } from '../../src/translate/runs.js'

/** A stretch of memory as a device reaches it: the smallest thing that every table can be expanded into. */
export interface Stretch {
  readonly address: number
  readonly length: number
}

/** Joins what touches, so that two descriptions of the same bytes in the same order become equal. */
export function joined(stretches: Iterable<Stretch>): Stretch[] {
  const result: Stretch[] = []
  for (const stretch of stretches) {
    const last = result.at(-1)
    if (last !== undefined && last.address + last.length === stretch.address) {
      result[result.length - 1] = { address: last.address, length: last.length + stretch.length }
    } else {
      result.push(stretch)
    }
  }
  return result
}

export function stretchesOf(runs: readonly Run[]): Stretch[] {
  return joined(runs.map(({ physicalAddress, length }) => ({ address: physicalAddress, length })))
}

/** Runs out of (address, length) pairs, one after the other from `offset` on. */
export function runsFrom(stretches: readonly Stretch[], offset = 0): Run[] {
  let next = offset
  return stretches.map(({ address, length }) => {
    const run = { offset: next, physicalAddress: address, length }
    next += length
    return run
  })
}

/**
 * Runs in whole units of `unit` bytes, some of them contiguous with the one before, so that merging is exercised.
 * Addresses are small enough that different runs often share a larger page, and start high half of the time, so that
 * the bits above 2^32 count.
 */
export function arbitraryRuns(
  unit: number,
  {
    runs = 6,
    units = 12,
    places = 64,
    align = 1,
  }: { runs?: number; units?: number; places?: number; align?: number } = {},
): fc.Arbitrary<Run[]> {
  const piece = fc.record({
    place: fc.nat({ max: places }),
    units: fc.integer({ min: 1, max: units }),
    follows: fc.boolean(),
  })
  return fc
    .record({
      base: fc.constantFrom(0, 2 ** 35),
      offset: fc.nat({ max: 4 }),
      pieces: fc.array(piece, { minLength: 1, maxLength: runs }),
    })
    .map(({ base, offset, pieces }) => {
      let end = base
      const stretches = pieces.map((one) => {
        const address = one.follows ? end : base + one.place * unit * align
        end = address + one.units * unit
        return { address, length: one.units * unit }
      })
      return runsFrom(stretches, offset * unit)
    })
}

/** Cuts bytes off the front of the first run and off the end of the last one, as a slice of a region does. */
export function clipped(runs: readonly Run[], front: number, back: number): Run[] {
  const result = runs.map((run) => ({ ...run }))
  const first = result.at(0)
  const last = result.at(-1)
  if (first === undefined || last === undefined) return result
  first.offset += front
  first.physicalAddress += front
  first.length -= front
  last.length -= back
  return result
}
