import { type Distribution, distribution } from '../src/cli/bench/distribution.js'

export { type Distribution, distribution }

/**
 * Sampling. The speed of a machine that others use, too, changes by the second, so no figure is measured alone. Ours
 * and its peers are sampled in turn, in the order A B, B A, A B …, and a ratio is the median of the ratios of
 * neighbours. A disturbance of a pair disturbs both its halves. A disturbance of a few pairs does not change the
 * median.
 *
 * A contender returns the seconds that its rounds took, and contains its own loop, written out. V8 keeps one set of
 * type feedback and one optimized code for each function literal. So a loop that is shared, such as `for (…) work()`,
 * sees every `work`, inlines none of them, and measures the call. For the same reason every suite runs in a process of
 * its own, and some suites run every row in one.
 */
export type Contender = (rounds: number) => number | Promise<number>

export interface Sampling {
  /** How many samples of each contender count. */
  readonly samples: number
  /** How many samples come first and do not count. With them, V8 compiles the code and the kernel fills its caches. */
  readonly warmUp: number
  /**
   * Rounds in one sample. Many short samples (half a millisecond) are better than few long ones. On a busy machine
   * every sample that is longer than the scheduler's time slice is disturbed, and so is the median.
   */
  readonly rounds: number
}

/** A contender that runs 1 of `share` rounds, and counts its time for all: for peers that are much slower than ours. */
export function oneIn(share: number, contender: Contender): Contender {
  return async (rounds) => (await contender(Math.ceil(rounds / share))) * (rounds / Math.ceil(rounds / share))
}

/** Seconds that have passed since `start`, a value of `process.hrtime.bigint()`. */
export function secondsSince(start: bigint): number {
  return Number(process.hrtime.bigint() - start) / 1e9
}

/**
 * A contender that is a loop of JavaScript. `loop` runs its rounds and returns the sum of their results, so that V8
 * cannot leave them out. The loop is a function of its own, without the clock in it. If the sum is live across a call
 * after the loop, V8's register allocator keeps it in memory during the loop. Then look-ups of 0.9 ns seemed to take
 * 3 ns.
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

/** Seconds a round of each contender, sample by sample. The nth samples of all contenders were taken side by side. */
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

  /** The part of `one` that goes beyond `other`, as a ratio to `other`. */
  excess(one: Name, other: Name): Distribution {
    return this.#pairwise(one, other, (a, b) => a / b - 1)
  }

  /** The ratio of `one` to `other`, as a ratio to that of `theirOne` to `theirOther`. */
  ratioOfRatios([one, other]: readonly [Name, Name], [theirOne, theirOther]: readonly [Name, Name]): Distribution {
    const theirs = this.#pairs(theirOne, theirOther, (a, b) => a / b)
    return distribution(this.#pairs(one, other, (a, b) => a / b).map((ratio, at) => ratio / (theirs[at] ?? Number.NaN)))
  }

  #pairwise(one: Name, other: Name, join: (a: number, b: number) => number): Distribution {
    return distribution(this.#pairs(one, other, join))
  }

  #pairs(one: Name, other: Name, join: (a: number, b: number) => number): number[] {
    const others = this.#of(other)
    return this.#of(one).map((seconds, index) => join(seconds, others[index] ?? Number.NaN))
  }

  #of(name: Name): readonly number[] {
    return this.#samples.get(name) ?? []
  }
}

/** Samples all contenders in turn, alternately forwards and backwards, so that no contender always follows another. */
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
