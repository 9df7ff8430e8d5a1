import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Histogram } from '../../src/perf/histogram.js'

/** Nanoseconds of all magnitudes, up to the end of the range. */
const value = fc
  .tuple(fc.integer({ min: 0, max: 41 }), fc.double({ min: 1, max: 2, maxExcluded: true, noNaN: true }))
  .map(([exponent, factor]) => Math.floor(2 ** exponent * factor))
const values = fc.array(value, { minLength: 1, maxLength: 300 })

function histogramOf(recorded: readonly number[]): Histogram {
  const histogram = new Histogram()
  for (const one of recorded) histogram.record(one)
  return histogram
}

test('percentiles are those of a sorted array, within 0.1 %', () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 0, max: 100_000 }), (recorded, thousandths) => {
      const sorted = [...recorded].sort((one, other) => one - other)
      const exact = sorted[Math.max(0, Math.ceil((thousandths * sorted.length) / 100_000) - 1)] ?? Number.NaN
      const found = histogramOf(recorded).percentile(thousandths / 1000)
      expect(found).toBeGreaterThanOrEqual(exact)
      expect(found).toBeLessThanOrEqual(exact * 1.001)
    }),
  )
})

test('minimum, maximum and mean are exact, and the deviation is nearly so', () => {
  fc.assert(
    fc.property(values, (recorded) => {
      const { count, minimum, maximum, mean, standardDeviation } = histogramOf(recorded)
      const average = recorded.reduce((sum, one) => sum + one, 0) / recorded.length
      const deviation = Math.sqrt(recorded.reduce((sum, one) => sum + (one - average) ** 2, 0) / recorded.length)
      expect([count, minimum, maximum]).toEqual([recorded.length, Math.min(...recorded), Math.max(...recorded)])
      expect(Math.abs(mean - average)).toBeLessThanOrEqual(average * 1e-9)
      expect(Math.abs(standardDeviation - deviation)).toBeLessThanOrEqual(Math.max(...recorded) / 1000)
    }),
  )
})

test('buckets contain each value once, in order, and bound it', () => {
  fc.assert(
    fc.property(values, (recorded) => {
      const buckets = histogramOf(recorded).buckets()
      for (const { from, to, count } of buckets) {
        expect(recorded.filter((one) => one >= from && one < to)).toHaveLength(count)
        expect(to - from).toBeLessThanOrEqual(Math.max(1, from / 1000))
      }
      expect(buckets.reduce((sum, { count }) => sum + count, 0)).toBe(recorded.length)
      expect(buckets).toEqual([...buckets].sort((one, other) => one.from - other.from))
    }),
  )
})

test('a sum of two histograms is the histogram of all values', () => {
  fc.assert(
    fc.property(values, fc.array(value, { maxLength: 300 }), (first, second) => {
      const sum = histogramOf(first)
      sum.add(histogramOf(second))
      expect(sum.content()).toEqual(histogramOf([...first, ...second]).content())
    }),
  )
})

test('a histogram survives JSON', () => {
  fc.assert(
    fc.property(values, (recorded) => {
      const histogram = histogramOf(recorded)
      const again = Histogram.of(JSON.parse(JSON.stringify(histogram.content())))
      expect(again.buckets()).toEqual(histogram.buckets())
      expect(again.percentile(99.9)).toBe(histogram.percentile(99.9))
      expect(again.mean).toBeCloseTo(histogram.mean, 6)
    }),
  )
})
