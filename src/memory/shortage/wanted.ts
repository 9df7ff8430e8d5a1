import type { ErrorCode } from '../../errors.js'
import { policyKind } from '../../native.js'
import { currentNode } from '../../system/numa.js'

/** Memory that was asked of the kernel. */
export interface WantedMemory {
  /** How many pages of `pageSize`. */
  readonly pages: number
  /** Bytes of one page. */
  readonly pageSize: number
  /** A `pageKind` of native.ts. */
  readonly kind: number
  /** A `policyKind` of native.ts. */
  readonly policy: number
  readonly nodes: readonly number[]
  /** Whether it is locked (mlock). */
  readonly lock: boolean
  /** Bytes in all. */
  readonly size: number
  /** The file on a hugetlbfs mount that backs it, or ''. */
  readonly path?: string
}

/** The nodes that pages must come from; undefined for a policy that only prefers some. */
export function strictNodes({ policy, nodes }: Pick<WantedMemory, 'policy' | 'nodes'>): readonly number[] | undefined {
  if (policy === policyKind.bind) return nodes
  return policy === policyKind.bindLocal ? [currentNode()] : undefined
}

/** Why there is too little: what an error is made of. */
export interface Shortage {
  readonly code: ErrorCode
  readonly message: string
  readonly values: Readonly<Record<string, unknown>>
  readonly hint?: string | undefined
}
