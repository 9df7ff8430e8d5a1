import { describe, expect, test } from 'vitest'
import { distributionOf } from '../../src/perf/distribution.js'
import { Histogram } from '../../src/perf/histogram.js'
import { checkedReport } from '../../src/perf/report-schema.js'
import {
  bandwidthReport,
  distribution,
  latencyReport,
  registerReport,
  registerResult,
} from '../support/perf-reports.js'

const documents = {
  bandwidth: bandwidthReport({ 64: 1, 65536: 20 }),
  rate: bandwidthReport({ 64: 1 }, { tool: 'rate' }),
  latency: latencyReport({ 64: [1000, 2000, 3000] }),
  register: registerReport([registerResult()]),
}
type Json = Record<string, unknown>
const written = (document: object): Json => JSON.parse(JSON.stringify(document))

describe('a document of perf', () => {
  test.each(Object.entries(documents))('of %s is the same after it was written and read', (_, document) => {
    expect(checkedReport('a.json', written(document))).toEqual(written(document))
  })

  test('may have properties that are not known', () => {
    expect(checkedReport('a.json', { ...written(documents.latency), later: 1 })).toEqual(written(documents.latency))
  })

  test.each<[problem: string, change: Json, message: RegExp]>([
    ['another version', { schema: 'pinfold/perf/2' }, /^a\.json: schema: expected "pinfold\/perf\/1".*perf\/2/],
    ['another tool', { tool: 'memory' }, /^a\.json: tool: /],
    ['no results', { results: [] }, /^a\.json: results: expected an array, of 1 to/],
    ['a wrong result', { results: [{ bytes: -1 }] }, /^a\.json: results\.0\.bytes: .*received -1/],
    ['no host', { local: undefined }, /^a\.json: local: .*received undefined/],
    ['an option that is an object', { options: { a: {} } }, /^a\.json: options\.a: /],
  ])('with %s is refused', (_, change, message) => {
    const document = { ...written(documents.latency), ...change }
    expect(() => checkedReport('a.json', document)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) }),
    )
  })

  test.each([null, 1, 'text', [], {}])('is not %j', (value) => {
    expect(() => checkedReport('a.json', value)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })
})

describe('a distribution', () => {
  test('has the figures of its histogram', () => {
    const values = Array.from({ length: 1000 }, (_, at) => at + 1)
    expect(distribution(...values)).toMatchObject({
      count: 1000,
      minimum: 1,
      mean: 500.5,
      maximum: 1000,
      percentiles: { p50: 500, p90: 900, p99: 990, p99_9: 999, p99_99: 1000 },
    })
  })

  test('becomes the same histogram again', () => {
    const one = distribution(1, 5000, 70_000)
    expect(distributionOf(Histogram.of(one))).toEqual(one)
  })

  test('needs a value', () => {
    expect(() => distributionOf(new Histogram())).toThrow(expect.objectContaining({ code: 'ERR_OUT_OF_RANGE' }))
  })
})
