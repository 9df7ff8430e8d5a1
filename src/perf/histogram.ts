import { ceil, clz32, floor, max, min } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { describe } from '../sizes.js'

// The buckets of HdrHistogram for three significant digits, with a nanosecond as the unit. Values below 2,048 have a
// bucket each. Above, each doubling has 1,024 buckets, so that a bucket is narrower than a thousandth of its values.

const bucketsPerDoubling = 1024
/** log2 of bucketsPerDoubling */
const bucketBits = 10
/** Values up to 2^42 - 1 ns have a bucket: 73 minutes. Greater values count in the last bucket. */
const valueBits = 42
const bucketCount = (valueBits - bucketBits + 1) * bucketsPerDoubling
const greatestValue = 2 ** valueBits - 1

/** A bucket that contains values: those from `from` to less than `to`, in nanoseconds. */
export interface Bucket {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** The content of a histogram, without its empty buckets. Times are nanoseconds. */
export interface HistogramContent {
  readonly count: number
  readonly minimum: number
  readonly mean: number
  readonly maximum: number
  /** In ascending order. */
  readonly buckets: readonly Bucket[]
}

/**
 * A histogram of times in nanoseconds, from 1 ns to 73 minutes. Minimum, maximum and mean are exact. A percentile is at
 * most 0.1 % above the value that was recorded. The memory is fixed (264 KiB), and recording allocates nothing.
 */
export class Histogram {
  // A double counts to 2^53. A 32-bit counter would overflow within minutes on a fast device.
  readonly #counts = new Float64Array(bucketCount)
  #count = 0
  #sum = 0
  #minimum = Number.POSITIVE_INFINITY
  #maximum = 0

