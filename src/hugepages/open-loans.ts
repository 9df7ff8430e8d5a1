import { closeSync } from 'node:fs'
import { PinfoldError, toPinfoldError } from '../errors.js'
import { readKernelFile } from '../system/kernel-files.js'
import { hugetlbPageSizes } from '../system/page-sizes.js'
import { ownPages, type PoolShare, readPool, readShares, writeOwnPages } from './counters.js'
import { Journal, journalPaths, type Loan } from './journal.js'
import { type LockPatience, takePoolLock } from './lock.js'
import { type OwnerLife, ownerLife } from './owner.js'
import { fileIdentity, refusal } from './plain-files.js'

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
  /**
   * Whether the borrower lives. 'unknown', and it counts as alive: it is in another PID namespace, or this /run is a
   * copy of the one in which the loan is.
   */
  readonly owner: OwnerLife
  /** The file that tells of the loan. */
  readonly journal: string
}

let depth = 0
let repairedAtEntry: RepairedLoan[] = []
let heldLock = ''

/** For a change of a pool: what it says to a caller who may not, and how long it waits for others. */
export interface PoolLockOptions {
  /** The command that does the same by hand. */
  readonly hint?: string | undefined
  readonly patience?: LockPatience | undefined
}

/**
 * Runs `change` while no other pinfold on this machine changes a pool, waiting for its turn. First it repairs what dead
 * borrowers left: a journal's numbers are true only as long as nobody has changed the pools since.
 *
 * @throws PinfoldError `ERR_PERMISSION` without root, `ERR_POOL_CHANGE_BUSY` when another has the lock for too long,
 *   `ERR_SYSTEM` when there is something else in the place of the lock or of a journal
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
    throw toPinfoldError(error) // no descriptor left, for one
  }
}

/**
 * Takes off the pools what borrowers left that died without giving back. Every change of a pool by pinfold does it
 * first; calling it is needed only to repair and change nothing else.
 *
 * @throws PinfoldError `ERR_PERMISSION` without root, `ERR_POOL_CHANGE_BUSY` when another has the lock for too long,
 *   `ERR_SYSTEM` for a file that is no journal, with the command that removes it
 */
export function repairLoans(): RepairedLoan[] {
  return withPoolLock((repaired) => [...repaired])
}

/**
 * The loans that are out on this machine, other processes' too, and those of dead borrowers that nobody has repaired yet.
 * Needs root, since journals are root's: else none.
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

/** Names the file of the pool lock that this thread has. */
export function poolLockIdentity(): string {
  return heldLock
}

/** Names this boot of the machine (random(4)). */
export function bootId(): string {
  return (readKernelFile('/proc/sys/kernel/random/boot_id') ?? '').trim()
}

/** As `Journal.open`; without root there is nothing to see. */
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
 * Repairs in the order in which the numbers of the journals are true. Only who has the pool lock is ever between two
 * steps, and what is owed then is measured by the counts of the pools: so that journal comes first, before others'
 * pages are taken off. There is one at most, since whoever takes the lock next settles it before it does anything else.
 * All are read before the first is settled: a file that is no journal might be the one between two steps.
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

/** Settles a dead borrower's loan, and closes the journal in any case. */
function repair(journal: Journal): RepairedLoan[] {
  const loan = journal.contents
  // A journal of another pinfold, whose steps we do not know, is left to that.
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

/** How long a borrower may take to end once the kernel has dropped its lock, in milliseconds. */
const mostDying = 500

/**
 * Whether nobody has a journal's loan any more. The file lock alone is no proof: a program may have closed the descriptor
 * that holds it, and a copy of a journal was never locked. So the owner's thread must be gone as well, where this process
 * can look it up; from another PID namespace, which shares this very /run, the lock has to do.
 *
 * A step that was begun under the pool lock, which is ours now, was broken off: its owner died in it, or failed.
 *
 * @throws PinfoldError `ERR_POOL_CHANGE_BUSY` when its owner lives and is between two steps, under another pool lock
 */
function isAbandoned(journal: Journal): boolean {
  const loan = journal.contents
  // Nothing was begun, or the boot is over in which it was.
  if (typeof loan === 'string' || loan.raise.boot !== bootId()) return journal.tryLock()
  if (isCopy(journal, loan)) return false
  const { last, raise } = loan
  if (last.step !== 'raised' && last.lock === heldLock) return true
  const isDead = () => journal.tryLock() && ownerLife(raise.owner) !== 'alive'
  const deadline = performance.now() + mostDying
  while (!isDead()) {
    // The kernel drops a dying process's locks one after another, and its thread is seen for a moment after that.
    const isDying = last.step !== 'raised' || journal.tryLock()
    if (isDying && performance.now() < deadline) pause()
    else if (last.step !== 'raised') throw changesElsewhere(journal, raise.owner.pid)
    else return false
  }
  return true
}

/** Whether it is a copy of the file in which the loan was written: that tells of a loan in another /run. */
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
