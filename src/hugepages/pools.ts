import { setPool } from './change.js'
import { type HugepagePool, ownPages, readPool } from './counters.js'
import { growCommand } from './growth.js'
import { withPoolLock } from './open-loans.js'
import { checkPoolRequest, type PoolRequest } from './request.js'

/** The pool before and after `resizePool`. */
export interface PoolChange {
  /** The pool before the change. */
  readonly before: HugepagePool
  /** The pool after the change, read again. Its `surplus` are pages that the pool gave up while they were used. */
  readonly after: HugepagePool
}

/**
 * Sets a pool to `pages` own pages (nr_hugepages), for good: until the next change or the next boot. All or nothing.
 *
 * Used pages are never taken away: a pool that is lowered below them counts them as surplus until their users free
 * them. Open loans are part of the number; each takes its own pages off again when it is given back.
 *
 * @throws PinfoldError `ERR_POOL_CHANGE_REFUSED` when the kernel gave fewer pages (the pool is as it was; values
 *   `wanted`, `got`, `had`, and `freeBytes`, `fragmented` or `reachableBytes`), `ERR_PERMISSION` without root,
 *   `ERR_UNSUPPORTED` when this machine has no such pages or node, `ERR_INVALID_ARGUMENT`
 */
export function resizePool(request: PoolRequest): PoolChange {
  const checked = checkPoolRequest('resizePool', request)
  const { pageSize, node, pages } = checked
  const byHand = growCommand(readPool(pageSize, node), pages)
  return withPoolLock(
    () => {
      const before = readPool(pageSize, node)
      if (ownPages(before) !== pages) setPool(checked)
      return { before, after: readPool(pageSize, node) }
    },
    { hint: byHand },
  )
}
