import { setImmediate as turn } from 'node:timers/promises'

/** Something that can be measured again and again. */
export interface Probe {
  /** Brings memory into the caches that can hold it, as it is in the long run. Its time does not count. */
  warmUp(): void
  /** Does the work `rounds` times, in a loop that reads no clock. Returns the seconds that it took. */
  run(rounds: number): number
  /** Gives up the probe's part of the region, which the next probe may then use. */
  close?(): void
}

/** How long the probes are sampled. */
export interface SamplingTime {
  /** The seconds for all probes together, including warm-ups. After that, no new turn begins. */
  readonly seconds: number
  /** The number of turns that are taken in any case. */
  readonly leastTurns: number
}

/**
 * The seconds that a sample takes, approximately. Many short samples are better than few long ones. On a busy machine,
 * a sample that is longer than the scheduler's time slice is always disturbed. Then the median is wrong, too.
 */
const sampleSeconds = 0.002
/** The number of samples that are counted in one turn of a probe. */
const samplesInTurn = 5

/**
 * The seconds of one round of each probe, sample by sample. The probes take turns, forwards and backwards alternately,
 * so that a disturbance slows all of them. Each turn begins with a warm-up, since the turns of the other probes have
 * emptied the caches. The event loop runs between turns, so that signals are handled.
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
  /** The number of rounds in a sample; known after the first turn. */
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

/**
 * The number of rounds that take `sampleSeconds`. It is found by growing, since the first rounds are slow until V8 has
 * compiled the loop.
 */
function roundsOfSample(probe: Probe): number {
  for (let rounds = 1; ; ) {
    const seconds = probe.run(rounds)
    if (seconds >= sampleSeconds / 2) return Math.max(1, Math.round((rounds * sampleSeconds) / seconds))
    rounds = Math.ceil(rounds * Math.min(8, (1.5 * sampleSeconds) / Math.max(seconds, 1e-9)))
  }
}

/** The seconds that `work` takes. */
export function secondsOf(work: () => void): number {
  const begin = performance.now()
  work()
  return (performance.now() - begin) / 1e3
}
