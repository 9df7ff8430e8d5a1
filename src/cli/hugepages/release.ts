import { defineCommand } from 'citty'
import { PinfoldError } from '../../errors.js'
import { type HugepagePool, ownPages, readPool } from '../../hugepages/index.js'
import { formatSize } from '../../sizes.js'
import { commonArguments } from '../arguments.js'
import { lentPages, unknownLoans, unknownLoanText } from './lent-pages.js'
import { type Amount, changeReservation, reservationArguments } from './reservation.js'

/**
 * Takes pages out of one pool and gives them back to the kernel. Only pages in no use: the kernel would turn others into
 * surplus, which looks released and is not.
 */
export const release = defineCommand({
  meta: { name: 'release', description: 'Take free hugepages out of a pool, all or none' },
  args: {
    ...reservationArguments,
    to: {
      type: 'string',
      description: 'Until the pool has only this many, without what is lent for a while',
      valueHint: 'pages',
    },
    ...commonArguments,
  },
  run: ({ args }) => changeReservation('pinfold/hugepages-release/1', args, pagesAfterRelease),
})

/** @throws PinfoldError `ERR_POOL_CHANGE_REFUSED` when fewer pages are free than are to go */
export function pagesAfterRelease(pool: HugepagePool, amount: Amount): number {
  const own = ownPages(pool)
  const lent = lentPages(pool)
  const goal = 'by' in amount ? own - amount.by : Math.min(own, amount.to + lent)
  // A promise to a mapping is made by the whole machine's pool: a node's free pages may be needed for it.
  const whole = pool.node === undefined ? pool : readPool(pool.pageSize)
  const free = Math.min(pool.free, whole.free - (whole.reserved ?? 0), own - lent)
  if (own - goal <= free) return goal
  const where = pool.node === undefined ? '' : ` on node ${pool.node}`
  const inUse = pool.total - pool.free
  const message =
    `${own - goal} pages of ${formatSize(pool.pageSize)}${where} to release, ${free} free ` +
    `(${pool.total} in the pool, ${inUse} in use, ${whole.reserved ?? 0} promised, ${lent} lent); nothing was changed` +
    unknownLoans(pool)
      .map((loan) => `; ${unknownLoanText(loan)}`)
      .join('')
  throw new PinfoldError(message, {
    code: 'ERR_POOL_CHANGE_REFUSED',
    values: { pageSize: pool.pageSize, node: pool.node, wanted: own - goal, free, total: pool.total, inUse, lent },
    hint: 'pinfold hugepages show   # lists who uses them',
  })
}
