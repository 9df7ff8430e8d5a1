import { type Caller, captureStack } from '../memory/call-stack.js'

/**
 * Which regions are watched: none, one in 128, or all. A watched region costs a stack trace when it is allocated (some
 * microseconds, about 1 KiB of heap).
 */
export type LeakLevel = 'off' | 'sampled' | 'all'

/** The level 'sampled' watches one region in so many. */
export const sampleInterval = 128

interface Watch {
  /** Called when the object was collected. It must not refer to the object, which would then never be collected. */
  readonly report: () => void
}

// One for the module, not for each registry: a FinalizationRegistry that is collected together with the objects that it
// watches calls nothing. Its entry for an object lives as long as the object does.
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
