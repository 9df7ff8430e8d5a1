import { afterEach, expect } from 'vitest'
import type { MemoryRegistry } from '../../src/index.js'
import { mappedRegions } from './mapped-regions.js'

const open: MemoryRegistry[] = []

/** Closes the registry when the test is over, however it ends; then no region may be left. */
export function kept<Registry extends MemoryRegistry>(registry: Registry): Registry {
  open.push(registry)
  return registry
}

afterEach(() => {
  for (const registry of open.splice(0)) registry.close()
  expect(mappedRegions()).toEqual([])
})

/** A region that any machine can have. */
export const base = { size: '1MiB', pages: 'base' } as const
/** More than any machine that runs this has. */
export const impossible = { size: '4096GiB', pages: 'base' } as const
