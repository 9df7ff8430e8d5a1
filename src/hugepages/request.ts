import * as z from 'zod/mini'
import { checked, later, optionsOf, sizeOption } from '../options.js'
import type { Size } from '../sizes.js'

const schema = later(() =>
  optionsOf<PoolRequest>()({
    pageSize: sizeOption,
    pages: z.int().check(z.nonnegative()),
    node: z.optional(z.int().check(z.nonnegative())),
    compact: z._default(z.boolean(), false),
    dropCaches: z._default(z.boolean(), false),
  }),
)

/** What a change of a hugepage pool asks for. */
export interface PoolRequest {
  /** The size of one page: '2MiB', '1GiB', or bytes. */
  readonly pageSize: Size
  /** Pages, 0 or more. */
  readonly pages: number
  /** The NUMA node; without it the kernel spreads the pages over all nodes that have memory. */
  readonly node?: number | undefined
  /** When the kernel finds too little contiguous memory: compact memory (can take seconds), then try again. */
  readonly compact?: boolean | undefined
  /** As `compact`, and before it drop the page cache, which slows the whole machine for a while. */
  readonly dropCaches?: boolean | undefined
}

/** A request that was checked; the page size is in bytes. */
export interface CheckedRequest {
  readonly pageSize: number
  readonly pages: number
  readonly node: number | undefined
  readonly compact: boolean
  readonly dropCaches: boolean
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` that names the option and what was received */
export function checkPoolRequest(subject: string, request: PoolRequest): CheckedRequest {
  const { node, ...others } = checked(subject, schema, request)
  return { ...others, node }
}
