import { type InspectOptionsStylized, inspect } from 'node:util'
import * as z from 'zod/mini'
import type { VirtualAddress } from '../addresses.js'
import { disposeBy } from '../disposal.js'
import { createLayout, type Layout, type LayoutParts } from '../layout/layout.js'
import { coreOf, type RegionMemory } from '../memory/region-memory.js'
import {
  type AllocateOptions,
  checkedAllocation,
  type RegionOptions,
  regionName,
  regionOptions,
} from '../memory/region-options.js'
import { checked, later, optionsObject, signalOption } from '../options.js'
import type { Access } from '../rdma/contract/access-flags.js'
import type { ProtectionDomain } from '../rdma/protection-domain.js'
import { type RegisterOptions, registerMemory, registerMemoryAsync } from '../rdma/register.js'
import { followRange, isRegistration, type Registration } from '../rdma/registration.js'
import { formatSize } from '../sizes.js'
import type { Ledger } from './ledger.js'
import { isRegion, type Region } from './region.js'
import type { RegistryStats } from './registry-stats.js'

const waitOptions = later(() => optionsObject({ signal: z.optional(signalOption) }))
const regionArgument = later(() =>
  z.custom<Region | undefined>((value) => value === undefined || isRegion(value), {
    error: 'expected a Region',
  }),
)

