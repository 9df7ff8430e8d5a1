import type { RegionCore } from './region-core.js'
import type { MemoryRange } from './region-memory.js'

/**
 * The objects of one class that this thread has opened, by the place of their memory: at most one at each place, since
 * a thread owns one cache there and takes part once. An object is forgotten together with its region.
 */
export class OpenOnce<Thing extends { readonly closed: boolean }> {
  readonly #ofRegions = new WeakMap<RegionCore, Map<number, Thing>>()

  find({ core, offset }: MemoryRange): Thing | undefined {
    const found = this.#ofRegions.get(core)?.get(offset)
    return found?.closed === false ? found : undefined
  }

  add({ core, offset }: MemoryRange, thing: Thing): Thing {
    const ofRegion = this.#ofRegions.get(core) ?? new Map<number, Thing>()
    this.#ofRegions.set(core, ofRegion.set(offset, thing))
    return thing
  }
}
