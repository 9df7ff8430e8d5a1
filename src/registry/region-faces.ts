import type { RegionCore } from '../memory/region-core.js'
import { Region } from './region.js'

/**
 * The Region object that the program has for each open region. It is kept weakly, so that its loss is noticed; the
 * program gets the same object again for as long as it keeps it.
 */
export class RegionFaces {
  /**
   * The Regions that were made in this turn of JavaScript, strongly. A WeakRef keeps its target until the turn is over
   * anyway, also when the region is closed before. So a region that closes in the turn in which it was made never gets
   * a WeakRef.
   */
  readonly #fresh = new Map<RegionCore, Region>()
  readonly #kept = new Map<RegionCore, WeakRef<Region>>()
  readonly #onTurnEnd: () => void
  #isTurnEndAwaited = false

  /** @param onTurnEnd is called at the end of each turn that was awaited, before the Regions are kept weakly */
  constructor(onTurnEnd: () => void) {
    this.#onTurnEnd = onTurnEnd
  }

  /** Keeps a Region that was just made. */
  add(core: RegionCore, region: Region): void {
    this.#fresh.set(core, region)
    this.awaitTurnEnd()
  }

  /** The program's Region object; undefined when the program has dropped it. */
  find(core: RegionCore): Region | undefined {
    return this.#fresh.get(core) ?? this.#kept.get(core)?.deref()
  }

  /** The program's Region object; a new one on the same core when the program has dropped it. */
  get(core: RegionCore): Region {
    const found = this.find(core)
    if (found !== undefined) return found
    const made = new Region(core)
    this.add(core, made)
    return made
  }

  /** Forgets a region that was closed. */
  delete(core: RegionCore): void {
    this.#fresh.delete(core)
    this.#kept.delete(core)
  }

  awaitTurnEnd(): void {
    if (this.#isTurnEndAwaited) return
    queueMicrotask(() => this.#endTurn())
    this.#isTurnEndAwaited = true
  }

  #endTurn(): void {
    this.#isTurnEndAwaited = false
    this.#onTurnEnd()
    for (const [core, region] of this.#fresh) this.#kept.set(core, new WeakRef(region))
    this.#fresh.clear()
  }
}
