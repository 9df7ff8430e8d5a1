import { defineCommand } from 'citty'
import { type HugepagePool, ownPages } from '../../hugepages/index.js'
import { commonArguments } from '../arguments.js'
import { lentPages } from './lent-pages.js'
import { changeReservation, reservationArguments } from './reservation.js'

/**
 * Adds pages to a pool: the number that was named, or (--to) until the pool has that number. It never takes pages away,
 * so two programs that reserve at the same time both get their pages.
 */
export const reserve = defineCommand({
  meta: { name: 'reserve', description: 'Add hugepages to a hugepage pool, all or none' },
  args: {
    ...reservationArguments,
    to: {
      type: 'string',
      description: 'Add pages until the pool has this many, not counting lent ones',
      valueHint: 'pages',
    },
    overcommit: {
      type: 'string',
      description: 'Let the kernel make up to this many surplus pages on demand; it may fail to make them',
      valueHint: 'pages',
    },
    compact: { type: 'boolean', description: 'If memory is too scattered, compact it and try again' },
    'drop-caches': { type: 'boolean', description: 'Like --compact, but drop the page cache first' },
    ...commonArguments,
  },
  run: ({ args }) =>
    changeReservation('pinfold/hugepages-reserve/1', args, (pool, amount) =>
      'by' in amount ? pagesAfterGrowth(pool, amount.by) : Math.max(ownPages(pool), amount.to + lentPages(pool)),
    ),
})

/**
 * The kernel first turns surplus pages, which are in use, into own pages. So the new pages must come on top of the
 * total.
 */
function pagesAfterGrowth(pool: HugepagePool, pages: number): number {
  return pages === 0 ? ownPages(pool) : pool.total + pages
}
