import fc from 'fast-check'
import type { Run } from '../../src/translate/runs.js'

/** A stretch of memory that a device reaches. Every table can be expanded into stretches. */
export interface Stretch {
  readonly address: number
  readonly length: number
}

/** Joins stretches that touch, so that two descriptions of the same bytes in the same order become equal. */
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

/** Makes runs of (address, length) pairs, one after the other from `offset` on. */
export function runsFrom(stretches: readonly Stretch[], offset = 0): Run[] {
  let next = offset
  return stretches.map(({ address, length }) => {
    const run = { offset: next, physicalAddress: address, length }
    next += length
    return run
  })
}

/**
 * Runs of whole units of `unit` bytes. Some runs are contiguous with the run before, so that merging is exercised.
 * Addresses are close enough that different runs often share a larger page. Half of the time they start high, so that
 * the bits above 2^32 matter.
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

/** Cuts bytes off the front of the first run and off the end of the last run, as a slice of a region does. */
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
