import { PinfoldError } from '../../errors.js'
import {
  borrowHugepages,
  type HugepageLoan,
  type HugepagePool,
  openLoans,
  type RepairedLoan,
  readPools,
  repairLoans,
} from '../../hugepages/index.js'

/** What was done so that the region can have hugetlb pages. */
export interface PageSupply {
  /** The pool that the region takes its pages from, else the one it would have; undefined without hugetlb pages. */
  readonly pool: HugepagePool | undefined
  /** Whether the pool has enough for the region, now or by the loan. */
  readonly enough: boolean
  readonly loan: HugepageLoan | undefined
  /** What earlier runs left that were killed, and was taken off the pools now. */
  readonly repaired: readonly RepairedLoan[]
  /** Why pools could not be made large enough, largest pages first. */
  readonly refusals: readonly PinfoldError[]
}

/** What runs that were killed have left in the pools, taken off them. None without root, who alone could have left any. */
export function repairPools(): readonly RepairedLoan[] {
  if (process.geteuid?.() !== 0) return []
  try {
    return repairLoans()
  } catch (error) {
    // Root without the right to write /run or /sys (a container) could not have left anything either.
    if (error instanceof PinfoldError && error.code === 'ERR_PERMISSION') return []
    throw error
  }
}

/**
 * Finds the largest pages that divide `size` and of which enough are free, and nobody's. Where there are none, and this process is
 * root, it borrows what the region needs: all of it and not only what is missing, since whoever else looks at the pool
 * now may be about to take the free ones.
 */
export function supplyPages(size: number, repaired: readonly RepairedLoan[]): PageSupply {
  const pools = readPools().filter(({ node, pageSize }) => node === undefined && size % pageSize === 0)
  const pool = pools.find((pool) => unclaimed(pool) >= size / pool.pageSize)
  if (pool !== undefined) return { pool, enough: true, loan: undefined, repaired, refusals: [] }
  const refusals: PinfoldError[] = []
  for (const pool of pools) {
    try {
      const loan = borrowHugepages({ pageSize: pool.pageSize, pages: size / pool.pageSize })
      return { pool, enough: true, loan, repaired: [...repaired, ...loan.repaired], refusals }
    } catch (error) {
      if (!(error instanceof PinfoldError)) throw error
      refusals.push(error)
    }
  }
  return { pool: pools[0], enough: false, loan: undefined, repaired, refusals }
}

/** Free pages that are neither reserved nor lent. A borrower may not have mapped its pages yet, so they still count as free. */
export function unclaimed({ pageSize, free, reserved = 0 }: HugepagePool): number {
  const lent = openLoans().filter((loan) => loan.pageSize === pageSize)
  return free - reserved - lent.reduce((sum, { pages }) => sum + pages, 0)
}
