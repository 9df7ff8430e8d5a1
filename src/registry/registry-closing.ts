import { throwIfAborted } from '../abort.js'
import { PinfoldError } from '../errors.js'
import { beginWait, type WaitedFor } from '../memory/held-wait.js'
import type { RegionCore } from '../memory/region-core.js'
import type { Holder } from '../memory/region-holds.js'

/** How many held regions an error names; it counts the others. */
const mostRegions = 8

/**
 * Whether a registry may close: which regions the program holds, and how many calls wait until none is held. The holds
 * that the registry itself ends never delay a close.
 */
export class RegistryClosing {
  readonly #cores: () => Iterable<RegionCore>
  /** How many calls wait to close. While any does, no hold is given, nor any region made. */
  #waiting = 0
  /** The functions that allow holds again, when no call waits to close any more. */
  readonly #allowHolds: (() => void)[] = []
  /** Ends the wait that keeps the process alive: there is one, however many calls wait. */
  #endWait = () => {}

  /** @param cores of the regions that are open now */
  constructor(cores: () => Iterable<RegionCore>) {
    this.#cores = cores
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
    throw new PinfoldError(this.#heldMessage(held), {
      code: 'ERR_REGION_HELD',
      values: {
        held: held.slice(0, mostRegions).map((core) => {
          const { names, count } = core.holds.reasons('of the program')
          return { name: core.name, holders: names, count }
        }),
        count: held.length,
      },
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
      // One pass is enough: a region that is released stays so, since holds are refused, those of new regions, too.
      for (const { holds } of [...this.#cores()]) {
        if (holds.count('of the program') > 0) await holds.released(signal, 'of the program')
      }
      close()
    } finally {
      this.#end()
    }
  }

  #begin(): void {
    this.#waiting += 1
    if (this.#waiting > 1) return
    for (const core of this.#cores()) this.#allowHolds.push(core.refuseHolds())
    this.#endWait = beginWait(() => this.#waitedFor())
  }

  #end(): void {
    this.#waiting -= 1
    if (this.#waiting > 0) return
    for (const allowHolds of this.#allowHolds.splice(0)) allowHolds()
    this.#endWait()
  }

  #held(): RegionCore[] {
    return [...this.#cores()].filter((core) => core.holds.count('of the program') > 0)
  }

  #waitedFor(): WaitedFor {
    const held = this.#held()
    return {
      message: this.#heldMessage(held),
      holders: eachHolder(held),
      count: held.reduce((sum, core) => sum + core.holds.count('of the program'), 0),
    }
  }

  #heldMessage(held: readonly RegionCore[]): string {
    const holders = held
      .slice(0, mostRegions)
      .map((core) => `'${core.name}' by ${core.holds.reasons('of the program')}`)
      .join('; ')
    const more = held.length > mostRegions ? `; and ${held.length - mostRegions} more` : ''
    const count = [...this.#cores()].length
    const regions = count === 1 ? 'region' : 'regions'
    return `${held.length} of ${count} ${regions} ${held.length === 1 ? 'is' : 'are'} held: ${holders}${more}`
  }
}

function* eachHolder(held: readonly RegionCore[]): Generator<Holder> {
  for (const core of held) yield* core.holds.each('of the program')
}
