import { PinfoldError } from '../../errors.js'
import { policyKind } from '../../native.js'
import { memoryNodes } from '../../system/numa.js'
import type { CheckedRegionOptions } from '../region-options.js'

/** Where pages are to come from, as native code is told. */
export interface Placement {
  /** A `policyKind` of native.ts. */
  readonly policy: number
  readonly nodes: readonly number[]
  /** Whether the kernel's policy alone does not hold the caller's promise, and the pages are looked at afterwards. */
  readonly verify: boolean
}

/** @throws PinfoldError `ERR_OUT_OF_RANGE` when this machine has no memory on one of the nodes */
export function placementOf({ numa }: CheckedRegionOptions): Placement {
  if (numa === undefined) return { policy: policyKind.none, nodes: [], verify: false }
  const { policy, nodes = [], strict = policy === 'bind' } = numa
  const known = memoryNodes()
  const unknown = nodes.find((node) => !known.includes(node))
  if (unknown !== undefined) {
    throw new PinfoldError(`allocate: numa.nodes: node ${unknown} has no memory here; nodes with memory: ${known}`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { node: unknown, known },
    })
  }
  switch (policy) {
    case 'bind':
      return { policy: strict ? policyKind.bind : policyKind.preferMany, nodes, verify: false }
    case 'prefer':
      if (strict) return { policy: policyKind.bind, nodes, verify: false }
      return { policy: nodes.length === 1 ? policyKind.prefer : policyKind.preferMany, nodes, verify: false }
    case 'interleave':
      // Interleaving falls back to other nodes when one has no page left (mm/mempolicy.c, weighted or not).
      return { policy: policyKind.interleave, nodes, verify: strict }
    case 'local':
      return { policy: strict ? policyKind.bindLocal : policyKind.local, nodes, verify: false }
  }
}
