import { abortReason, isAborted, onAbort, throwIfAborted } from '../abort.js'
import { PinfoldError, toPinfoldError } from '../errors.js'
import { allocateCore, allocateCoreSync } from '../memory/allocate/allocate.js'
import type { Caller } from '../memory/call-stack.js'
import { beginWait, type WaitedFor } from '../memory/held-wait.js'
import type { RegionCore } from '../memory/region-core.js'
import { readRegionUse } from '../memory/region-inspection.js'
import { type CheckedAllocation, type CheckedRegionOptions, regionName } from '../memory/region-options.js'
import { checked } from '../options.js'
import { allowedNodes } from '../system/numa.js'
import { AddressIndex } from './address-index.js'
import { Budget, type BudgetClaim } from './budget.js'
import { publishAllocate, publishClose, publishLeak } from './events.js'
import { LeakDetector } from './leak-detector.js'
import { Region } from './region.js'
import { Registrations } from './registrations.js'
import type { CheckedRegistryOptions } from './registry-options.js'
import { RegistryCounts, type RegistryStats } from './registry-stats.js'

/** A region that is open. */
interface Line {
  readonly core: RegionCore
  readonly claim: BudgetClaim
  /** Where it was allocated, when it is watched. One that the registry keeps is not, as long as that is there. */
  readonly stack: string | undefined
  /** The program's Region object, once this turn is over; weak, so that its loss is noticed. */
  face: WeakRef<Region> | undefined
  leaked: boolean
}

/** An allocation that is under way. Its name is taken. */
interface Pending {
  readonly name: string
  readonly stack: string | undefined
  readonly started: number
  readonly claim: BudgetClaim
  readonly stop: AbortController | undefined
}

/**
 * What a registry owns: the core of every region that was allocated here, until it is closed.
 *
 * It leads to none of the program's objects, neither to the MemoryRegistry nor, strongly, to a Region, so that the loss
 * of either is noticed. One thread's, as its cores are.
 */
export class Ledger {
  readonly #lines = new Map<string, Line>()
  readonly #index = new AddressIndex<Line>()
  readonly #pending = new Map<string, Pending>()
  /**
   * The Regions that were made in this turn of JavaScript, strongly. A WeakRef keeps its target until the turn is over
   * anyway, also when the region is closed before; so one that closes in the turn in which it was made never has one.
   */
  readonly #fresh = new Map<Line, Region>()
  /** What devices know of regions; closed before them. */
  readonly registrations = new Registrations()
  readonly #counts = new RegistryCounts()
  readonly #budget: Budget
  readonly #detector: LeakDetector
  /** Where the registry was opened. */
  readonly #opened: string
  /** Called when no allocation is under way any more. */
  readonly #onIdle: (() => void)[] = []
  /** Whether the end of this turn is waited for. */
  #turnEnds = false
  /** How many wait to close. As long as any does, no hold is given, nor any region made. */
  #waiting = 0
  /** What gives holds again, when nobody waits to close any more. */
  readonly #giveHolds: (() => void)[] = []
  /** What ends their wait: it is one, however many they are. */
  #endWait = () => {}
  #closed = false
  /** Whether the MemoryRegistry was collected while it was open; what is still being allocated arrives all the same. */
  #abandoned = false

