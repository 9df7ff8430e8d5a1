/** What bad weather has done. A request that a flush has ended is not listed. */
export type WeatherEvent =
  | 'carried out'
  | 'lost'
  | 'not ready'
  | 'failed'
  | 'stalled'
  | 'overrun'
  | 'port down'
  | 'port up'
  | 'removed'
  | 'no keys'

/** A line of the log of bad weather: plain data, so that two runs can be compared. */
export interface WeatherNote {
  /** Turns of the event loop in which something waited, since the weather began. */
  readonly turn: number
  readonly event: WeatherEvent
  /** The number of the request, as the options of `weather` count; undefined for other events. */
  readonly request: number | undefined
  /** The number of the queue pair, in the order in which they first posted; undefined for other events. */
  readonly queuePair: number | undefined
}

/** The log keeps the newest notes. */
const mostNotes = 4096

export class WeatherLog {
  readonly #notes: WeatherNote[] = []

  add(turn: number, event: WeatherEvent, request?: number, queuePair?: number): void {
    this.#notes.push({ turn, event, request, queuePair })
    if (this.#notes.length > 2 * mostNotes) this.#notes.splice(0, mostNotes)
  }

  notes(): WeatherNote[] {
    return this.#notes.slice(-mostNotes)
  }
}
