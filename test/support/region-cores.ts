import * as behindTheDoor from '../../src/memory/allocate/allocate.js'
import type { Attempt } from '../../src/memory/allocate/attempt.js'
import type { PagesKind } from '../../src/memory/page-kinds.js'
import type { RegionCore } from '../../src/memory/region-core.js'
import { type RegionOptions, regionOptions } from '../../src/memory/region-options.js'
import { policyKind } from '../../src/native.js'
import { checked } from '../../src/options.js'

/** Allocates a region without a registry, with the options that a program would write. */
export function allocateCoreSync(name: string, options: RegionOptions): RegionCore {
  return behindTheDoor.allocateCoreSync(name, checked('allocate', regionOptions, options))
}

/** As `allocateCoreSync`, but without blocking the event loop. */
export function allocateCore(name: string, options: RegionOptions): Promise<RegionCore> {
  return new behindTheDoor.Allocation(name, checked('allocate', regionOptions, options)).run()
}

/** An attempt to make a region of `size` bytes, on the nodes that `placed` names. */
export function attemptOf(
  size: number,
  pages: PagesKind,
  placed: Pick<Attempt['placement'], 'policy' | 'nodes'> = { policy: policyKind.none, nodes: [] },
): Attempt {
  const placement = { ...placed, interleaved: false, verify: false }
  return { size, choice: { ...pages, alignment: pages.bytes }, placement, options: { size } }
}
