import { defineCommand } from 'citty'
import { type HugepagePool, ownPages } from '../../hugepages/index.js'
import { commonArguments } from '../arguments.js'
import { lentPages } from './lent-pages.js'
import { changeReservation, reservationArguments } from './reservation.js'

/**
 * Puts pages into a pool: as many more as named, or (--to) until it has that many. It never takes pages away, so two
 * programs that reserve at once both get theirs.
 */
export const reserve = defineCommand({
  meta: { name: 'reserve', description: 'Put hugepages into a pool, all or none' },
  args: {
    ...reservationArguments,
    to: {
      type: 'string',
      description: 'Until the pool has this many, without what is lent for a while',
      valueHint: 'pages',
    },
    overcommit: {
      type: 'string',
      description: 'Let the kernel make up to this many more on demand (surplus pages, which may fail)',
      valueHint: 'pages',
    },
    compact: { type: 'boolean', description: 'When memory is too scattered: compact it, then try again' },
    'drop-caches': { type: 'boolean', description: 'As --compact, and drop the page cache before' },
    ...commonArguments,
  },
  run: ({ args }) =>
    changeReservation('pinfold/hugepages-reserve/1', args, (pool, amount) =>
      'by' in amount ? pagesAfterGrowth(pool, amount.by) : Math.max(ownPages(pool), amount.to + lentPages(pool)),
    ),
})

/** The kernel first makes own pages of surplus ones, which are in use: so many more must come beyond the total. */
function pagesAfterGrowth(pool: HugepagePool, pages: number): number {
  return pages === 0 ? ownPages(pool) : pool.total + pages
}
