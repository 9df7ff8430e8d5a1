import { describe, expect, test } from 'vitest'
import { Histogram } from '../../src/perf/histogram.js'

const of = (...values: number[]) => {
  const histogram = new Histogram()
  for (const value of values) histogram.record(value)
  return histogram
}

describe('a histogram', () => {
  test('gives small values exactly', () => {
    const histogram = of(5, 1, 3, 2, 4)
    expect(histogram.count).toBe(5)
    expect(histogram.minimum).toBe(1)
    expect(histogram.maximum).toBe(5)
    expect(histogram.mean).toBe(3)
    expect(histogram.standardDeviation).toBeCloseTo(Math.sqrt(2), 12)
    expect([0, 20, 21, 50, 99.99, 100].map((percentage) => histogram.percentile(percentage))).toEqual([
      1, 1, 2, 3, 5, 5,
    ])
  })

  test('has buckets of 1 ns below 2,048, of 2 ns below 4,096, and so on', () => {
    expect(of(0, 2047, 2048, 2049, 4095, 4096, 2 ** 41).buckets()).toEqual([
      { from: 0, to: 1, count: 1 },
      { from: 2047, to: 2048, count: 1 },
      { from: 2048, to: 2050, count: 2 },
      { from: 4094, to: 4096, count: 1 },
      { from: 4096, to: 4100, count: 1 },
      { from: 2 ** 41, to: 2 ** 41 + 2 ** 31, count: 1 },
    ])
  })

  test('counts a value many times, and cuts fractions off', () => {
    const histogram = new Histogram()
    histogram.record(10.9, 1e12)
    expect(histogram.count).toBe(1e12)
    expect(histogram.mean).toBe(10)
    expect(histogram.percentile(50)).toBe(10)
  })

  test('keeps the exact maximum of values that are above its range', () => {
    const hours = 5 * 3600e9
    const histogram = of(1, hours)
    expect(histogram.maximum).toBe(hours)
    expect(histogram.percentile(100)).toBe(hours)
    expect(histogram.buckets().at(-1)).toMatchObject({ to: 2 ** 42, count: 1 })
  })

  test('has no figures without values', () => {
    const histogram = of(7)
    histogram.clear()
    const { count, minimum, maximum, mean, standardDeviation } = histogram
    expect([count, minimum, maximum, mean, standardDeviation, histogram.percentile(50)]).toEqual([
      0,
      ...Array(5).fill(Number.NaN),
    ])
    expect(histogram.buckets()).toEqual([])
  })

  test.each([-1, Number.NaN])('refuses %s', (value) => {
    const histogram = of(1)
    expect(() => histogram.record(value)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }))
    expect(() => histogram.percentile(value)).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }))
    expect(histogram.count).toBe(1)
  })

  test('refuses contents that are none of a histogram', () => {
    const content = { count: 1, minimum: 4096, mean: 4096, maximum: 4096 }
    const refused = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })
    expect(() => Histogram.of({ ...content, buckets: [{ from: 4096, to: 4097, count: 1 }] })).toThrow(refused)
    expect(() => Histogram.of({ ...content, buckets: [{ from: 4096, to: 4100, count: 2 }] })).toThrow(refused)
  })
})