  /**
   * The histogram with this content.
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT` for a bucket that is none of a Histogram
   */
  static of({ count, minimum, mean, maximum, buckets }: HistogramContent): Histogram {
    const histogram = new Histogram()
    for (const bucket of buckets) {
      if (!isBucket(bucket)) throw noBucket(bucket)
      const index = indexOf(bucket.from)
      histogram.#counts[index] = (histogram.#counts[index] ?? 0) + bucket.count
      histogram.#count += bucket.count
    }
    if (histogram.#count !== count) throw wrongCount(count, histogram.#count)
    if (count === 0) return histogram
    histogram.#sum = mean * count
    histogram.#minimum = minimum
    histogram.#maximum = maximum
    return histogram
  }

  /**
   * Counts a value `count` times. A fraction of a nanosecond is cut off.
   *
   * @param count 1 or more
   * @throws PinfoldError `ERR_OUT_OF_RANGE` for a negative value and for NaN
   */
  record(nanoseconds: number, count = 1): void {
    if (!(nanoseconds >= 0)) throw outOfRange('record', 'nanoseconds', nanoseconds, 'a number of 0 or more')
    const value = floor(nanoseconds)
    const index = indexOf(value)
    this.#counts[index] = (this.#counts[index] ?? 0) + count
    this.#count += count
    this.#sum += value * count
    if (value < this.#minimum) this.#minimum = value
    if (value > this.#maximum) this.#maximum = value
  }

  /** Adds all values of another histogram. */
  add(other: Histogram): void {
    for (let index = 0; index < bucketCount; index++) {
      this.#counts[index] = (this.#counts[index] ?? 0) + (other.#counts[index] ?? 0)
    }
    this.#count += other.#count
    this.#sum += other.#sum
    this.#minimum = min(this.#minimum, other.#minimum)
    this.#maximum = max(this.#maximum, other.#maximum)
  }

  /** Forgets all values. */
  clear(): void {
    this.#counts.fill(0)
    this.#count = 0
    this.#sum = 0
    this.#minimum = Number.POSITIVE_INFINITY
    this.#maximum = 0
  }

  /** The number of values. */
  get count(): number {
    return this.#count
  }

  /** The least value. NaN without values, as all the following. */
  get minimum(): number {
    return this.#count === 0 ? Number.NaN : this.#minimum
  }

  get maximum(): number {
    return this.#count === 0 ? Number.NaN : this.#maximum
  }

  get mean(): number {
    return this.#sum / this.#count
  }

  /** Of the population: the values are all that there were, not a sample. Computed from the middles of buckets. */
  get standardDeviation(): number {
    const { mean } = this
    let squares = 0
    for (let index = 0; index < bucketCount; index++) {
      const count = this.#counts[index] ?? 0
      if (count > 0) squares += count * ((lowest(index) + highest(index)) / 2 - mean) ** 2
    }
    return Math.sqrt(squares / this.#count)
  }

  /**
   * The least value that `percentage` percent of all values do not exceed. It is at most 0.1 % too large, and never above
   * the maximum.
   *
   * @param percentage from 0 to 100: 99.9
   * @throws PinfoldError `ERR_OUT_OF_RANGE`
   */
  percentile(percentage: number): number {
    if (!(percentage >= 0 && percentage <= 100)) {
      throw outOfRange('percentile', 'percentage', percentage, 'a number from 0 to 100')
    }
    if (this.#count === 0) return Number.NaN
    // 99.9 % of 1,000 values are 999, and a little more in binary fractions. That must not become one value more.
    const wanted = max(1, ceil(((percentage * this.#count) / 100) * (1 - 2 ** -50)))
    let seen = 0
    for (let index = 0; index < bucketCount - 1; index++) {
      seen += this.#counts[index] ?? 0
      if (seen >= wanted) return min(highest(index), this.#maximum)
    }
    return this.#maximum
  }

  /** The buckets that contain values, in ascending order. */
  buckets(): Bucket[] {
    const buckets: Bucket[] = []
    for (let index = 0; index < bucketCount; index++) {
      const count = this.#counts[index] ?? 0
      if (count > 0) buckets[buckets.length] = { from: lowest(index), to: lowest(index + 1), count }
    }
    return buckets
  }

  /** The content, as `Histogram.of` takes it: for JSON, and for another thread. */
  content(): HistogramContent {
    const { count, minimum, mean, maximum } = this
    return { count, minimum, mean, maximum, buckets: this.buckets() }
  }
}

function isBucket({ from, to, count }: Bucket): boolean {
  if (!(Number.isSafeInteger(from) && from >= 0 && count > 0)) return false
  const index = indexOf(from)
  return lowest(index) === from && lowest(index + 1) === to
}

/** The bucket of a whole number. */
function indexOf(value: number): number {
  if (value < 2 * bucketsPerDoubling) return value
  if (value > greatestValue) return bucketCount - 1
  const high = floor(value / 2 ** 32)
  const exponent = high > 0 ? 63 - clz32(high) : 31 - clz32(value)
  const doublings = exponent - bucketBits
  return doublings * bucketsPerDoubling + floor(value / 2 ** doublings)
}

/** The least value of a bucket. */
function lowest(index: number): number {
  if (index < 2 * bucketsPerDoubling) return index
  const doublings = floor(index / bucketsPerDoubling) - 1
  return (index - doublings * bucketsPerDoubling) * 2 ** doublings
}

/** The greatest whole number of a bucket. */
function highest(index: number): number {
  return lowest(index + 1) - 1
}

function outOfRange(call: string, name: string, value: unknown, expected: string): PinfoldError {
  return new PinfoldError(`${call}: ${name}: expected ${expected}, received ${describe(value)}`, {
    code: 'ERR_OUT_OF_RANGE',
    values: { [name]: value },
  })
}

function noBucket({ from, to }: Bucket): PinfoldError {
  return new PinfoldError(`a histogram has no bucket from ${from} to ${to} ns`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { from, to },
  })
}

function wrongCount(count: number, counted: number): PinfoldError {
  return new PinfoldError(`a histogram of ${count} values has ${counted} in its buckets`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { count, counted },
  })
}
