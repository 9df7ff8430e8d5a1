import { type Distribution, distribution } from '../src/cli/bench/distribution.js'

export { type Distribution, distribution }

/**
 * Sampling. A machine that others use too gets faster and slower by the second, so a figure is never taken alone: ours
 * and its peers are sampled in turn, in rounds of A B, B A, A B …, and a ratio is the median of the ratios of
 * neighbours. What disturbs one pair disturbs both its halves; what disturbs a few pairs leaves the median.
 *
 * A contender tells the seconds that its rounds took, and holds its own loop, written out. It must: V8 keeps one set of type feedback and one
 * optimized code per function literal, so a loop that is shared, such as `for (…) work()`, sees every `work` there is,
 * inlines none, and measures the call. For the same reason every suite runs in a process of its own, and
 * of those of nanoseconds every row.
 */
export type Contender = (rounds: number) => number | Promise<number>

export interface Sampling {
  /** Times that each contender is sampled and counted. */
  readonly samples: number
  /** Times that each is sampled first and not counted; what V8 compiles and the kernel caches is then there. */
  readonly warmUp: number
  /**
   * Rounds in one sample. Many short samples (half a millisecond) are better than few long ones: on a busy machine a
   * sample longer than the scheduler's time slice is never undisturbed, and then nor is the median.
   */
  readonly rounds: number
}

/** A peer that is so much slower that one of `share` rounds is enough of a sample. */
export function oneIn(share: number, contender: Contender): Contender {
  return async (rounds) => (await contender(Math.ceil(rounds / share))) * (rounds / Math.ceil(rounds / share))
}

/** Seconds that have passed since `start`, a value of `process.hrtime.bigint()`. */
export function secondsSince(start: bigint): number {
  return Number(process.hrtime.bigint() - start) / 1e9
}

/**
 * A contender that is a loop of JavaScript: `loop` does its rounds and returns the sum of what they gave, so that V8
 * must do them. The loop is a function of its own, without the clock in it: a sum that is live across a call after the
 * loop is kept in memory by V8's register allocator during it, and made look-ups of 0.9 ns seem 3 ns.
 */
export function timed(loop: (rounds: number) => number): Contender {
  return (rounds) => {
    const start = process.hrtime.bigint()
    const sum = loop(rounds)
    const seconds = secondsSince(start)
    if (Number.isFinite(sum)) return seconds
    throw new Error(`the results of a benchmark add up to ${sum}`)
  }
}

/** Seconds a round of each contender, sample by sample; the nth of one was taken beside the nth of another. */
export class Measurement<Name extends string> {
  readonly #samples: ReadonlyMap<string, readonly number[]>

  constructor(samples: ReadonlyMap<string, readonly number[]>) {
    this.#samples = samples
  }

  of(name: Name): Distribution {
    return distribution(this.#of(name))
  }

  ratio(one: Name, other: Name): Distribution {
    return this.#pairwise(one, other, (a, b) => a / b)
  }

  difference(one: Name, other: Name): Distribution {
    return this.#pairwise(one, other, (a, b) => a - b)
  }

  #pairwise(one: Name, other: Name, join: (a: number, b: number) => number): Distribution {
    const others = this.#of(other)
    return distribution(this.#of(one).map((seconds, index) => join(seconds, others[index] ?? Number.NaN)))
  }

  #of(name: Name): readonly number[] {
    return this.#samples.get(name) ?? []
  }
}

/** Samples all contenders in turn, forwards and backwards alternately, so that none is always the one that follows. */
export async function interleave<Name extends string>(
  contenders: Readonly<Record<Name, Contender>>,
  { samples, warmUp, rounds }: Sampling,
): Promise<Measurement<Name>> {
  const forwards = Object.entries<Contender>(contenders)
  const backwards = forwards.toReversed()
  const taken = new Map<string, number[]>(forwards.map(([name]) => [name, []]))
  for (let turn = -warmUp; turn < samples; turn++) {
    for (const [name, contender] of turn % 2 === 0 ? forwards : backwards) {
      const seconds = await contender(rounds)
      if (turn >= 0) taken.get(name)?.push(seconds / rounds)
    }
  }
  return new Measurement(taken)
}

/** Rounds that keep a contender busy for about `seconds`: a sample much longer than the clock's own error. */
export async function roundsFor(contender: Contender, seconds: number): Promise<number> {
  for (let rounds = 1; ; rounds *= 4) {
    const taken = await contender(rounds)
    if (taken >= seconds / 8) return Math.max(1, Math.round((rounds * seconds) / taken))
  }
}