  constructor({ budget, leaks }: CheckedRegistryOptions, opened: string) {
    this.#budget = new Budget(budget)
    this.#detector = new LeakDetector(leaks)
    this.#opened = opened
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Notices when `registry`, whose ledger this is, is dropped while it is open. */
  watchRegistry(registry: object): void {
    if (this.#detector.level !== 'off') this.#detector.watch(registry, this, () => this.#abandon())
  }

  /** Where `entry` was called, if the region that it is to allocate is to be watched. Before anything is awaited. */
  captureStack(entry: Caller): string | undefined {
    return this.#detector.capture(entry)
  }

  async allocate(name: string, { options, signal }: CheckedAllocation, stack: string | undefined): Promise<Region> {
    // One for each allocation, since both the caller and the close of the registry may stop it.
    const stop = new AbortController()
    const pending = this.#begin(name, stack, stop)
    const relay = () => stop.abort(abortReason(signal))
    let deafen = () => {}
    try {
      if (isAborted(signal)) relay()
      deafen = onAbort(signal, relay)
      const core = await allocateCore(name, options, stop.signal, pending.claim)
      return this.#enter(core, pending)
    } catch (error) {
      this.#counts.failed += 1
      throw error
    } finally {
      this.#end(pending)
      deafen()
    }
  }

  allocateSync(name: string, options: CheckedRegionOptions, stack: string | undefined): Region {
    const pending = this.#begin(name, stack)
    try {
      return this.#enter(allocateCoreSync(name, options, pending.claim), pending)
    } catch (error) {
      this.#counts.failed += 1
      throw error
    } finally {
      this.#end(pending)
    }
  }

  /** The open region of that name. */
  get(name: string): Region | undefined {
    const line = this.#lines.get(name)
    return line === undefined ? undefined : this.#faceOf(line)
  }

  /** The open region that holds this address; O(log n). */
  find(address: bigint): Region | undefined {
    const line = this.#index.find(address)
    return line === undefined ? undefined : this.#faceOf(line)
  }

  /** The open regions, in the order in which they came. */
  list(): Region[] {
    return [...this.#lines.values()].map((line) => this.#faceOf(line))
  }

  stats(): RegistryStats {
    return this.#counts.stats(this.#pending.size, this.registrations.count, this.#budget.stats())
  }

  /** @throws PinfoldError `ERR_REGISTRY_CLOSED` */
  requireOpen(subject: string): void {
    if (!this.#closed && this.#waiting === 0) return
    throw new PinfoldError(`${subject}: the registry is ${this.#closed ? 'closed' : 'about to close'}`, {
      code: 'ERR_REGISTRY_CLOSED',
    })
  }

  /** Closes every region, and stops what is under way. All or nothing: with one held, nothing is closed. */
  close(): void {
    if (!this.#closed) this.#requireReleased()
    this.registrations.close()
    this.#closed = true
    this.#detector.forget(this)
    // Or a subscriber, told that one is closed, would hold another.
    for (const { core } of this.#lines.values()) core.refuseHolds()
    for (const { name, stop } of this.#pending.values()) stop?.abort(registryClosed(name))
    const failures: unknown[] = []
    for (const { core } of [...this.#lines.values()]) {
      try {
        core.close()
      } catch (error) {
        failures.push(error) // told below: the others are to be closed whatever became of this one
      }
    }
    if (failures.length > 0) throw toPinfoldError(failures[0])
  }

  /** Waits until no region is held, closes, and waits until what was under way has come to its end. */
  async closeWhenReleased(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal)
    this.#waiting += 1
    if (this.#waiting === 1) {
      for (const { core } of this.#lines.values()) this.#giveHolds.push(core.refuseHolds())
      this.#endWait = beginWait(() => this.#waitedFor())
    }
    try {
      // One of them may be new since the last look: an allocation that was under way when the wait began.
      for (let held = this.#held()[0]; held !== undefined; held = this.#held()[0]) {
        await held.released(signal, () => this.registrations.holds)
      }
      this.close()
    } finally {
      this.#waiting -= 1
      if (this.#waiting === 0) {
        for (const giveHolds of this.#giveHolds.splice(0)) giveHolds()
        this.#endWait()
      }
    }
    await this.idle()
  }

  /** Resolves when no allocation is under way any more. */
  async idle(): Promise<void> {
    if (this.#pending.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
  }

  #begin(name: string, stack: string | undefined, stop?: AbortController): Pending {
    checked('allocate: name', regionName, name)
    if (this.#closed || this.#waiting > 0) throw registryClosed(name, this.#closed ? 'closed' : 'about to close')
    if (this.#lines.has(name) || this.#pending.has(name)) {
      const state = this.#lines.has(name) ? 'is open' : 'is being allocated'
      throw new PinfoldError(`allocate: a region '${name}' ${state} in this registry`, {
        code: 'ERR_REGION_EXISTS',
        values: { name },
      })
    }
    const pending = { name, stack, started: performance.now(), claim: this.#budget.claim(), stop }
    this.#pending.set(name, pending)
    if (stop === undefined) this.#awaitTurnEnd()
    return pending
  }

  #end({ name }: Pending): void {
    this.#pending.delete(name)
    if (this.#pending.size === 0) for (const listener of this.#onIdle.splice(0)) listener()
  }

  /** Writes the region down, or closes it again. */
  #enter(core: RegionCore, { stack, started, claim }: Pending): Region {
    try {
      if (this.#closed) throw registryClosed(core.name)
      this.#settle(core, claim)
      if (this.#waiting > 0) this.#giveHolds.push(core.refuseHolds())
      const region = new Region(core)
      const line: Line = { core, claim, stack, face: undefined, leaked: false }
      this.#index.add(core.address, core.size, line)
      this.#lines.set(core.name, line)
      this.#counts.opened(core)
      this.#show(line, region)
      this.#follow(line)
      if (stack !== undefined || this.#abandoned) this.#watch(region, line)
      publishAllocate(region, started)
      return region
    } catch (error) {
      core.close()
      throw error
    }
  }

  /** Charges the region to the nodes where its pages came to lie, in place of those where they might have. */
  #settle({ pages, address, size }: RegionCore, claim: BudgetClaim): void {
    if (!this.#budget.limitsNodes || allowedNodes().length === 1) return
    const { nodes } = readRegionUse(address, size)
    claim.cover({ pages, bytes: size, perNode: new Map(Object.entries(nodes).map(([node, on]) => [Number(node), on])) })
  }

  // These two stand apart from where a Region is at hand: a closure keeps every variable that any closure of its scope
  // uses, and these live longer than the Region.

  #follow(line: Line): void {
    line.core.onClose(() => this.#strike(line))
  }

  #watch(region: Region, line: Line): void {
    this.#detector.watch(region, line.core, () => this.#leak(line))
  }

  #strike(line: Line): void {
    const { core, claim } = line
    if (this.#lines.get(core.name) !== line) return
    this.#fresh.delete(line)
    this.#detector.forget(core)
    this.#index.delete(core.address)
    this.#lines.delete(core.name)
    claim.release()
    this.#counts.closed(core)
    publishClose(core)
  }

  /** The region stays open, and here: finalizers come too late to free, and views of it may be in use. */
  #leak(line: Line): void {
    if (line.leaked || line.core.closed) return
    line.leaked = true
    this.#counts.leaked += 1
    publishLeak(line.core, line.stack ?? this.#opened)
  }

  /** Nobody can close this registry any more: what is dropped already is lost, and the rest when it is dropped. */
  #abandon(): void {
    this.#abandoned = true
    for (const line of this.#lines.values()) {
      const region = line.face?.deref()
      if (region === undefined) this.#leak(line)
      else if (line.stack === undefined) this.#watch(region, line)
    }
  }

  /** The program's Region object; another on the same core when it has dropped that. */
  #faceOf(line: Line): Region {
    const kept = this.#fresh.get(line) ?? line.face?.deref()
    if (kept !== undefined) return kept
    const made = new Region(line.core)
    this.#show(line, made)
    return made
  }

  #show(line: Line, region: Region): void {
    this.#fresh.set(line, region)
    this.#awaitTurnEnd()
  }

  #awaitTurnEnd(): void {
    if (this.#turnEnds) return
    this.#turnEnds = true
    queueMicrotask(() => this.#letGo())
  }

  #letGo(): void {
    this.#turnEnds = false
    // A blocking allocation that is not over with its turn was cut off (a timeout of node:vm, Ctrl-C in a REPL), and no
    // `finally` of ours has run.
    for (const pending of [...this.#pending.values()].filter(({ stop }) => stop === undefined)) {
      pending.claim.release()
      this.#end(pending)
    }
    for (const [line, region] of this.#fresh) line.face = new WeakRef(region)
    this.#fresh.clear()
  }

  #held(): RegionCore[] {
    const ours = this.registrations.holds
    return [...this.#lines.values()].map(({ core }) => core).filter((core) => core.holders(ours).length > 0)
  }

  #requireReleased(): void {
    const held = this.#held()
    if (held.length === 0) return
    const ours = this.registrations.holds
    throw new PinfoldError(this.#heldMessage(held), {
      code: 'ERR_REGION_HELD',
      values: { held: held.map((core) => ({ name: core.name, holders: core.holders(ours) })) },
    })
  }

  #waitedFor(): WaitedFor {
    const held = this.#held()
    const ours = this.registrations.holds
    return { message: this.#heldMessage(held), holders: held.flatMap((core) => core.holds(ours)) }
  }

  #heldMessage(held: readonly RegionCore[]): string {
    const ours = this.registrations.holds
    const told = held.map((core) => `'${core.name}' by ${core.holders(ours).join(', ')}`).join('; ')
    return `${held.length} of ${this.#lines.size} regions ${held.length === 1 ? 'is' : 'are'} held: ${told}`
  }
}

function registryClosed(name: string, state: 'closed' | 'about to close' = 'closed'): PinfoldError {
  return new PinfoldError(`allocate: region '${name}' is not made: its registry is ${state}`, {
    code: 'ERR_REGISTRY_CLOSED',
    values: { name },
  })
}
