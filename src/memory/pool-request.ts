import { z } from 'zod'
import { PinfoldError } from '../errors.js'
import { describe, parseSize, type Size } from '../sizes.js'

const requestSchema = z.strictObject({
  pageSize: z.union([z.number(), z.string()]),
  pages: z.int().nonnegative(),
  node: z.int().nonnegative().optional(),
  compact: z.boolean().optional(),
  dropCaches: z.boolean().optional(),
})

/** What a change of a hugepage pool asks for. */
export interface PoolRequest {
  /** The size of one page: '2MiB', '1GiB', or bytes. */
  readonly pageSize: Size
  /** Pages, 0 or more. */
  readonly pages: number
  /** The NUMA node; without it the kernel spreads the pages over all nodes that have memory. */
  readonly node?: number | undefined
  /** When the kernel finds too little contiguous memory: compact memory (all nodes; can take seconds), then try again. */
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

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` that names the option and the value */
export function checkPoolRequest(request: PoolRequest): CheckedRequest {
  const checked = requestSchema.safeParse(request)
  if (!checked.success) throw invalid(checked.error.issues[0], request)
  const { pageSize, pages, node, compact = false, dropCaches = false } = checked.data
  return { pageSize: parseSize(pageSize), pages, node, compact, dropCaches }
}

function invalid(issue: z.core.$ZodIssue | undefined, request: unknown): PinfoldError {
  const option = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path[0]
  const known = typeof request === 'object' && request !== null
  const value = known && option !== undefined ? Reflect.get(request, option) : request
  const where = option === undefined ? 'a request for hugepages' : `option '${String(option)}'`
  return new PinfoldError(`${where}: ${issue?.message ?? 'invalid'}, received ${describe(value)}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: option === undefined ? { request } : { [String(option)]: value },
  })
}
