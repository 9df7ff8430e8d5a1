import { describe, expect, test } from 'vitest'
import { compareReports } from '../../src/perf/compare.js'
import { bandwidthReport, host, latencyReport, registerReport, registerResult } from '../support/perf-reports.js'

describe('two documents of one tool', () => {
  test('are compared size by size; less bandwidth is worse', () => {
    const { figures, differences, alone } = compareReports(
      bandwidthReport({ 64: 1, 4096: 10 }),
      bandwidthReport({ 64: 1.1, 4096: 9 }),
    )
    const found = figures.filter(({ figure }) => figure === 'bandwidth')
    expect(found).toMatchObject([
      { bytes: 64, one: 1, other: 1.1, unit: 'Gbit/s' },
      { bytes: 4096, one: 10, other: 9, oneSpread: [9, 11] },
    ])
    expect(found.map(({ worse }) => worse.toFixed(3))).toEqual(['-0.100', '0.100'])
    expect({ differences, alone }).toEqual({ differences: [], alone: [] })
  })

  test('more time is worse', () => {
    const { figures } = compareReports(latencyReport({ 2: [1000, 1000] }), latencyReport({ 2: [1500, 1500] }))
    expect(figures.map(({ figure }) => figure)).toEqual(['p50', 'p99', 'p99.9'])
    for (const { worse, ratio } of figures) {
      expect(worse).toBeCloseTo(0.5, 2)
      expect(ratio).toBeCloseTo(1.5, 2)
    }
  })

  test('tell what differed, and which size is in one alone', () => {
    const other = {
      ...bandwidthReport({ 64: 1, 128: 2 }),
      local: { ...host, kernel: '6.19.0', pinned: true },
      options: { operation: 'write', depth: 64 },
    }
    const { differences, alone } = compareReports(bandwidthReport({ 64: 1, 256: 4 }), other)
    expect(differences).toEqual([
      { what: 'local kernel', one: '6.18.0', other: '6.19.0' },
      { what: 'local CPUs', one: '0-3', other: '0-3, pinned' },
      { what: 'option depth', one: '128', other: '64' },
    ])
    expect(alone).toEqual(['256 bytes', '128 bytes'])
  })

  test('of registrations are compared by pages and threads, too', () => {
    const { figures } = compareReports(registerReport([registerResult()]), registerReport([registerResult()]))
    expect(figures.length).toBeGreaterThan(0)
    for (const { pages, threads, ratio } of figures) {
      expect(pages).not.toBeNull()
      expect(threads).not.toBeNull()
      expect(ratio).toBe(1)
    }
  })
})

test('documents of different tools, or without a common size, are refused', () => {
  const bandwidth = bandwidthReport({ 64: 1 })
  expect(() => compareReports(bandwidth, latencyReport({ 2: [1000] }))).toThrow(
    'expected two documents of one tool, received bandwidth and latency',
  )
  expect(() => compareReports(bandwidth, bandwidthReport({ 128: 1 }))).toThrow('no size is in both documents')
})
