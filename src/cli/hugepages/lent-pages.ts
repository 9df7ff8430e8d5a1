import { openLoans } from '../../memory/hugepage-loan.js'
import type { HugepagePool } from '../../memory/hugepage-pools.js'

/**
 * How many of a pool's own pages are lent to running programs: they go when those end, and are not there to be released
 * or to be kept for the next boot. Loans are known to root only.
 */
export function lentPages({ pageSize, node }: Pick<HugepagePool, 'pageSize' | 'node'>): number {
  return openLoans()
    .filter((loan) => loan.pageSize === pageSize)
    .reduce((sum, { pages, nodes }) => sum + (node === undefined ? pages : (nodes[node] ?? 0)), 0)
}
