import { afterEach, expect } from 'vitest'
import type { MemoryRegistry } from '../../src/index.js'
import { mappedRegions } from './mapped-regions.js'

const open: MemoryRegistry[] = []

/** Closes the registry at the end of the test, however it ends, and asserts that no region is left. */
export function kept<Registry extends MemoryRegistry>(registry: Registry): Registry {
  open.push(registry)
  return registry
}

afterEach(() => {
  for (const registry of open.splice(0)) registry.close()
  expect(mappedRegions()).toEqual([])
})

/** A region that any machine can give. */
export const base = { size: '1MiB', pages: 'base' } as const
/** A region that is larger than the memory of any machine. */
export const impossible = { size: '4096GiB', pages: 'base' } as const
