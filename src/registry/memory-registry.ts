import { type InspectOptionsStylized, inspect } from 'node:util'
import type { VirtualAddress } from '../addresses.js'
import { type RegionOptions, regionName, regionOptions } from '../memory/region-options.js'
import { checked, optionsObject, signalOption } from '../options.js'
import { formatSize } from '../sizes.js'
import type { Ledger } from './ledger.js'
import type { Region } from './region.js'
import { type AllocateOptions, checkedAllocateOptions } from './registry-options.js'
import type { RegistryStats } from './registry-stats.js'

const waitOptions = optionsObject({ signal: signalOption.optional() })

/**
 * The owner of a program's regions: it makes them under a budget, knows which of them holds an address, and closes them
 * together.
 *
 * A registry belongs to the thread that opened it. A region that another thread has attached stays open there when its
 * registry closes, and lives until that thread, too, has closed it or died.
 *
 * It keeps the regions that it was opened with. Of those that `allocate` makes the program keeps the Region: one that is
 * dropped while it is open is reported as a leak, once, on the channel 'pinfold:region:leak' or else as a process warning,
 * and stays open until the registry closes.
 */
export class MemoryRegistry<Names extends string = never> {
  /** The regions that the registry was opened with, by name. One that was closed by itself stays here, closed. */
  readonly regions: Readonly<Record<Names, Region>>
  readonly #ledger: Ledger

  /** Made by `openRegistry` and `openRegistrySync`. */
  constructor(ledger: Ledger, regions: Readonly<Record<Names, Region>>) {
    this.#ledger = ledger
    this.regions = regions
    ledger.watchRegistry(this)
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#ledger.closed
  }

  /**
   * Makes a region. The event loop stays free while its pages are populated. All or nothing.
   *
   * @param name - 1 to 200 printable ASCII characters without spaces or '/'; unique among this registry's open regions
   * @param options - see {@link RegionOptions}; `signal` stops it while it is being populated
   * @throws the signal's reason when it is aborted, else PinfoldError: `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` (a node
   *   without memory), `ERR_REGION_EXISTS`, `ERR_REGISTRY_CLOSED`, `ERR_BUDGET_EXCEEDED`, `ERR_UNSUPPORTED`,
   *   `ERR_PERMISSION`; of shortage `ERR_HUGEPAGES_SHORT`, `ERR_CGROUP_LIMIT`, `ERR_MEMLOCK_LIMIT`, `ERR_MEMORY_SHORT`,
   *   `ERR_NODE_MISMATCH`; else `ERR_SYSTEM`
   */
  async allocate(name: string, options: AllocateOptions): Promise<Region> {
    const { options: region, signal } = checkedAllocateOptions(options)
    const stack = this.#ledger.captureStack(this.allocate)
    return this.#ledger.allocate(name, region, stack, signal)
  }

  /**
   * As `allocate`, but this thread waits until every page is there.
   *
   * @throws PinfoldError as `allocate`
   */
  allocateSync(name: string, options: RegionOptions): Region {
    const region = checked('allocate', regionOptions, options)
    const stack = this.#ledger.captureStack(this.allocateSync)
    return this.#ledger.allocateSync(name, region, stack)
  }

  /**
   * The open region of that name; undefined when there is none (yet, or any more).
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT` when it is no name that a region can have
   */
  get(name: string): Region | undefined {
    return this.#ledger.get(checked('get: name', regionName, name))
  }

  /**
   * The open region that holds `address`, undefined when none of this registry does. O(log n).
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT` when it is no bigint, `ERR_OUT_OF_RANGE` when it is no 64-bit address
   */
  find(address: VirtualAddress): Region | undefined {
    return this.#ledger.find(address)
  }

  /** The open regions, in the order in which they were made. */
  list(): Region[] {
    return this.#ledger.list()
  }

  /** What it has and has done, as plain numbers. */
  stats(): RegistryStats {
    return this.#ledger.stats()
  }

  /**
   * Closes every region that is open, and stops allocations that are under way: they fail with `ERR_REGISTRY_CLOSED`, and
   * what they have populated is given back soon after. Once only: a second call does nothing.
   *
   * @throws PinfoldError `ERR_REGION_HELD` that names the regions and their holders; nothing is changed then
   */
  close(): void {
    this.#ledger.close()
  }

  /**
   * Waits until no region is held, then closes the registry, and waits until allocations that it stopped have given back
   * what they had. Meanwhile no hold is given and no region made.
   *
   * @throws the signal's reason when it is aborted while a region is held (all stays as it was), PinfoldError
   *   `ERR_INVALID_ARGUMENT`
   */
  async closeWhenReleased(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = checked('closeWhenReleased', waitOptions, options)
    await this.#ledger.closeWhenReleased(signal)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.closeWhenReleased()
  }

  /** One line for the registry and one for each open region. */
  [inspect.custom](depth: number | null, options: InspectOptionsStylized): string {
    const { regions, bytes, budget } = this.stats()
    const count = `${regions} ${regions === 1 ? 'region' : 'regions'}, ${formatSize(bytes)}`
    const limit = budget.total === undefined ? '' : ` of ${formatSize(budget.total.limit)}`
    const head = `MemoryRegistry { ${this.closed ? 'closed' : count + limit} }`
    if (depth !== null && depth < 0) return head
    return [head, ...this.list().map((region) => `  ${inspect(region, options)}`)].join('\n')
  }
}
