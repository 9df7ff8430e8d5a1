import { performance } from 'node:perf_hooks'

/**
 * Milliseconds, with fractions: CLOCK_MONOTONIC. It allocates nothing, where `process.hrtime.bigint()` makes a bigint for
 * each reading. A reading takes about 50 ns, which is also the least difference that two readings show.
 */
export const clock = performance.now.bind(performance)

/** The least difference of two readings of the clock that are not equal, in nanoseconds. */
export function clockResolution(): number {
  let least = Number.POSITIVE_INFINITY
  let before = clock()
  for (let reading = 0; reading < 1000; reading++) {
    const now = clock()
    if (now > before) least = Math.min(least, now - before)
    before = now
  }
  return Math.round(least * 1e6)
}

/** One turn of the event loop: timers, sockets and signals. It finds no completions: 0. */
export function turn(): Promise<number> {
  return new Promise((resolve) => void setImmediate(resolve, 0))
}

/** Milliseconds for which a polling loop may run without a turn of the event loop. */
export const longestRun = 5
