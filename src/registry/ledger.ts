import { now } from '../builtins.js'
import { disposeAll } from '../disposal.js'
import { PinfoldError, toPinfoldError } from '../errors.js'
import { Allocation } from '../memory/allocate/allocate.js'
import type { Caller } from '../memory/call-stack.js'
import { readPageNodes } from '../memory/page-nodes.js'
import type { RegionCore } from '../memory/region-core.js'
import { type CheckedAllocation, type CheckedRegionOptions, checkedName } from '../memory/region-options.js'
import { Stop } from '../memory/stop.js'
import { allowedNodes } from '../system/numa.js'
import { AddressIndex } from './address-index.js'
import { Budget, type BudgetClaim } from './budget.js'
import { publishAllocate, publishClose, publishLeak } from './events.js'
import { LeakDetector } from './leak-detector.js'
import { Region } from './region.js'
import { RegionFaces } from './region-faces.js'
import { Registrations } from './registrations.js'
import { RegistryClosing } from './registry-closing.js'
import type { CheckedRegistryOptions } from './registry-options.js'
import { RegistryCounts, type RegistryStats } from './registry-stats.js'

/** A region that is open. */
interface Line {
  readonly core: RegionCore
  /**
   * Where the region was allocated, if it is watched. A region that the MemoryRegistry keeps is watched from its loss
   * on.
   */
  readonly stack: string | undefined
  leaked: boolean
}

/** An allocation that is under way. Its name is taken. */
interface Pending {
  readonly name: string
  readonly stack: string | undefined
  readonly started: number
  readonly claim: BudgetClaim
  readonly stop: Stop | undefined
}

/**
 * The regions of a registry: the core of every region that was allocated here, until the region is closed.
 *
 * It refers to none of the program's objects, neither to the MemoryRegistry nor, strongly, to a Region, so that the
 * loss of either is noticed. It belongs to one thread, as its cores do.
 */
