import { readdirSync, readlinkSync } from 'node:fs'
import type { MemoryRegistry } from '../../src/index.js'
import { coreOf } from '../../src/memory/region-memory.js'
import { native } from '../../src/native.js'
import { mappedRegions } from './mapped-regions.js'

/** The state of the process that a refusal must not change. */
export function world(memory: MemoryRegistry) {
  const descriptors = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return '' // the descriptor of this listing
    }
  })
  const { failed: _, ...stats } = memory.stats()
  return {
    stats,
    regions: mappedRegions(),
    table: native.tableCounts(),
    descriptors: descriptors.filter((path) => /pinfold|hugetlbfs/.test(path)).sort(),
    holders: memory.list().map((region) => coreOf(region).holds.reasons('all').names),
    prototype: Object.getOwnPropertyNames(Object.prototype),
  }
}

/** The methods of an object by their names, such as 'Region.close'. */
export function methodsOf(object: object): [string, unknown][] {
  const methods = new Map<string, unknown>()
  for (let of = Object.getPrototypeOf(object); of !== Object.prototype; of = Object.getPrototypeOf(of)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors<object>(of))) {
      if (typeof value === 'function' && name !== 'constructor')
        methods.set(`${object.constructor.name}.${name}`, value)
    }
  }
  return [...methods]
}
