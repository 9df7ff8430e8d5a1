import type { RegionCore } from '../memory/region-core.js'
import type { RegionRegistration, RegisteredRange } from '../memory/region-registration.js'

/** The range that a registration covers now; undefined for memory of no region. It changes when memory is exchanged. */
type RangeNow = () => RegisteredRange | undefined

/** The open registrations of a registry, of every kind. Each keeps its region open, and is closed before it. */
export class Registrations {
  readonly #open = new Map<RegionRegistration, RangeNow>()

  get count(): number {
    return this.#open.size
  }

  /** The functions that end the holds of the registrations on their regions. */
  get holds(): ReadonlySet<() => void> {
    return new Set([...this.#open.values()].flatMap((rangeNow) => rangeNow()?.release ?? []))
  }

  add(registration: RegionRegistration, rangeNow: RangeNow): void {
    this.#open.set(registration, rangeNow)
    registration.onClose(() => this.#open.delete(registration))
  }

  /** In the order in which they were made; only those of one region, when it is given. */
  list(core?: RegionCore): RegionRegistration[] {
    if (core === undefined) return [...this.#open.keys()]
    return [...this.#open].filter(([, rangeNow]) => rangeNow()?.core === core).map(([registration]) => registration)
  }

  /** Closes all of them, the newest first. */
  close(): void {
    for (const registration of [...this.#open.keys()].reverse()) registration.close({ force: true })
  }
}
