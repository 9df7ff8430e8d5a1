import { setTimeout } from 'node:timers/promises'
import { native } from '../native.js'

/** Milliseconds between two readings, at least: each is right to some 100 ns. */
const span = 20

/**
 * Measures how fast this processor's timestamp counter runs, from now until `kilohertz()` is asked. An emulated machine
 * has that counter for its own, and its kernel would measure it against timers that a busy host serves late.
 */
export class HostClock {
  readonly #first = native.timestampCounter()

  /** Undefined where the processor has no such counter. */
  async kilohertz(): Promise<number | undefined> {
    if (this.#first === undefined) return undefined
    const [ticks, nanoseconds] = this.#first
    for (;;) {
      const [laterTicks, later] = native.timestampCounter() ?? this.#first
      const milliseconds = (later - nanoseconds) / 1e6
      if (milliseconds >= span) {
        const kilohertz = Math.round((laterTicks - ticks) / milliseconds)
        return kilohertz > 0 ? kilohertz : undefined
      }
      await setTimeout(span - milliseconds)
    }
  }
}
