import { closeSync, mkdirSync, openSync } from 'node:fs'
import { PinfoldError, toPinfoldError } from '../errors.js'
import { native } from '../native.js'
import { ownPages, type PoolShare, readPool, readShares, writeOwnPages } from './hugepage-counters.js'
import { Journal, journalDirectory, journalPaths, journalVersion, type Loan, readJournal } from './hugepage-journal.js'
import { readKernelFile } from './kernel-files.js'

/** A loan whose borrower died, and what was taken off the pools for it. */
export interface RepairedLoan {
  /** Who had borrowed. The pid may be another process's by now. */
  readonly pid: number
  /** Bytes. */
  readonly pageSize: number
  /** Pages that the pools gave up: all that it had borrowed, or fewer when it died half-way or others lowered the pool. */
  readonly pages: number
}

/** A loan that is out. */
export interface OpenLoan {
  readonly pid: number
  /** Bytes. */
  readonly pageSize: number
  /** In all. */
  readonly pages: number
  /** Pages on each NUMA node, by its number; empty where the kernel knows no nodes. */
  readonly nodes: Readonly<Record<number, number>>
}

let depth = 0
let repairedAtEntry: RepairedLoan[] = []

/**
 * Runs `change` while no other pinfold on this machine changes a pool, waiting for its turn. First it repairs what dead
 * borrowers left: a journal's numbers are true only as long as nobody has changed the pools since.
 *
 * @param hint the command that does the same by hand, for the error of a caller who is not root
 * @throws PinfoldError `ERR_PERMISSION` without root
 */
export function withPoolLock<Result>(change: (repaired: readonly RepairedLoan[]) => Result, hint?: string): Result {
  if (depth > 0) return change(repairedAtEntry)
  const lock = openLock(hint)
  try {
    native.lockFile(lock, true)
    depth++
    try {
      repairedAtEntry = repairAll()
      return change(repairedAtEntry)
    } finally {
      depth--
    }
  } catch (error) {
    throw toPinfoldError(error) // no descriptor left, for one
  } finally {
    closeSync(lock)
  }
}

/**
 * Takes off the pools what borrowers left that died without giving back. Every change of a pool by pinfold does it
 * first; calling it is needed only to repair and change nothing else.
 *
 * @throws PinfoldError `ERR_PERMISSION` without root
 */
export function repairLoans(): RepairedLoan[] {
  return withPoolLock((repaired) => [...repaired])
}

/**
 * The loans that are out on this machine, other processes' too, and those of dead borrowers that nobody has repaired yet.
 * Needs root, since journals are root's: else none.
 */
export function openLoans(): OpenLoan[] {
  const loans: OpenLoan[] = []
  for (const path of journalPaths()) {
    const loan = readJournal(path)
    if (loan?.last.step !== 'raised' || isForeign(loan)) continue
    const { pid, pageSize } = loan.raise
    const { shares } = loan.last
    const nodes = Object.fromEntries(
      shares.flatMap(({ node, pages }) => (node === undefined || pages === 0 ? [] : [[node, pages]])),
    )
    loans.push({ pid, pageSize, pages: total(shares), nodes })
  }
  return loans
}

/** What a loan has still on the pools, given each node's own pages now. Exact as long as every change was journalled. */
export function owedShares({ raise, last }: Loan, now: readonly PoolShare[]): PoolShare[] {
  const countNow = (node: number | undefined) => now.find((share) => share.node === node)?.pages ?? 0
  const countThen = (shares: readonly PoolShare[], node: number | undefined) =>
    shares.find((share) => share.node === node)?.pages ?? 0
  switch (last.step) {
    case 'raise': {
      // Died while the pool grew: it has grown by what is there beyond `before`.
      let left = raise.pages
      return raise.before.map(({ node, pages }) => {
        const gained = Math.min(left, Math.max(0, countNow(node) - pages))
        left -= gained
        return { node, pages: gained }
      })
    }
    case 'raised':
      return last.shares.map(({ node, pages }) => ({ node, pages: Math.min(pages, countNow(node)) }))
    case 'return':
      // Died while it gave back: what is there beyond the goal has still to go.
      return last.shares.map(({ node, pages }) => {
        const goal = Math.max(0, countThen(last.before, node) - pages)
        return { node, pages: Math.min(pages, Math.max(0, countNow(node) - goal)) }
      })
  }
}

/** Takes a loan's pages off the pools and ends its journal. Under the lock; may be killed and done again at any point. */
export function settle(journal: Journal, loan: Loan): number {
  const { pageSize, boot } = loan.raise
  if (boot !== bootId()) {
    journal.remove()
    return 0
  }
  const before = readShares(pageSize)
  const shares = owedShares(loan, before)
  journal.append({ step: 'return', before, shares })
  for (const { node, pages } of shares) {
    if (pages > 0) writeOwnPages(pageSize, node, Math.max(0, ownPages(readPool(pageSize, node)) - pages))
  }
  journal.remove()
  return total(shares)
}

export function total(shares: readonly PoolShare[]): number {
  return shares.reduce((sum, { pages }) => sum + pages, 0)
}

/** Names this boot of the machine (random(4)). */
export function bootId(): string {
  return (readKernelFile('/proc/sys/kernel/random/boot_id') ?? '').trim()
}

function openLock(hint: string | undefined): number {
  try {
    mkdirSync(journalDirectory, { recursive: true, mode: 0o700 })
    return openSync(`${journalDirectory}/hugepages.lock`, 'a', 0o600)
  } catch (error) {
    if (!isDenied(error)) throw toPinfoldError(error)
    throw new PinfoldError(`only root may change hugepage pools, under a lock in ${journalDirectory}`, {
      code: 'ERR_PERMISSION',
      values: { path: journalDirectory },
      hint,
      cause: error,
    })
  }
}

function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['EACCES', 'EPERM', 'EROFS'].includes(String(error.code))
}

/** Whether a journal of a newer pinfold, whose steps we do not know: it is left to that. */
function isForeign(loan: Loan | undefined): boolean {
  return loan !== undefined && loan.raise.version !== journalVersion
}

function repairAll(): RepairedLoan[] {
  const repaired: RepairedLoan[] = []
  for (const path of journalPaths()) {
    const loan = readJournal(path)
    const journal = Journal.open(path)
    if (isForeign(loan)) {
      journal.close()
      continue
    }
    // Only the holder of the pool lock is ever between two steps, and that is us now: so whoever wrote this is gone,
    // though the kernel may not have dropped its file lock yet.
    const isBetweenSteps = loan === undefined || loan.last.step !== 'raised'
    if (isBetweenSteps || journal.tryLock()) {
      const pages = loan === undefined ? 0 : settle(journal, loan)
      if (loan === undefined) journal.remove()
      else if (pages > 0) repaired.push({ pid: loan.raise.pid, pageSize: loan.raise.pageSize, pages })
    } else {
      journal.close()
    }
  }
  return repaired
}
