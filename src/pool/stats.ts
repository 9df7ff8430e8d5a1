import type { PoolCache } from './cache.js'
import { magazineWord, threadWord } from './layout.js'

/** The counters of a pool, and of this thread's use of it. */
export interface BufferPoolStats {
  /** Elements in the pool. */
  readonly capacity: number
  /** Free elements: in the depot and in the caches of all threads. */
  readonly available: number
  /** Elements in this thread's cache. */
  readonly cached: number
  /**
   * Elements that this thread's calls found in its cache: `hits / (hits + missed)` tells how useful the cache is. Only
   * of a pool with `statistics` or `tracking`.
   */
  readonly hits?: number
  /** Elements that this thread took in calls that had to fetch some from the depot first. */
  readonly missed: number
  /** How often this thread fetched elements from the depot. */
  readonly refills: number
  /** How often this thread brought elements to the depot. */
  readonly flushes: number
  /** How often a call of this thread found too few elements. */
  readonly failures: number
}

/** @param taken elements that this thread has taken, when the pool counts them */
export function statsOf(cache: PoolCache, available: number, taken: number | undefined): BufferPoolStats {
  const words = cache.wordsNow()
  const tally = (what: number) => words[cache.thread + what] >>> 0
  // No word stands there while the magazines are unknown.
  const countOf = (magazine: number) => words[magazine + magazineWord.count] ?? 0
  const missed = tally(threadWord.missed)
  return {
    capacity: cache.shape.capacity,
    available,
    cached: countOf(cache.magazines.loaded) + countOf(cache.magazines.other),
    ...(taken === undefined ? {} : { hits: taken - missed }),
    missed,
    refills: tally(threadWord.refills),
    flushes: tally(threadWord.flushes),
    failures: tally(threadWord.failures),
  }
}
