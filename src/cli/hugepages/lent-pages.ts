import { type HugepagePool, type OpenLoan, openLoans } from '../../hugepages/index.js'
import { formatSize } from '../../sizes.js'
import { formatCounted } from '../output.js'

/**
 * The number of a pool's own pages that are lent to running programs. These pages leave the pool when the programs end,
 * so they are neither released nor kept for the next boot. Only root can see loans.
 */
export function lentPages({ pageSize, node }: Pick<HugepagePool, 'pageSize' | 'node'>): number {
  return openLoans()
    .filter((loan) => loan.pageSize === pageSize)
    .reduce((sum, { pages, nodes }) => sum + (node === undefined ? pages : (nodes[node] ?? 0)), 0)
}

/** The loans of this page size for which this process cannot know whether the borrower lives. They count as lent. */
export function unknownLoans({ pageSize }: Pick<HugepagePool, 'pageSize'>): OpenLoan[] {
  return openLoans().filter((loan) => loan.pageSize === pageSize && loan.owner === 'unknown')
}

/** The text about such a loan, for errors and listings. */
export function unknownLoanText({ pid, pageSize, pages, journal }: OpenLoan): string {
  return (
    `process ${pid} has borrowed ${formatCounted(pages, 'page')} of ${formatSize(pageSize)} (${journal}): ` +
    'it cannot be known here whether that process lives, since the file is a copy, or of another PID namespace'
  )
}
