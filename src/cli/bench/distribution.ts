/** The summary of many samples of one quantity. */
export interface Distribution {
  readonly median: number
  /** 10th percentile. */
  readonly low: number
  /** 90th percentile. */
  readonly high: number
}

export function distribution(samples: readonly number[]): Distribution {
  const sorted = Float64Array.from(samples).sort()
  return { median: percentile(sorted, 0.5), low: percentile(sorted, 0.1), high: percentile(sorted, 0.9) }
}

function percentile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1)
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position % 1)
}
