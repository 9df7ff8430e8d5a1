import type { RegionCore } from '../memory/region-core.js'
import type { BudgetStats } from './budget.js'

/** Open regions of one kind of pages. */
export interface PagesStats {
  readonly regions: number
  readonly bytes: number
}

/** The state and history of a registry, for metrics: numbers only; sizes are bytes. */
export interface RegistryStats {
  /** Open now. */
  readonly regions: number
  readonly bytes: number
  /** The most bytes that were ever open at once. */
  readonly peakBytes: number
  /** Allocations that are under way. */
  readonly pending: number
  /** Registrations with devices that are open. */
  readonly registrations: number
  /** Open now, by their kind of pages: '2MiB', 'transparent', 'base', … */
  readonly pages: Readonly<Record<string, PagesStats>>
  /** Since the registry was opened: regions that were allocated. */
  readonly allocated: number
  /** Allocations that failed or were aborted. */
  readonly failed: number
  /** Regions that have other pages than their first preference. */
  readonly fallbacks: number
  /** Regions that were closed. */
  readonly closed: number
  /** Watched regions whose Region object was collected while they were open. */
  readonly leaked: number
  /** The limits, and the bytes that count against them. */
  readonly budget: BudgetStats
}

/** The numbers of a registry that only grow, and those of its open regions. */
export class RegistryCounts {
  readonly #pages = new Map<string, PagesStats>()
  #regions = 0
  #bytes = 0
  #peakBytes = 0
  #allocated = 0
  #fallbacks = 0
  #closed = 0
  failed = 0
  leaked = 0

  opened({ pages, size, passedOver }: RegionCore): void {
    this.#allocated += 1
    if (passedOver.length > 0) this.#fallbacks += 1
    this.#change(pages, 1, size)
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes)
  }

  closed({ pages, size }: RegionCore): void {
    this.#closed += 1
    this.#change(pages, -1, -size)
  }

  stats(pending: number, registrations: number, budget: BudgetStats): RegistryStats {
    return {
      regions: this.#regions,
      bytes: this.#bytes,
      peakBytes: this.#peakBytes,
      pending,
      registrations,
      pages: Object.fromEntries(this.#pages),
      allocated: this.#allocated,
      failed: this.failed,
      fallbacks: this.#fallbacks,
      closed: this.#closed,
      leaked: this.leaked,
      budget,
    }
  }

  #change(pages: string, regions: number, bytes: number): void {
    this.#regions += regions
    this.#bytes += bytes
    // A kind without open regions stays listed with zeros, so that its metric does not vanish.
    const before = this.#pages.get(pages) ?? { regions: 0, bytes: 0 }
    this.#pages.set(pages, { regions: before.regions + regions, bytes: before.bytes + bytes })
  }
}
