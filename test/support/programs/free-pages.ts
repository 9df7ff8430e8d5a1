import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { native } from '../../../src/native.js'
import { collected } from '../garbage-collection.js'
import { mappedRegions } from '../mapped-regions.js'

const file = '/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages'

/** The free 2 MiB pages of the machine; 0 if there are none. Other processes may take or free some at any time. */
export function freePages(): number {
  return existsSync(file) ? Number(readFileSync(file, 'latin1')) : 0
}

/** Asserts that this process holds no page of any region: neither mapped, nor by a descriptor. */
export function assertNoPages(): void {
  assert.match(readFileSync('/proc/self/status', 'latin1'), /^HugetlbPages:\s+0 kB$/m)
  assert.deepEqual(mappedRegions(), [])
  assert.deepEqual(regionDescriptors(), [])
}

/** The targets of this process's descriptors that are a region's memory. */
export function regionDescriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.includes('pinfold:') ? [target] : []
    } catch {
      return [] // the descriptor of this listing
    }
  })
}

/** Asserts that garbage collection releases every range, except for `kept` ranges whose windows were moved away. */
export async function assertReleased(kept = 0): Promise<void> {
  await collected(() => native.tableCounts().buffers === 0)
  assert.deepEqual(native.tableCounts(), { live: 0, closed: kept, buffers: 0 })
}

/** Lets the event loop turn until `isTrue`. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await setImmediate()
}