/**
 * The owner of a program's regions: it makes them under a budget, knows which of them holds an address, and closes them
 * together.
 *
 * A registry belongs to the thread that opened it. A region that another thread has attached stays open there when its
 * registry closes, and lives until that thread, too, has closed it or died.
 *
 * The registry keeps the regions that it was opened with. The program keeps the Region of each region that `allocate`
 * makes. If the program drops a Region while it is open, this is reported as a leak, once, on the channel
 * 'pinfold:region:leak' or otherwise as a process warning; the region stays open until the registry closes.
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

  /** True after the registry was closed. */
  get closed(): boolean {
    return this.#ledger.closed
  }

  /**
   * Makes a region. The event loop stays free while its pages are populated: four regions of a thread at a time, the
   * others wait for their turn. All or nothing. The name and the budget are claimed at the call.
   *
   * @param name - 1 to 200 printable ASCII characters without spaces or '/'; unique among this registry's open regions
   * @param options - see {@link RegionOptions}; `signal` stops it while it waits or is being populated
   * @throws the signal's reason when it is aborted, else PinfoldError: `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` (a
   *   node without memory), `ERR_REGION_EXISTS`, `ERR_REGISTRY_CLOSED`, `ERR_BUDGET_EXCEEDED`, `ERR_UNSUPPORTED`,
   *   `ERR_PERMISSION`; of shortage `ERR_HUGEPAGES_SHORT`, `ERR_CGROUP_LIMIT`, `ERR_MEMLOCK_LIMIT`, `ERR_MEMORY_SHORT`,
   *   `ERR_DESCRIPTORS_SHORT`, `ERR_NODE_MISMATCH`; else `ERR_SYSTEM`
   */
  allocate(name: string, options: AllocateOptions): Promise<Region> {
    try {
      return this.#ledger.allocate(name, checkedAllocation(options), this.#ledger.captureStack(this.allocate))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * As `allocate`, but this thread waits until every page is there.
   *
   * @throws PinfoldError as `allocate`
   */
  allocateSync(name: string, options: RegionOptions): Region {
    const region = checked('allocate', regionOptions, options)
    return this.#ledger.allocateSync(name, region, this.#ledger.captureStack(this.allocateSync))
  }

  /**
   * The open region of that name; undefined when there is none (yet, or any more).
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT` when no region can have this name
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

  /**
   * Registers memory with a device, byte for byte. The event loop stays free, since pinning gigabytes takes long.
   * Without more rights in `access`, only local reading is allowed. The registration belongs to this registry: it keeps
   * its region open, and is closed before the regions are.
   *
   * @param memory - a region or a slice, of this registry or attached by this thread
   * @param access - the rights of the device and its peers, see {@link Access}
   * @throws PinfoldError `ERR_INVALID_ARGUMENT` (also remote writing without 'localWrite'), `ERR_REGION_CLOSED`,
   *   `ERR_REGISTRY_CLOSED`, `ERR_OBJECT_CLOSED` (the domain), `ERR_MEMLOCK_LIMIT`, `ERR_UNSUPPORTED` (the device lacks
   *   these rights, or `address`), `ERR_DEVICE_REFUSED`, `ERR_DEVICE_REMOVED`
   */
  async register(
    memory: RegionMemory,
    domain: ProtectionDomain,
    access: readonly Access[],
    options?: RegisterOptions,
  ): Promise<Registration> {
    this.#ledger.requireOpen('register')
    return this.#keep('register', await registerMemoryAsync(memory, domain, access, options))
  }

  /**
   * As `register`, but this thread waits until the pages are pinned.
   *
   * @throws PinfoldError as `register`
   */
  registerSync(
    memory: RegionMemory,
    domain: ProtectionDomain,
    access: readonly Access[],
    options?: RegisterOptions,
  ): Registration {
    this.#ledger.requireOpen('registerSync')
    return this.#keep('registerSync', registerMemory(memory, domain, access, options))
  }

  /**
   * The open registrations, in the order in which they were made.
   *
   * @param region - only those of this region
   * @throws PinfoldError `ERR_INVALID_ARGUMENT` when it is no Region
   */
  registrations(region?: Region): Registration[] {
    checked('registrations: region', regionArgument, region)
    return this.#ledger.registrations.list(region && coreOf(region)).filter(isRegistration)
  }

  /**
   * Places several things in one region and makes them: rings, buffer pools, packets and heaps, each by its name. As
   * `createLayout`. This registry must be open; the memory may be of any region of this thread.
   *
   * @throws PinfoldError `ERR_REGISTRY_CLOSED`; as `createLayout`
   */
  layout<const Parts extends LayoutParts<keyof Parts>>(memory: RegionMemory, parts: Parts): Layout<Parts> {
    this.#ledger.requireOpen('layout')
    return createLayout(memory, parts)
  }

  /** The state and history of the registry, as plain numbers. */
  stats(): RegistryStats {
    return this.#ledger.stats()
  }

  /**
   * Closes the registrations, rings, buffer pools, packets and heaps of every open region, then the regions, and stops the allocations that are under way: they fail with `ERR_REGISTRY_CLOSED`, and
   * give their pages back soon after. A second call does nothing.
   *
   * @throws PinfoldError `ERR_REGION_HELD` that names the regions and their holders; nothing is changed then. If a pool
   *   cannot be closed (`ERR_POOL_BUSY`) or a release callback of packets throws, that error; the regions stay open, and the
   *   call can be repeated
   */
  close(): void {
    this.#ledger.close()
  }

  /**
   * As `close()`, but the pages go back to the kernel on another thread: see `Region.closeAsync`. The registry and its
   * regions are closed when the call returns. The promise resolves when all pages are the kernel's again, also those of
   * the allocations that it stopped. A second call waits for the same.
   *
   * @throws PinfoldError as `close`
   */
  async closeAsync(): Promise<void> {
    await this.#ledger.closeAsync()
  }

  /**
   * Waits until no region is held, then closes the registry as `closeAsync()` does. New holds and regions are refused
   * meanwhile. The process stays alive while it waits; after one second a process warning (code 'PINFOLD_HELD') names the
   * holders once, with the stack of each hold.
   *
   * @throws the signal's reason when it is aborted while a region is held (all stays as it was), PinfoldError
   *   `ERR_INVALID_ARGUMENT`
   */
  async closeWhenReleased(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = checked('closeWhenReleased', waitOptions, options)
    await this.#ledger.closeWhenReleased(signal)
  }

  /**
   * Closes it at the end of a `using` block.
   *
   * @throws PinfoldError `ERR_REGION_HELD` that names the regions and their holders; nothing is changed then
   */
  [Symbol.dispose](): void {
    disposeBy(() => this.close())
  }

  /**
   * As `using` does, by `closeAsync()`. It does not wait for holds, since a block that ends by an error may never release
   * one; `closeWhenReleased` does.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await disposeBy(() => this.#ledger.closeAsync())
  }

  /**
   * Adds a registration, or closes it if the registry is closed by now, or about to close: a getter among the options or
   * another task has done that, and the region may belong to another registry, or to none.
   */
  #keep(subject: string, registration: Registration): Registration {
    try {
      this.#ledger.requireOpen(subject)
    } catch (error) {
      registration.close()
      throw error
    }
    this.#ledger.registrations.add(registration, (listener) => followRange(registration, listener))
    return registration
  }

  /**
   * One line for the registry, one for each open region, and one for each of its registrations. Of many regions, and of
   * many registrations of one, only the first `maxArrayLength` are shown (an option of util.inspect, 100 by default).
   */
  [inspect.custom](depth: number | null, options: InspectOptionsStylized): string {
    const { regions, bytes, budget } = this.stats()
    const count = `${regions} ${regions === 1 ? 'region' : 'regions'}, ${formatSize(bytes)}`
    const limit = budget.total === undefined ? '' : ` of ${formatSize(budget.total.limit)}`
    const head = `MemoryRegistry { ${this.closed ? 'closed' : count + limit} }`
    if (depth !== null && depth < 0) return head
    const most = options.maxArrayLength ?? Number.POSITIVE_INFINITY
    const lines = firstOf(this.list(), most, 'regions').flatMap((region) =>
      typeof region === 'string'
        ? [`  ${region}`]
        : [
            `  ${inspect(region, options)}`,
            ...firstOf(this.#ledger.registrations.list(coreOf(region)), most, 'registrations').map(
              (of) => `    ${typeof of === 'string' ? of : inspect(of, options)}`,
            ),
          ],
    )
    return [head, ...lines].join('\n')
  }
}

/** The first few, and a text that counts the others. */
function firstOf<One>(all: readonly One[], most: number, plural: string): (One | string)[] {
  return all.length <= most ? [...all] : [...all.slice(0, most), `… ${all.length - most} more ${plural}`]
}
