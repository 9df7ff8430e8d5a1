import { clock } from './clock.js'
import type { Flow, Interval, ProcessorTime } from './report.js'

/** Measures processor time of this process, from its construction on. */
export class ProcessorMeter {
  readonly #usage = process.cpuUsage()
  readonly #start = clock()

  get used(): ProcessorTime {
    const { user, system } = process.cpuUsage(this.#usage)
    const microseconds = Math.max(1, (clock() - this.#start) * 1000)
    return { user: user / microseconds, system: system / microseconds }
  }
}

/** Follows the messages of a flow. Times are those of `clock()`. */
export class Meter {
  readonly #bytes: number
  readonly #length: number
  readonly #tell: (interval: Interval) => void
  readonly #processor = new ProcessorMeter()
  readonly #start: number
  readonly #intervals: Interval[] = []
  #begun: number
  #counted = 0

  /** @param length seconds of an interval; null for none */
  constructor(bytes: number, length: number | null, tell: (interval: Interval) => void) {
    this.#bytes = bytes
    this.#length = length === null ? Number.POSITIVE_INFINITY : length * 1000
    this.#tell = tell
    this.#start = clock()
    this.#begun = this.#start
  }

  get start(): number {
    return this.#start
  }

  /** So many messages were done at this time, since the start. */
  advance(messages: number, time: number): void {
    if (time - this.#begun < this.#length) return
    const seconds = (time - this.#begun) / 1000
    const interval = { end: (time - this.#start) / 1000, seconds, ...this.#rates(messages - this.#counted, seconds) }
    this.#intervals.push(interval)
    this.#begun = time
    this.#counted = messages
    this.#tell(interval)
  }

  /** The flow as a whole. */
  end(messages: number, time: number): Flow {
    const seconds = (time - this.#start) / 1000
    const [first] = this.#intervals
    const best = (isBetter: (one: Interval, other: Interval) => boolean) =>
      this.#intervals.reduce((found, interval) => (isBetter(interval, found) ? interval : found), first ?? noInterval)
    return {
      messages,
      bytes: messages * this.#bytes,
      seconds,
      ...this.#rates(messages, seconds),
      intervals: this.#intervals,
      ...(first === undefined
        ? {}
        : {
            minimum: best((one, other) => one.messagesPerSecond < other.messagesPerSecond),
            peak: best((one, other) => one.messagesPerSecond > other.messagesPerSecond),
          }),
      processor: this.#processor.used,
    }
  }

  #rates(messages: number, seconds: number) {
    const messagesPerSecond = seconds > 0 ? messages / seconds : 0
    return { gigabitsPerSecond: (messagesPerSecond * this.#bytes * 8) / 1e9, messagesPerSecond }
  }
}

const noInterval: Interval = { end: 0, seconds: 0, gigabitsPerSecond: 0, messagesPerSecond: 0 }
