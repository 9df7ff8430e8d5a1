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

/** How the region gets its hugetlb pages. */
export interface PageSupply {
  /**
   * The hugepage pool that the region takes its pages from. If no pool has enough, it is the pool with the largest
   * pages; undefined without hugetlb pages of a suitable size.
   */
  readonly pool: HugepagePool | undefined
  /** Whether the pool has enough pages for the region, including those of the loan. */
  readonly enough: boolean
  readonly loan: HugepageLoan | undefined
  /** Loans that killed runs left, and that were taken back now. */
  readonly repaired: readonly RepairedLoan[]
  /** The errors of the pools that could not be made large enough, largest pages first. */
  readonly refusals: readonly PinfoldError[]
}

/**
 * Takes back the pages that killed runs have left in the pools. Without root it does nothing, since only root can have
 * left any.
 */
export function repairPools(): readonly RepairedLoan[] {
  if (process.geteuid?.() !== 0) return []
  try {
    return repairLoans()
  } catch (error) {
    // Root that may not write to /run or /sys (in a container) cannot have left anything either.
    if (error instanceof PinfoldError && error.code === 'ERR_PERMISSION') return []
    throw error
  }
}

/**
 * Finds the largest pages that divide `size` and of which enough are free and unclaimed. If there are none, it borrows
 * pages, which needs root. It borrows all pages of the region and not only the missing ones, since another process may
 * be about to take the free ones.
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

/**
 * Free pages that are neither reserved nor lent. A borrower may not have mapped its pages yet, so the kernel may still
 * count them as free.
 */
export function unclaimed({ pageSize, free, reserved = 0 }: HugepagePool): number {
  const lent = openLoans().filter((loan) => loan.pageSize === pageSize)
  return free - reserved - lent.reduce((sum, { pages }) => sum + pages, 0)
}
