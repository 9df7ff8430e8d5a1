/** How scattered memory lies, told by the lengths of its runs. */
export interface Fragmentation {
  /** The number of runs. */
  readonly runs: number
  /** Bytes of the longest run; 0 if there is none. */
  readonly longest: number
  /** Bytes: half of the memory lies in runs of at least this length. */
  readonly halfInRunsOf: number
  /**
   * 0 if all pages are one run, 1 if no page is followed by its neighbour: the share of the places between pages, taken
   * in order, at which a run ends.
   */
  readonly index: number
  /** Runs by length: from `from` up to twice that, in bytes, which is a power of two. Lengths without runs are omitted. */
  readonly lengths: readonly { readonly from: number; readonly runs: number; readonly bytes: number }[]
}

export function fragmentationOf(
  runs: readonly { readonly length: number; readonly pageSize: number }[],
): Fragmentation {
  const lengths = runs.map(({ length }) => length).sort((one, other) => other - one)
  const pages = runs.reduce((sum, { length, pageSize }) => sum + length / pageSize, 0)
  return {
    runs: runs.length,
    longest: lengths[0] ?? 0,
    halfInRunsOf: halfway(lengths),
    index: pages > 1 ? (runs.length - 1) / (pages - 1) : 0,
    lengths: byPower(lengths),
  }
}

/** The length at which the sum of the lengths, the longest first, reaches half of the whole sum. */
function halfway(lengths: readonly number[]): number {
  const half = lengths.reduce((sum, length) => sum + length, 0) / 2
  let sum = 0
  for (const length of lengths) {
    sum += length
    if (sum >= half) return length
  }
  return 0
}

function byPower(lengths: readonly number[]): Fragmentation['lengths'] {
  const classes = new Map<number, { from: number; runs: number; bytes: number }>()
  for (const length of lengths) {
    const from = 2 ** Math.floor(Math.log2(length))
    const { runs, bytes } = classes.get(from) ?? { runs: 0, bytes: 0 }
    classes.set(from, { from, runs: runs + 1, bytes: bytes + length })
  }
  return [...classes.values()].sort((one, other) => one.from - other.from)
}
