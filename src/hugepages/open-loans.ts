import { closeSync } from 'node:fs'
import { PinfoldError, toPinfoldError } from '../errors.js'
import { readKernelFile } from '../system/kernel-files.js'
import { hugetlbPageSizes } from '../system/page-sizes.js'
import { ownPages, type PoolShare, readPool, readShares, writeOwnPages } from './counters.js'
import { Journal, journalPaths, type Loan } from './journal.js'
import { type LockPatience, takePoolLock } from './lock.js'
import { type OwnerLife, ownerLife } from './owner.js'
import { fileIdentity, refusal } from './plain-files.js'

/** A loan whose borrower died, and the pages that were taken off the pools for it. */
export interface RepairedLoan {
  /** The borrower. Another process may have this pid by now. */
  readonly pid: number
  /** Bytes. */
  readonly pageSize: number
  /**
   * Pages that the pools gave up: all of the loan, or fewer when the borrower died half-way or others lowered the pool.
   */
  readonly pages: number
}

/** A loan that is not given back yet. */
export interface OpenLoan {
  readonly pid: number
  /** Bytes. */
  readonly pageSize: number
  /** Pages of all nodes together. */
  readonly pages: number
  /** Pages on each NUMA node, by its number; empty where the kernel knows no nodes. */
  readonly nodes: Readonly<Record<number, number>>
  /**
   * Whether the borrower lives. 'unknown': the borrower is in another PID namespace, or this /run is a copy of the one
   * in which the loan is. An unknown borrower counts as alive.
   */
  readonly owner: OwnerLife
  /** The path of the loan's journal. */
  readonly journal: string
}

let depth = 0
let repairedAtEntry: RepairedLoan[] = []
let heldLock = ''

/** Options of a change of a pool. */
export interface PoolLockOptions {
  /** The command that does the same by hand: the hint for a caller without permission. */
  readonly hint?: string | undefined
  /** How long the change waits for the lock. */
  readonly patience?: LockPatience | undefined
}

/**
 * Takes the pool lock, waiting for it, and runs `change`: no other pinfold on this machine changes a pool meanwhile.
 * First it repairs the loans of dead borrowers: the numbers of a journal are true only until the next change of a pool.
 *
 * @throws PinfoldError `ERR_PERMISSION` without root, `ERR_POOL_CHANGE_BUSY` when another process holds the lock for
 *   too long, `ERR_SYSTEM` when the file of the lock or of a journal is something else
 */
export function withPoolLock<Result>(
  change: (repaired: readonly RepairedLoan[]) => Result,
  { hint, patience }: PoolLockOptions = {},
): Result {
  if (depth > 0) return change(repairedAtEntry)
  try {
    const lock = takePoolLock(hint, patience)
    depth++
    heldLock = fileIdentity(lock)
    try {
      repairedAtEntry = repairAll()
      return change(repairedAtEntry)
    } finally {
      depth--
      closeSync(lock)
    }
  } catch (error) {
    throw toPinfoldError(error) // for example, no descriptor is left
  }
}

/**
 * Takes off the pools the pages of borrowers that died without giving them back. Every change of a pool by pinfold does
 * this first; call it only to repair and change nothing else.
 *
 * @throws PinfoldError `ERR_PERMISSION` without root, `ERR_POOL_CHANGE_BUSY` when another process holds the lock for
 *   too long, `ERR_SYSTEM` for a file that is no journal, with the command that removes it
 */
export function repairLoans(): RepairedLoan[] {
  return withPoolLock((repaired) => [...repaired])
}

/**
 * The open loans on this machine, of all processes, with those of dead borrowers that are not repaired yet. Without
 * root the list is empty, since only root may read journals.
 *
 * @throws PinfoldError `ERR_SYSTEM` for a file that is no journal, with the command that removes it
 */
export function openLoans(): OpenLoan[] {
  return journalPaths().flatMap((path) => {
    const journal = openJournal(path, 'read')
    if (journal === undefined) return []
    try {
      const loan = journal.contents
      if (typeof loan === 'string' || loan.last.step !== 'raised') return []
      const { pageSize, owner } = loan.raise
      const { shares } = loan.last
      const nodes = Object.fromEntries(
        shares.flatMap(({ node, pages }) => (node === undefined || pages === 0 ? [] : [[node, pages]])),
      )
      const life = isCopy(journal, loan) ? 'unknown' : ownerLife(owner)
      return [{ pid: owner.pid, pageSize, pages: total(shares), nodes, owner: life, journal: path }]
    } finally {
      journal.close()
    }
  })
}

/**
 * The pages that a loan still has on the pools, given each node's own pages now: the last column of the table in
 * journal.ts. Exact as long as every change of the pools was journalled.
 */
