import { PinfoldError } from '../../errors.js'
import {
  checkGrowth,
  type HugepagePool,
  mostGrowth,
  ownPages,
  poolDirectory,
  readPool,
  readShares,
  resizePool,
  withPoolLock,
} from '../../hugepages/index.js'
import { formatSize } from '../../sizes.js'
import { writeCommand } from '../shell-command.js'

/** A pool's own pages (nr_hugepages less surplus) before and after. */
export interface PagesChange {
  /** null: all nodes together. */
  readonly node: number | null
  readonly before: number
  readonly after: number
}

export interface ChangeRequest {
  readonly pageSize: number
  /** The nodes whose pools are changed; undefined is the pool of the whole machine. */
  readonly nodes: readonly (number | undefined)[]
  /** Returns the number of own pages that a pool shall have. If it throws, nothing is changed. */
  readonly goal: (pool: HugepagePool) => number
  readonly compact: boolean
  readonly dropCaches: boolean
  readonly dryRun: boolean
}

/**
 * Changes the pools of several nodes, all or none. No other pinfold process changes a pool meanwhile. `settle` is part
 * of the change: if it throws, the change is undone.
 *
 * @throws PinfoldError `ERR_POOL_CHANGE_REFUSED`, and the errors of `goal` and `settle`; the pools are then as before
 */
export function changePools<T>(request: ChangeRequest, settle: (changes: readonly PagesChange[]) => T): T {
  const { pageSize, nodes, goal, compact, dropCaches } = request
  const plan = () =>
    nodes.map((node): PagesChange => {
      const pool = readPool(pageSize, node)
      return { node: node ?? null, before: ownPages(pool), after: goal(pool) }
    })
  // A dry run only reads, so it needs no root. It cannot know whether the kernel finds the pages in one piece.
  if (request.dryRun) {
    const changes = plan()
    for (const { node, after } of changes) checkGrowth(pageSize, node ?? undefined, after)
    return settle(changes)
  }
  const pools = plan().map(({ node, after }) => ({ pool: readPool(pageSize, node ?? undefined), after }))
  const fits = pools.every(({ pool, after }) => after - pool.total <= mostGrowth(pool))
  const byHand = pools.map(({ pool, after }) =>
    writeCommand(`${poolDirectory(pageSize, pool.node)}/nr_hugepages`, after),
  )
  return withPoolLock(
    () => {
      const before = readShares(pageSize)
      const changes = plan()
      try {
        for (const { node, after } of changes) {
          const change = resizePool({ pageSize, node: node ?? undefined, pages: after, compact, dropCaches })
          if (change.after.surplus > change.before.surplus) throw takenMeanwhile(change.after)
        }
        return settle(changes)
      } catch (error) {
        // The pools are restored node by node. A change of the whole machine's pool would not say from which nodes its
        // pages come.
        for (const { node, pages } of before) resizePool({ pageSize, node, pages })
        throw error
      }
    },
    { hint: fits ? byHand.join('; ') : undefined },
  )
}

function takenMeanwhile({ pageSize, surplus }: HugepagePool): PinfoldError {
  const message = `other programs began to use pages of ${formatSize(pageSize)} meanwhile; nothing was changed`
  return new PinfoldError(message, { code: 'ERR_POOL_CHANGE_REFUSED', values: { pageSize, surplus } })
}
