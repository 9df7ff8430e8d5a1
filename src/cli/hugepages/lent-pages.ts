import { openLoans } from '../../memory/hugepage-loan.js'
import type { HugepagePool } from '../../memory/hugepage-pools.js'
import { memoryNodes } from '../../memory/numa.js'

/**
 * How many of a pool's own pages are lent to running programs: they go when those end, and are not there to be released
 * or to be kept for the next boot. Loans are known to root only, and for the whole machine; where there is but one node
 * with memory, that is the node's too.
 */
export function lentPages({ pageSize, node }: Pick<HugepagePool, 'pageSize' | 'node'>): number {
  if (node !== undefined && memoryNodes().length > 1) return 0
  return openLoans()
    .filter((loan) => loan.pageSize === pageSize)
    .reduce((sum, { pages }) => sum + pages, 0)
}
