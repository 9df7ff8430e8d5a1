import { PinfoldError } from '../errors.js'
import type { Histogram } from './histogram.js'
import type { Distribution, Percentiles } from './report.js'

/** The percentiles of a distribution: the name in the document, and the percentage. */
export const percentages: readonly (readonly [name: keyof Percentiles, percentage: number])[] = [
  ['p50', 50],
  ['p90', 90],
  ['p99', 99],
  ['p99_9', 99.9],
  ['p99_99', 99.99],
]

/**
 * The distribution of a histogram, as documents contain it.
 *
 * @throws PinfoldError `ERR_OUT_OF_RANGE` for a histogram without values
 */
export function distributionOf(histogram: Histogram): Distribution {
  const { count, minimum, mean, standardDeviation, maximum } = histogram
  if (count === 0)
    throw new PinfoldError('a histogram without values has no distribution', { code: 'ERR_OUT_OF_RANGE' })
  const percentiles: Percentiles = {
    p50: histogram.percentile(50),
    p90: histogram.percentile(90),
    p99: histogram.percentile(99),
    p99_9: histogram.percentile(99.9),
    p99_99: histogram.percentile(99.99),
  }
  const buckets = histogram.buckets()
  return { unit: 'ns', count, minimum, mean, standardDeviation, maximum, percentiles, buckets }
}
