import { throwIfAborted } from '../abort.js'
import { PinfoldError } from '../errors.js'
import { beginWait, type WaitedFor } from '../memory/held-wait.js'
import type { RegionCore } from '../memory/region-core.js'

/** The regions of a registry, and the holds on them that the registry itself ends. */
export interface ClosedTogether {
  /** The cores of the regions that are open now. */
  cores(): RegionCore[]
  /** The functions that end the registry's own holds: those of its registrations, and those of the rings, buffer pools, packets and heaps in its regions. They never delay a close. */
  ownHolds(): ReadonlySet<() => void>
}

/** Whether a registry may close: which regions are held, and how many calls wait until none is. */
export class RegistryClosing {
  readonly #regions: ClosedTogether
  /** How many calls wait to close. While any does, no hold is given, nor any region made. */
  #waiting = 0
  /** The functions that allow holds again, when no call waits to close any more. */
  readonly #allowHolds: (() => void)[] = []
  /** Ends the wait that keeps the process alive: there is one, however many calls wait. */
  #endWait = () => {}

  constructor(regions: ClosedTogether) {
    this.#regions = regions
  }

  /** True while a call waits to close. */
  get isAwaited(): boolean {
    return this.#waiting > 0
  }

  /** Refuses holds of a region that is new, if a call waits to close. */
  add(core: RegionCore): void {
    if (this.isAwaited) this.#allowHolds.push(core.refuseHolds())
  }

  /** @throws PinfoldError `ERR_REGION_HELD` that names the regions and their holders */
  requireReleased(): void {
    const held = this.#held()
    if (held.length === 0) return
    const ours = this.#regions.ownHolds()
    throw new PinfoldError(this.#heldMessage(held), {
      code: 'ERR_REGION_HELD',
      values: { held: held.map((core) => ({ name: core.name, holders: core.holders(ours) })) },
    })
  }

  /**
   * Waits until no region is held, then calls `close`.
   *
   * @throws the signal's reason when it is aborted while a region is held, or what `close` throws
   */
  async whenReleased(signal: AbortSignal | undefined, close: () => void): Promise<void> {
    throwIfAborted(signal)
    this.#begin()
    try {
      // A held region may be new since the last look: it was being allocated when the wait began.
      for (let held = this.#held()[0]; held !== undefined; held = this.#held()[0]) {
        await held.released(signal, () => this.#regions.ownHolds())
      }
      close()
    } finally {
      this.#end()
    }
  }

  #begin(): void {
    this.#waiting += 1
    if (this.#waiting > 1) return
    for (const core of this.#regions.cores()) this.#allowHolds.push(core.refuseHolds())
    this.#endWait = beginWait(() => this.#waitedFor())
  }

  #end(): void {
    this.#waiting -= 1
    if (this.#waiting > 0) return
    for (const allowHolds of this.#allowHolds.splice(0)) allowHolds()
    this.#endWait()
  }

  #held(): RegionCore[] {
    const ours = this.#regions.ownHolds()
    return this.#regions.cores().filter((core) => core.holders(ours).length > 0)
  }

  #waitedFor(): WaitedFor {
    const held = this.#held()
    const ours = this.#regions.ownHolds()
    return { message: this.#heldMessage(held), holders: held.flatMap((core) => core.holds(ours)) }
  }

  #heldMessage(held: readonly RegionCore[]): string {
    const ours = this.#regions.ownHolds()
    const holders = held.map((core) => `'${core.name}' by ${core.holders(ours).join(', ')}`).join('; ')
    const count = this.#regions.cores().length
    const regions = count === 1 ? 'region' : 'regions'
    return `${held.length} of ${count} ${regions} ${held.length === 1 ? 'is' : 'are'} held: ${holders}`
  }
}
