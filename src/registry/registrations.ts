import type { RegionCore } from '../memory/region-core.js'
import type { RegionRegistration, RegisteredRange } from '../memory/region-registration.js'

/**
 * Calls the listener with the range of a region that a registration covers: now, and each time that the registration
 * exchanges its memory. Never, if its memory belongs to no region.
 */
type FollowRange = (listener: (range: RegisteredRange) => void) => void

/** An open registration: its place in the order in which they were made, and the region that it covers now. */
interface Entry {
  readonly order: number
  core: RegionCore | undefined
}

/** The open registrations of a registry, of every kind. Each keeps its region open, and is closed before it. */
export class Registrations {
  readonly #isOurs: (core: RegionCore) => boolean
  readonly #open = new Map<RegionRegistration, Entry>()
  readonly #byRegion = new Map<RegionCore, Set<RegionRegistration>>()
  #made = 0

  /** @param isOurs true for the regions that the registry closes, after their registrations */
  constructor(isOurs: (core: RegionCore) => boolean) {
    this.#isOurs = isOurs
  }

  get count(): number {
    return this.#open.size
  }

  add(registration: RegionRegistration, followRange: FollowRange): void {
    const entry: Entry = { order: this.#made++, core: undefined }
    this.#open.set(registration, entry)
    followRange(({ core, release }) => {
      this.#leave(registration, entry)
      this.#enter(registration, entry, core)
      if (this.#isOurs(core)) core.holds.entrust(release)
    })
    registration.onClose(() => {
      this.#open.delete(registration)
      this.#leave(registration, entry)
    })
  }

  /** In the order in which they were made; only those of one region, when it is given. */
  list(core?: RegionCore): RegionRegistration[] {
    if (core === undefined) return [...this.#open.keys()]
    const order = (registration: RegionRegistration) => this.#open.get(registration)?.order ?? 0
    return [...(this.#byRegion.get(core) ?? [])].sort((one, other) => order(one) - order(other))
  }

  /** Closes all of them, the newest first. */
  close(): void {
    for (const registration of [...this.#open.keys()].reverse()) registration.close({ force: true })
  }

  #enter(registration: RegionRegistration, entry: Entry, core: RegionCore): void {
    entry.core = core
    const those = this.#byRegion.get(core) ?? new Set()
    this.#byRegion.set(core, those.add(registration))
  }

  #leave(registration: RegionRegistration, { core }: Entry): void {
    const those = core && this.#byRegion.get(core)
    if (core === undefined || those === undefined) return
    those.delete(registration)
    if (those.size === 0) this.#byRegion.delete(core)
  }
}
