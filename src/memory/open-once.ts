import { coreOf } from './mapped-region.js'
import type { PoolRange } from './pool-memory.js'
import type { RegionCore } from './region-core.js'

/**
 * What this thread has open in each memory: one object, since it is a thread that has a cache and a place among the others.
 * It goes with its region.
 */
export class OpenOnce<Thing extends { readonly closed: boolean }> {
  readonly #ofRegions = new WeakMap<RegionCore, Map<number, Thing>>()

  find({ region, offset }: PoolRange): Thing | undefined {
    const found = this.#ofRegions.get(coreOf(region))?.get(offset)
    return found?.closed === false ? found : undefined
  }

  add({ region, offset }: PoolRange, thing: Thing): Thing {
    const core = coreOf(region)
    const ofRegion = this.#ofRegions.get(core) ?? new Map<number, Thing>()
    this.#ofRegions.set(core, ofRegion.set(offset, thing))
    return thing
  }
}
