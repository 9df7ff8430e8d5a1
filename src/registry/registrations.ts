import type { RegionCore } from '../memory/region-core.js'
import { type Registration, regionOf } from '../rdma/registration.js'

const nothing = () => {}

/** What a registry has made known to devices. Each keeps its region open, and goes before it. */
export class Registrations {
  readonly #open = new Set<Registration>()

  get count(): number {
    return this.#open.size
  }

  /** What ends the holds that they have on their regions. */
  get holds(): ReadonlySet<() => void> {
    return new Set([...this.#open].map((registration) => regionOf(registration)?.hold ?? nothing))
  }

  add(registration: Registration): Registration {
    this.#open.add(registration)
    registration.onClose(() => this.#open.delete(registration))
    return registration
  }

  /** In the order in which they were made; those of one region, when it is given. */
  list(core?: RegionCore): Registration[] {
    const all = [...this.#open]
    return core === undefined ? all : all.filter((registration) => regionOf(registration)?.core === core)
  }

  /** Closes all of them, and the windows that are bound to them before. */
  close(): void {
    for (const registration of [...this.#open].reverse()) {
      for (const window of [...registration.windows]) window.close()
      registration.close()
    }
  }
}
