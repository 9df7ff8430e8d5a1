import { setImmediate as turn } from 'node:timers/promises'

/** Something that can be measured again and again. */
export interface Probe {
  /** Brings memory into the caches that can hold it, as it is in the long run. Not counted. */
  warmUp(): void
  /** Does the work so many times, in a loop without a clock in it; the seconds that it took. */
  run(rounds: number): number
  /** Gives back what it has on its region, which the next probe may have then. */
  close?(): void
}

/** How long probes are sampled. */
export interface SamplingTime {
  /** Seconds for all probes together, warm-ups included; no new turn is begun after that. */
  readonly seconds: number
  /** Turns that are taken all the same. */
  readonly leastTurns: number
}

/**
 * What a sample takes at least. Many short samples are better than few long ones: on a busy machine one that is longer
 * than the scheduler's time slice is never undisturbed, and then nor is the median.
 */
const sampleSeconds = 0.002
/** Samples that are counted in one turn of a probe. */
const samplesInTurn = 5

/**
 * Seconds a round of each probe, sample by sample. The probes take turns, forwards and backwards alternately, so that
 * what slows the machine for a while slows all of them. Each turn begins with a warm-up, since the turn of the others has
 * emptied the caches. The event loop comes round between turns, so that a signal is heard.
 */
export async function sampleInTurn(
  probes: readonly Probe[],
  { seconds, leastTurns }: SamplingTime,
): Promise<readonly (readonly number[])[]> {
  const taken = probes.map((probe): Sampled => ({ probe, rounds: undefined, samples: [] }))
  const end = performance.now() + seconds * 1e3
  for (let count = 0; count < leastTurns || performance.now() < end; count++) {
    for (const sampled of count % 2 === 0 ? taken : taken.toReversed()) {
      takeTurn(sampled)
      await turn()
    }
  }
  return taken.map(({ samples }) => samples)
}

interface Sampled {
  readonly probe: Probe
  /** Rounds that make a sample; known after the first turn. */
  rounds: number | undefined
  readonly samples: number[]
}

function takeTurn(sampled: Sampled): void {
  const { probe, samples } = sampled
  probe.warmUp()
  sampled.rounds ??= roundsOfSample(probe)
  probe.run(sampled.rounds)
  for (let count = 0; count < samplesInTurn; count++) samples.push(probe.run(sampled.rounds) / sampled.rounds)
}

/** Rounds that take `sampleSeconds`, found by growing: the first ones are slow, until V8 has compiled the loop. */
function roundsOfSample(probe: Probe): number {
  for (let rounds = 1; ; ) {
    const seconds = probe.run(rounds)
    if (seconds >= sampleSeconds / 2) return Math.max(1, Math.round((rounds * sampleSeconds) / seconds))
    rounds = Math.ceil(rounds * Math.min(8, (1.5 * sampleSeconds) / Math.max(seconds, 1e-9)))
  }
}

/** Seconds that `work` takes. */
export function secondsOf(work: () => void): number {
  const begin = performance.now()
  work()
  return (performance.now() - begin) / 1e3
}