export class Ledger {
  readonly #lines = new Map<string, Line>()
  readonly #index = new AddressIndex<Line>()
  readonly #pending = new Map<string, Pending>()
  /** Those among them that have not begun, and those that block this thread. */
  readonly #beginning = new Set<Pending>()
  readonly #faces = new RegionFaces(() => this.#endCutOff())
  /** Registrations of the regions with devices; closed before the regions. */
  readonly registrations = new Registrations((core) => this.#lines.get(core.name)?.core === core)
  readonly #closing = new RegistryClosing(() => this.#cores())
  readonly #counts = new RegistryCounts()
  readonly #budget: Budget
  readonly #detector: LeakDetector
  /** Where the registry was opened. */
  readonly #opened: string
  /** Called when no allocation is under way any more, nor the pages of a closed region. */
  readonly #onIdle: (() => void)[] = []
  /** Closed regions whose pages are on their way to the kernel. */
  readonly #leaving = new Set<RegionCore>()
  #closed = false
  /** True if the MemoryRegistry was collected while it was open. Allocations that are under way still arrive. */
  #abandoned = false

  constructor({ budget, leaks }: CheckedRegistryOptions, opened: string) {
    this.#budget = new Budget(budget)
    this.#detector = new LeakDetector(leaks)
    this.#opened = opened
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Notices when the program drops `registry`, which this ledger belongs to, while it is open. */
  watchRegistry(registry: object): void {
    if (this.#detector.level !== 'off') this.#detector.watch(registry, this, () => this.#abandon())
  }

  /** The stack above `entry`, if the region that it allocates will be watched. Call it before anything is awaited. */
  captureStack(entry: Caller): string | undefined {
    return this.#detector.capture(entry)
  }

  /** Claims the name and the budget at once. @throws PinfoldError a refusal at once; everything else rejects */
  allocate(name: string, { options, signal }: CheckedAllocation, stack: string | undefined): Promise<Region> {
    // Its own for each allocation, since both the caller and the close of the registry may stop it.
    const stop = new Stop()
    const pending = this.#begin(name, stack, stop)
    try {
      const allocation = new Allocation(name, options, pending.claim)
      const stopListening = stop.follow(signal)
      // No async function: a thousand that wait would take three times the memory.
      const region = allocation.run(stop).then(
        (core) => {
          stopListening?.()
          return this.#arrived(core, pending)
        },
        (error) => {
          stopListening?.()
          throw this.#failed(pending, error)
        },
      )
      this.#beginning.delete(pending)
      return region
    } catch (error) {
      stop.stop(error)
      throw this.#failed(pending, error)
    }
  }

  allocateSync(name: string, options: CheckedRegionOptions, stack: string | undefined): Region {
    const pending = this.#begin(name, stack)
    let core: RegionCore
    try {
      core = new Allocation(name, options, pending.claim).runSync()
    } catch (error) {
      throw this.#failed(pending, error)
    }
    return this.#arrived(core, pending)
  }

  #arrived(core: RegionCore, pending: Pending): Region {
    try {
      return this.#enter(core, pending)
    } catch (error) {
      throw this.#failed(pending, error)
    } finally {
      this.#end(pending)
    }
  }

  /** Ends an allocation that has failed. Returns its error. */
  #failed(pending: Pending, error: unknown): unknown {
    this.#counts.failed += 1
    pending.claim.release()
    this.#end(pending)
    return error
  }

  /** The open region of that name. */
  get(name: string): Region | undefined {
    const line = this.#lines.get(name)
    return line === undefined ? undefined : this.#faces.get(line.core)
  }

  /** The open region that holds this address; O(log n). */
  find(address: bigint): Region | undefined {
    const line = this.#index.find(address)
    return line === undefined ? undefined : this.#faces.get(line.core)
  }

  /** The open regions, in the order in which they came. */
  list(): Region[] {
    return this.#cores().map((core) => this.#faces.get(core))
  }

  stats(): RegistryStats {
    return this.#counts.stats(this.#pending.size, this.registrations.count, this.#budget.stats())
  }

  /** @throws PinfoldError `ERR_REGISTRY_CLOSED` */
  requireOpen(subject: string): void {
    if (!this.#closed && !this.#closing.isAwaited) return
    throw new PinfoldError(`${subject}: the registry is ${this.#closed ? 'closed' : 'about to close'}`, {
      code: 'ERR_REGISTRY_CLOSED',
    })
  }

  /** Closes every region, and stops the allocations that are under way. If one region is held, nothing is closed. */
  close(): void {
    this.#close((core) => core.close())
  }

  /**
   * As `close`, but the pages go back on another thread. Resolves when they have, and those of the allocations that were
   * under way. A refusal is thrown at once.
   */
  closeAsync(): Promise<void> {
    this.#close((core) => void core.closeAsync())
    return this.#idle()
  }

  /** Waits until no region is held, then closes as `closeAsync`. */
  async closeWhenReleased(signal: AbortSignal | undefined): Promise<void> {
    await this.#closing.whenReleased(signal, () => this.#close((core) => void core.closeAsync()))
    await this.#idle()
  }

  /** Resolves when no allocation is under way any more, nor the pages of a closed region. */
  async #idle(): Promise<void> {
    if (!this.#isIdle) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
  }

  #close(close: (core: RegionCore) => void): void {
    if (!this.#closed) this.#closing.requireReleased()
    this.registrations.close()
    disposeAll(this.#cores().map((core) => ({ [Symbol.dispose]: () => core.closeClaims() })))
    this.#closed = true
    this.#detector.forget(this)
    // Otherwise a subscriber to the close of one region could hold another.
    for (const core of this.#cores()) core.refuseHolds()
    for (const { name, stop } of this.#pending.values()) stop?.stop(registryClosed(name))
    const failures: unknown[] = []
    for (const core of this.#cores()) {
      try {
        close(core)
      } catch (error) {
        failures.push(error) // thrown below: the other regions are closed all the same
      }
    }
    if (failures.length > 0) throw toPinfoldError(failures[0])
  }

  get #isIdle(): boolean {
    return this.#pending.size === 0 && this.#leaving.size === 0
  }

  #tellIfIdle(): void {
    if (this.#isIdle) for (const listener of this.#onIdle.splice(0)) listener()
  }

  #begin(name: string, stack: string | undefined, stop?: Stop): Pending {
    checkedName('allocate: name', name)
    if (this.#closed || this.#closing.isAwaited) throw registryClosed(name, this.#closed ? 'closed' : 'about to close')
    if (this.#lines.has(name) || this.#pending.has(name)) {
      const state = this.#lines.has(name) ? 'is open' : 'is being allocated'
      throw new PinfoldError(`allocate: a region '${name}' ${state} in this registry`, {
        code: 'ERR_REGION_EXISTS',
        values: { name },
      })
    }
    const pending = { name, stack, started: now(), claim: this.#budget.claim(), stop }
    // In this order: `#endCutOff` is sure to end what a stack overflow cuts off.
    this.#faces.awaitTurnEnd()
    this.#beginning.add(pending)
    this.#pending.set(name, pending)
    return pending
  }

  #end(pending: Pending): void {
    if (this.#pending.get(pending.name) === pending) this.#pending.delete(pending.name)
    this.#beginning.delete(pending)
    this.#tellIfIdle()
  }

  /** Adds the region to the registry, or closes it if that fails. */
  #enter(core: RegionCore, { stack, started, claim }: Pending): Region {
    try {
      if (this.#closed) throw registryClosed(core.name)
      this.#settle(core, claim)
      this.#closing.add(core)
      const region = new Region(core)
      const line: Line = { core, stack, leaked: false }
      this.#index.add(core.address, core.size, line)
      this.#lines.set(core.name, line)
      this.#counts.opened(core)
      this.#faces.add(core, region)
      this.#follow(line)
      if (stack !== undefined || this.#abandoned) this.#watch(region, line)
      publishAllocate(region, started)
      return region
    } catch (error) {
      core.close()
      throw error
    }
  }

  /** Counts the region against the nodes of its pages, in place of the nodes that its pages might have come from. */
  #settle(core: RegionCore, claim: BudgetClaim): void {
    if (!this.#budget.limitsNodes || allowedNodes().length === 1) return
    const { pages, size, pageSize } = core
    const perNode = new Map([...readPageNodes(core)].map(([node, count]) => [node, count * pageSize]))
    claim.cover({ pages, bytes: size, perNode })
  }

  // The closures of these two methods live longer than the Region. They are made here, where no Region is in scope,
  // since a closure keeps every variable that any closure of its scope uses.

  #follow(line: Line): void {
    line.core.onClose(() => this.#strike(line))
  }

  #watch(region: Region, line: Line): void {
    this.#detector.watch(region, line.core, () => this.#leak(line))
  }

  #strike(line: Line): void {
    const { core } = line
    if (this.#lines.get(core.name) !== line) return
    core.onFree(() => {
      this.#leaving.delete(core)
      this.#tellIfIdle()
    })
    if (!core.isFree) this.#leaving.add(core)
    this.#faces.delete(core)
    this.#detector.forget(core)
    this.#index.delete(core.address)
    this.#lines.delete(core.name)
    this.#counts.closed(core)
    publishClose(core)
  }

  /** Reports a leak. The region stays open: finalizers run too late to free it, and views of it may be used. */
  #leak(line: Line): void {
    if (line.leaked || line.core.closed) return
    line.leaked = true
    this.#counts.leaked += 1
    publishLeak(line.core, line.stack ?? this.#opened)
  }

  /** No program can close this registry any more: a region whose Region is dropped is lost, now or later. */
  #abandon(): void {
    this.#abandoned = true
    for (const line of this.#lines.values()) {
      const region = this.#faces.find(line.core)
      if (region === undefined) this.#leak(line)
      else if (line.stack === undefined) this.#watch(region, line)
    }
  }

  /**
   * Ends the allocations that have not begun with the turn in which they were asked for, and the blocking ones that are
   * not over with it. They were cut off (by a stack overflow, a timeout of node:vm, or Ctrl-C in a REPL), so that no
   * `finally` of ours has run.
   */
  #endCutOff(): void {
    for (const pending of [...this.#beginning]) {
      pending.stop?.stop(undefined)
      pending.claim.release()
      this.#end(pending)
    }
  }

  #cores(): RegionCore[] {
    return [...this.#lines.values()].map(({ core }) => core)
  }
}

function registryClosed(name: string, state: 'closed' | 'about to close' = 'closed'): PinfoldError {
  return new PinfoldError(`allocate: region '${name}' is not made: its registry is ${state}`, {
    code: 'ERR_REGISTRY_CLOSED',
    values: { name },
  })
}
