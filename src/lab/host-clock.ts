import { setTimeout } from 'node:timers/promises'
import { native } from '../native.js'

/** The least milliseconds between two readings. Each reading is exact to about 100 ns. */
const span = 20

/**
 * Measures how fast this processor's timestamp counter runs, from now until `kilohertz()` is called. An emulated
 * machine uses that counter as its own. Its kernel would measure the counter against timers, which a busy host serves
 * late.
 */
export class HostClock {
  readonly #first = native.timestampCounter()

  /** The frequency in kHz; undefined if the processor has no such counter. */
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