export function owedShares({ raise, last }: Loan, now: readonly PoolShare[]): PoolShare[] {
  const countNow = (node: number | undefined) => now.find((share) => share.node === node)?.pages ?? 0
  const countThen = (shares: readonly PoolShare[], node: number | undefined) =>
    shares.find((share) => share.node === node)?.pages ?? 0
  switch (last.step) {
    case 'raise': {
      // The borrower died while the pool grew: the pool has grown by the pages above `before`.
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
      // The borrower died while it gave back: the pages above the goal remain to be taken off.
      return last.shares.map(({ node, pages }) => {
        const goal = Math.max(0, countThen(last.before, node) - pages)
        return { node, pages: Math.min(pages, Math.max(0, countNow(node) - goal)) }
      })
  }
}

/**
 * Takes the pages of a loan off the pools and removes its journal. The caller holds the pool lock. It may be killed at
 * any point and done again.
 */
export function settle(journal: Journal, loan: Loan): number {
  const { pageSize } = loan.raise
  const before = readShares(pageSize)
  const shares = owedShares(loan, before)
  journal.append({ step: 'return', lock: heldLock, before, shares })
  for (const { node, pages } of shares) {
    if (pages > 0) writeOwnPages(pageSize, node, Math.max(0, ownPages(readPool(pageSize, node)) - pages))
  }
  journal.remove()
  return total(shares)
}

export function total(shares: readonly PoolShare[]): number {
  return shares.reduce((sum, { pages }) => sum + pages, 0)
}

/** Identifies the file of the pool lock that this thread holds. */
export function poolLockIdentity(): string {
  return heldLock
}

/** Identifies this boot of the machine (random(4)). */
export function bootId(): string {
  return (readKernelFile('/proc/sys/kernel/random/boot_id') ?? '').trim()
}

/** As `Journal.open`; undefined also when this user may not read the journal. */
function openJournal(path: string, access: 'read' | 'change'): Journal | undefined {
  let journal: Journal | undefined
  try {
    journal = Journal.open(path, access)
  } catch (error) {
    const isDenied = error instanceof Error && 'code' in error && error.code === 'EACCES'
    if (access === 'read' && isDenied && process.geteuid?.() !== 0) return undefined
    throw toPinfoldError(error)
  }
  const loan = journal?.contents
  if (typeof loan === 'object' && !hugetlbPageSizes().includes(loan.raise.pageSize)) {
    journal?.close()
    throw refusal(path, `is no journal of a hugepage loan: no pages of ${loan.raise.pageSize} bytes`, 'rm')
  }
  return journal
}

/**
 * Repairs all loans of dead borrowers. A journal between two steps comes first: its pages are measured by the counts of
 * the pools, which the repair of another loan would change. There is at most one such journal, since only the holder of
 * the pool lock is between two steps, and the next holder settles that loan before anything else. All journals are read
 * before the first is settled: a file that is no journal might be the one between two steps.
 */
function repairAll(): RepairedLoan[] {
  const journals: Journal[] = []
  try {
    for (const path of journalPaths()) {
      const journal = openJournal(path, 'change')
      if (journal !== undefined) journals.push(journal)
    }
    const [between, others] = [journals.filter(isBetweenSteps), journals.filter((one) => !isBetweenSteps(one))]
    return [...between, ...others].flatMap((journal) => {
      journals.splice(journals.indexOf(journal), 1)
      return repair(journal)
    })
  } finally {
    for (const journal of journals) journal.close()
  }
}

function isBetweenSteps({ contents }: Journal): boolean {
  return typeof contents === 'object' && contents.last.step !== 'raised'
}

/** Settles the loan of a dead borrower, and closes the journal in any case. */
function repair(journal: Journal): RepairedLoan[] {
  const loan = journal.contents
  // Another version of pinfold wrote a foreign journal and repairs it: we do not know its steps.
  if (loan !== 'foreign' && isAbandoned(journal)) {
    if (loan === 'empty' || loan.raise.boot !== bootId()) {
      journal.remove()
      return []
    }
    const { owner, pageSize } = loan.raise
    const pages = settle(journal, loan)
    return pages > 0 ? [{ pid: owner.pid, pageSize, pages }] : []
  }
  journal.close()
  return []
}

/** A borrower has ended at most so many milliseconds after the kernel has dropped its lock. */
const mostDying = 500

/**
 * True if the loan of a journal has no living owner. The file lock alone is no proof: a program may have closed the
 * descriptor that holds it, and a copy of a journal was never locked. So the owner's thread must be gone as well, if
 * this process can look it up. In another PID namespace that shares this /run, the lock must be enough.
 *
 * A step under the pool lock that this thread holds now was not completed: its owner died in it, or failed.
 *
 * @throws PinfoldError `ERR_POOL_CHANGE_BUSY` when the owner lives and is between two steps, under another pool lock
 */
function isAbandoned(journal: Journal): boolean {
  const loan = journal.contents
  // No step was begun, or the machine has booted since.
  if (typeof loan === 'string' || loan.raise.boot !== bootId()) return journal.tryLock()
  if (isCopy(journal, loan)) return false
  const { last, raise } = loan
  if (last.step !== 'raised' && last.lock === heldLock) return true
  const isDead = () => journal.tryLock() && ownerLife(raise.owner) !== 'alive'
  const deadline = performance.now() + mostDying
  while (!isDead()) {
    // The kernel drops the locks of a dying process one after another, and shows its thread for a moment after that.
    const isDying = last.step !== 'raised' || journal.tryLock()
    if (isDying && performance.now() < deadline) pause()
    else if (last.step !== 'raised') throw changesElsewhere(journal, raise.owner.pid)
    else return false
  }
  return true
}

/** True if the journal is a copy of the file that the borrower wrote: the loan is in another /run. */
function isCopy(journal: Journal, { raise }: Loan): boolean {
  return journal.identity !== raise.file
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
}

function changesElsewhere({ path }: Journal, pid: number): PinfoldError {
  return new PinfoldError(`process ${pid} is changing a hugepage pool under a lock that is no longer in its place`, {
    code: 'ERR_POOL_CHANGE_BUSY',
    values: { holder: pid, path },
    hint: `ps -o pid,stat,etime,args -p ${pid}`,
  })
}
