import { PinfoldError } from '../../errors.js'
import { policyKind } from '../../native.js'
import { currentNode, memoryNodes } from '../../system/numa.js'
import type { CheckedRegionOptions } from '../region-options.js'

/** The nodes that pages come from, in the terms of native code. */
export interface Placement {
  /** A `policyKind` of native.ts. */
  readonly policy: number
  readonly nodes: readonly number[]
  /** True if the pages are spread evenly over the nodes. */
  readonly interleaved: boolean
  /** True if the kernel may break the policy, so that the pages are checked when they are there. */
  readonly verify: boolean
}

type NumaPolicy = NonNullable<CheckedRegionOptions['numa']>['policy']

const anywhere: Placement = { policy: policyKind.none, nodes: [], interleaved: false, verify: false }

/** @throws PinfoldError `ERR_OUT_OF_RANGE` when this machine has no memory on one of the nodes */
export function placementOf({ numa }: CheckedRegionOptions): Placement {
  if (numa === undefined) return anywhere
  const { policy, nodes = [], strict = policy === 'bind' } = numa
  const known = memoryNodes()
  const unknown = nodes.find((node) => !known.includes(node))
  if (unknown !== undefined) {
    throw new PinfoldError(`allocate: numa.nodes: node ${unknown} has no memory here; nodes with memory: ${known}`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { node: unknown, known },
    })
  }
  // Interleaving falls back to other nodes when one has no page left (mm/mempolicy.c, weighted or not).
  const interleaved = policy === 'interleave'
  return { policy: nativePolicy(policy, strict, nodes.length), nodes, interleaved, verify: interleaved && strict }
}

function nativePolicy(policy: NumaPolicy, strict: boolean, nodes: number): number {
  switch (policy) {
    case 'bind':
      return strict ? policyKind.bind : policyKind.preferMany
    case 'prefer':
      if (strict) return policyKind.bind
      return nodes === 1 ? policyKind.prefer : policyKind.preferMany
    case 'interleave':
      return policyKind.interleave
    case 'local':
      return strict ? policyKind.bindLocal : policyKind.local
  }
}

/** The nodes that pages must come from; undefined for a policy that only prefers some. */
export function strictNodes({ policy, nodes }: Pick<Placement, 'policy' | 'nodes'>): readonly number[] | undefined {
  if (policy === policyKind.bind) return nodes
  return policy === policyKind.bindLocal ? [currentNode()] : undefined
}
