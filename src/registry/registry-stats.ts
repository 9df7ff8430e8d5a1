import type { RegionCore } from '../memory/region-core.js'
import type { BudgetStats } from './budget.js'

/** Open regions of one kind of pages. */
export interface PagesStats {
  readonly regions: number
  readonly bytes: number
}

/** What a registry has and has done, for metrics: numbers and nothing else; sizes are bytes. */
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
  /** Open now, by what backs them: '2MiB', 'transparent', 'base', … */
  readonly pages: Readonly<Record<string, PagesStats>>
  /** Since the registry was opened: regions that were allocated. */
  readonly allocated: number
  /** Allocations that failed or were aborted. */
  readonly failed: number
  /** Regions that got other pages than their first preference. */
  readonly fallbacks: number
  /** Regions that were closed. */
  readonly closed: number
  /** Regions whose Region object was collected while they were open, as far as they were watched. */
  readonly leaked: number
  /** The limits that there are, and what stands against them. */
  readonly budget: BudgetStats
}

/** The numbers of a registry that only ever grow, and those of what is open. */
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
    // A kind that was there stays with its zeros, so that a metric does not vanish between two looks.
    const before = this.#pages.get(pages) ?? { regions: 0, bytes: 0 }
    this.#pages.set(pages, { regions: before.regions + regions, bytes: before.bytes + bytes })
  }
}
