import { describe, expect, test } from 'vitest'
import { chartsOf } from '../../src/cli/perf/charts.js'
import { renderCharts } from '../../src/cli/perf/page.js'
import { bandwidthReport, latencyReport, registerReport, registerResult } from '../support/perf-reports.js'

describe('the charts', () => {
  test('of a bandwidth show each size', () => {
    const [bandwidth, rate] = chartsOf([bandwidthReport({ 64: 1, 4096: 10 })], [])
    expect(bandwidth).toMatchObject({
      across: 'size',
      up: 'Gbit/s',
      lines: [
        {
          name: 'write',
          points: [
            [64, 1],
            [4096, 10],
          ],
        },
      ],
    })
    expect(rate?.lines[0]?.points[0]?.[1]).toBeCloseTo(1e9 / 8 / 64, -2)
  })

  test('of a latency show how many percent are at most so long', () => {
    const [percentiles] = chartsOf([latencyReport({ 2: [1000, 2000, 3000, 4000] })], [])
    const points = percentiles?.lines[0]?.points ?? []
    expect(points.map(([percent]) => percent)).toEqual([25, 50, 75, 99.999])
    for (const [index, [, time]] of points.entries()) expect(time).toBeCloseTo(index + 1, 1)
  })

  test('of two documents tell them apart', () => {
    const charts = chartsOf([bandwidthReport({ 64: 1 }), bandwidthReport({ 64: 2 })], ['a.json', 'b.json'])
    expect(charts[0]?.lines.map(({ name }) => name)).toEqual(['a.json: write', 'b.json: write'])
  })
})

test.each([
  ['bandwidth', bandwidthReport({ 64: 1, 4096: 10 }), ['Bandwidth by size', 'Message rate by size']],
  ['latency', latencyReport({ 2: [1000, 2000], 64: [1500] }), ['Latency by percentile', 'Latency by size']],
  ['register', registerReport([registerResult()]), ['Registering, by size', 'Closing a registration, by size']],
] as const)(
  'the page of %s draws each chart for wide and narrow screens, and loads nothing',
  async (_, report, titles) => {
    const page = await renderCharts([report], [])
    for (const title of titles) expect(page).toContain(`<h2>${title}</h2>`)
    expect(page.match(/<svg /g)).toHaveLength(2 * titles.length)
    expect(page).not.toMatch(/<script|<link|src=|NaN|Infinity/)
  },
)
