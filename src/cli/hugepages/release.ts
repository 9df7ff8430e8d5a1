import { defineCommand } from 'citty'
import { PinfoldError } from '../../errors.js'
import { type HugepagePool, ownPages, readPool } from '../../hugepages/index.js'
import { formatSize } from '../../sizes.js'
import { ownCommand } from '../../system/own-command.js'
import { commonArguments } from '../arguments.js'
import { lentPages, unknownLoans, unknownLoanText } from './lent-pages.js'
import { type Amount, changeReservation, reservationArguments } from './reservation.js'

/**
 * Takes pages out of a pool and gives them back to the kernel. It takes only pages that are not in use. The kernel
 * would turn pages in use into surplus pages, which look released but are not.
 */
export const release = defineCommand({
  meta: { name: 'release', description: 'Take free hugepages out of a hugepage pool, all or none' },
  args: {
    ...reservationArguments,
    to: {
      type: 'string',
      description: 'Release pages until the pool has only this many, not counting lent ones',
      valueHint: 'pages',
    },
    ...commonArguments,
  },
  run: ({ args }) => changeReservation('pinfold/hugepages-release/1', args, pagesAfterRelease),
})

/** @throws PinfoldError `ERR_POOL_CHANGE_REFUSED` if fewer pages are free than shall be released */
export function pagesAfterRelease(pool: HugepagePool, amount: Amount): number {
  const own = ownPages(pool)
  const lent = lentPages(pool)
  const goal = 'by' in amount ? own - amount.by : Math.min(own, amount.to + lent)
  // The kernel promises pages to mappings from the whole machine's pool, so a node's free pages may be needed for them.
  const whole = pool.node === undefined ? pool : readPool(pool.pageSize)
  const free = Math.min(pool.free, whole.free - (whole.reserved ?? 0), own - lent)
  if (own - goal <= free) return goal
  const where = pool.node === undefined ? '' : ` on node ${pool.node}`
  const inUse = pool.total - pool.free
  const message =
    `cannot release ${own - goal} pages of ${formatSize(pool.pageSize)}${where}: ${free} free ` +
    `(${pool.total} in the hugepage pool, ${inUse} in use, ${whole.reserved ?? 0} promised, ${lent} lent); ` +
    'nothing was changed' +
    unknownLoans(pool)
      .map((loan) => `; ${unknownLoanText(loan)}`)
      .join('')
  throw new PinfoldError(message, {
    code: 'ERR_POOL_CHANGE_REFUSED',
    values: { pageSize: pool.pageSize, node: pool.node, wanted: own - goal, free, total: pool.total, inUse, lent },
    hint: ownCommand('hugepages show   # lists who uses them'),
  })
}
