import { type Caller, captureStack } from '../memory/call-stack.js'

/**
 * Which regions are watched: none, one in 128, or all. A watched region costs a stack trace when it is allocated (some
 * microseconds, about 1 KiB of heap).
 */
export type LeakLevel = 'off' | 'sampled' | 'all'

/** Of how many regions one is watched at the level 'sampled'. */
export const sampleInterval = 128

interface Watch {
  /** Told when the object was collected. Must not lead to the object, or it never is. */
  readonly report: () => void
}

// Of the module, not of a registry: a FinalizationRegistry that is collected together with what it watches tells
// nothing. What it holds for an object lives as long as the object does.
const watches = new FinalizationRegistry<Watch>((watch) => watch.report())

/**
 * Notices objects that are collected though their owner should have closed them first.
 *
 * It frees nothing: finalizers come late, and not at all when the process exits.
 */
export class LeakDetector {
  readonly level: LeakLevel
  readonly #sample: () => boolean

  /** @param sample - Decides at the level 'sampled'. By chance, since a count would keep step with a loop. */
  constructor(level: LeakLevel, sample: () => boolean = () => Math.random() * sampleInterval < 1) {
    this.level = level
    this.#sample = sample
  }

  /** The stack above `entry` if the next object is to be watched, else undefined. */
  capture(entry: Caller): string | undefined {
    if (this.level === 'off' || (this.level === 'sampled' && !this.#sample())) return undefined
    return captureStack(entry)
  }

  /** Calls `report` once `object` has been collected, unless `forget(token)` came before. */
  watch(object: object, token: object, report: () => void): void {
    watches.register(object, { report }, token)
  }

  forget(token: object): void {
    watches.unregister(token)
  }
}
