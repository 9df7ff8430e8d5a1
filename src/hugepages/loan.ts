import { PinfoldError } from '../errors.js'
import { setPool } from './change.js'
import { ownPages, readPool, readShares } from './counters.js'
import { growCommand } from './growth.js'
import { Journal, journalVersion } from './journal.js'
import { bootId, owedShares, poolLockIdentity, type RepairedLoan, settle, withPoolLock } from './open-loans.js'
import { thisOwner } from './owner.js'
import { type CheckedRequest, checkPoolRequest, type PoolRequest } from './request.js'

/** Hugepages that this process has added to a pool for a while. */
export interface HugepageLoan {
  /** Bytes. */
  readonly pageSize: number
  /** The number of pages that were added to the pool as free pages. They are not reserved: any process may map them. */
  readonly pages: number
  /** The loans of dead borrowers that were repaired before this loan. */
  readonly repaired: readonly RepairedLoan[]
  /**
   * Takes as many pages off the pool as were added, whatever else has changed since. A page that is still used becomes
   * surplus, and is freed when its user frees it. A second call does nothing.
   *
   * @throws PinfoldError `ERR_POOL_CHANGE_BUSY` as `borrowHugepages`: the loan stays open then
   */
  giveBack(): void
  [Symbol.dispose](): void
}

/**
 * Makes `pages` more hugepages free, for as long as this process lives or until `giveBack()`: by a difference, under a
 * lock, with a journal in /run/pinfold, so that several borrowers at once each leave the pool as they found it.
 *
 * The loan is given back also when the process exits, and on SIGINT, SIGTERM and SIGHUP unless the program listens to
 * the signal itself (then the program decides, and its exit gives back). After a kill -9 or the termination of a
 * worker, the next borrower takes the pages off the pool before it borrows; `repairLoans` does so at once.
 *
 * Borrow in the main thread: Node.js delivers no signals to workers, and emits no 'exit' in them when the main thread
 * exits. A loan that a worker has not given back by then stays, as after a kill -9.
 *
 * @throws PinfoldError `ERR_POOL_CHANGE_REFUSED` when the kernel gave fewer pages (nothing is changed then),
 *   `ERR_POOL_CHANGE_BUSY` when another process has been changing pools for 30 s, or is stopped for 3 s while it does,
 *   or a signal to which the program listens arrives meanwhile; `ERR_PERMISSION` without root, `ERR_UNSUPPORTED` when
 *   this machine has no such pages or node, `ERR_SYSTEM` when a file in /run/pinfold is none of pinfold's (the hint
 *   removes it), `ERR_INVALID_ARGUMENT`
 */
export function borrowHugepages(request: PoolRequest): HugepageLoan {
  const checked = checkPoolRequest('borrowHugepages', request)
  const pool = readPool(checked.pageSize, checked.node)
  const byHand = growCommand(pool, goal(checked))
  const borrow = (repaired: readonly RepairedLoan[]) => {
    watchEnd() // not before: a signal must be able to interrupt the wait for the lock
    const loan = new OwnLoan(checked, repaired)
    openHere.add(loan)
    return loan
  }
  try {
    return heedingSignals(() => withPoolLock(borrow, { hint: byHand }))
  } finally {
    forgetEnd()
  }
}

/** How many own pages the pool must have: growing first turns surplus pages, which are used, into own pages. */
function goal({ pageSize, node, pages }: CheckedRequest): number {
  const pool = readPool(pageSize, node)
  return ownPages(pool) + pool.surplus + pages
}

/** Undoes a loan that failed. If that fails too, the next borrower repairs it. */
function giveUp(journal: Journal): void {
  const loan = journal.contents
  try {
    if (typeof loan === 'string') journal.remove()
    else settle(journal, loan)
  } catch {
    journal.close()
  }
}

class OwnLoan implements HugepageLoan {
  readonly pageSize: number
  readonly pages: number
  readonly repaired: readonly RepairedLoan[]
  #journal: Journal | undefined

  /** The caller holds the pool lock. */
  constructor(request: CheckedRequest, repaired: readonly RepairedLoan[]) {
    const { pageSize, node, pages } = request
    this.pageSize = pageSize
    this.pages = pages
    this.repaired = repaired
    const before = readShares(pageSize)
    const own = goal(request)
    const journal = Journal.create()
    try {
      const raise = {
        step: 'raise',
        version: journalVersion,
        file: journal.identity,
        boot: bootId(),
        lock: poolLockIdentity(),
        owner: thisOwner(),
        pageSize,
        pages: own - ownPages(readPool(pageSize, node)),
        before,
      } as const
      journal.append(raise)
      setPool({ ...request, pages: own })
      journal.append({ step: 'raised', shares: owedShares({ raise, last: raise }, readShares(pageSize)) })
    } catch (error) {
      giveUp(journal)
      throw error
    }
    this.#journal = journal
  }

  giveBack(): void {
    heedingSignals(() => this.settle())
  }

  settle(): void {
    const journal = this.#journal
    if (journal === undefined) return
    withPoolLock(() => {
      const loan = journal.contents
      if (typeof loan === 'string') return
      // An earlier attempt failed half-way, and the next holder of the lock has completed it.
      if (loan.last.step === 'return' && journal.isRemoved) journal.close()
      else settle(journal, loan)
    })
    this.#journal = undefined
    openHere.delete(this)
    forgetEnd()
  }

  [Symbol.dispose](): void {
    this.giveBack()
  }
}

// The end of the process. Listeners exist only while a loan is open, so that a program without a loan keeps the default
// actions of signals.

const openHere = new Set<OwnLoan>()
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
let isWatching = false

/** Called before the pool grows, which may take seconds: a signal meanwhile takes effect when the loan is complete. */
function watchEnd(): void {
  if (isWatching) return
  isWatching = true
  process.on('exit', returnAll)
  // Ours runs first, so that a `once` listener of the program still counts when we look whether the program listens
  // too.
  for (const signal of signals) process.prependListener(signal, onSignal)
}

/**
 * Called when a loan ends. It waits for the next turn of the event loop: a signal in between would be lost otherwise.
 */
function forgetEnd(): void {
  setImmediate(() => {
    if (openHere.size === 0) stopWatching()
  }).unref()
}

function stopWatching(): void {
  isWatching = false
  process.off('exit', returnAll)
  for (const signal of signals) process.off(signal, onSignal)
}

function returnAll(): void {
  for (const loan of openHere) {
    try {
      loan.settle()
    } catch (error) {
      // The other loans are still given back. The journal of this one stays, and the next borrower repairs it.
      console.error(error)
      // A lock that cannot be taken ends the loop: one wait for its holder is enough.
      if (error instanceof PinfoldError && error.code === 'ERR_POOL_CHANGE_BUSY') return
    }
  }
}

/**
 * Runs work that may wait for the pool lock. A signal ends that wait, since no listener can run during it. If only we
 * listen to the signal, it takes effect at once; otherwise the error goes to the program, whose listener runs next.
 */
function heedingSignals<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    const came =
      error instanceof PinfoldError && error.code === 'ERR_POOL_CHANGE_BUSY' ? error.values.signal : undefined
    for (const signal of signals) if (signal === came) onSignal(signal)
    throw error
  }
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return
  returnAll()
  // Also when a loan could not be given back: the signal ends the process in any case.
  openHere.clear()
  stopWatching()
  process.kill(process.pid, signal)
}
