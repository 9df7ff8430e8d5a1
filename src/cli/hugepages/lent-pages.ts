import { type HugepagePool, type OpenLoan, openLoans } from '../../hugepages/index.js'
import { formatSize } from '../../sizes.js'
import { formatCounted } from '../output.js'

/**
 * How many of a pool's own pages are lent to running programs: they go when those end, and are not there to be released
 * or to be kept for the next boot. Loans are known to root only.
 */
export function lentPages({ pageSize, node }: Pick<HugepagePool, 'pageSize' | 'node'>): number {
  return openLoans()
    .filter((loan) => loan.pageSize === pageSize)
    .reduce((sum, { pages, nodes }) => sum + (node === undefined ? pages : (nodes[node] ?? 0)), 0)
}

/** The loans of these pages whose borrower may live or not: this process cannot know. They count as lent. */
export function unknownLoans({ pageSize }: Pick<HugepagePool, 'pageSize'>): OpenLoan[] {
  return openLoans().filter((loan) => loan.pageSize === pageSize && loan.owner === 'unknown')
}

/** What an error or a listing says of such a loan. */
export function unknownLoanText({ pid, pageSize, pages, journal }: OpenLoan): string {
  return `${formatCounted(pages, 'page')} of ${formatSize(pageSize)} are lent to process ${pid} by ${journal}: whether it lives cannot be known here, where that file is a copy, or of another PID namespace`
}
