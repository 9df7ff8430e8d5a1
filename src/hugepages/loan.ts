import { PinfoldError } from '../errors.js'
import { setPool } from './change.js'
import { ownPages, readPool, readShares } from './counters.js'
import { growCommand } from './growth.js'
import { Journal, journalVersion } from './journal.js'
import { bootId, owedShares, poolLockIdentity, type RepairedLoan, settle, withPoolLock } from './open-loans.js'
import { thisOwner } from './owner.js'
import { type CheckedRequest, checkPoolRequest, type PoolRequest } from './request.js'

/** Hugepages that this process has put into a pool for a while. */
export interface HugepageLoan {
  /** Bytes. */
  readonly pageSize: number
  /** How many more pages were free once they were put in. Whoever maps first has them: they are not set aside. */
  readonly pages: number
  /** What dead borrowers had left, and was taken off the pools on the way in. */
  readonly repaired: readonly RepairedLoan[]
  /**
   * Takes the pages off the pool again, by as many as were put in, whatever else has changed since. Pages still in use
   * become surplus, and go when their user lets go. Once only: a second call does nothing.
   *
   * @throws PinfoldError `ERR_POOL_CHANGE_BUSY` as `borrowHugepages`: the loan is still out then
   */
  giveBack(): void
  [Symbol.dispose](): void
}

/**
 * Makes `pages` more hugepages free, for as long as this process lives or until `giveBack()`: by a difference, under a
 * lock, with a journal in /run/pinfold, so that several borrowers at once each leave the pool as they found it.
 *
 * Given back also when the process exits, and on SIGINT, SIGTERM and SIGHUP unless the program listens to the signal
 * itself (then it decides, and its exit gives back). What a kill -9 or a terminated worker leaves, the next borrower
 * takes off the pool before it borrows, and `repairLoans` does at once.
 *
 * Borrow in the main thread: Node.js delivers no signals to workers, and emits no 'exit' in them when the main thread
 * exits. What a worker has not given back by then is left as after a kill -9.
 *
 * @throws PinfoldError `ERR_POOL_CHANGE_REFUSED` when the kernel gave fewer pages (nothing is changed then),
 *   `ERR_POOL_CHANGE_BUSY` when another process has been changing pools for 30 s, or is stopped for 3 s in the midst of
 *   it, or a signal to which the program listens comes meanwhile; `ERR_PERMISSION` without root, `ERR_UNSUPPORTED` when
 *   this machine has no such pages or node, `ERR_SYSTEM` when a file in /run/pinfold is none of pinfold's (the hint
 *   removes it), `ERR_INVALID_ARGUMENT`
 */
export function borrowHugepages(request: PoolRequest): HugepageLoan {
  const checked = checkPoolRequest('borrowHugepages', request)
  const pool = readPool(checked.pageSize, checked.node)
  const byHand = growCommand(pool, goal(checked))
  const borrow = (repaired: readonly RepairedLoan[]) => {
    watchEnd() // not before: who waits for the lock must be able to be interrupted
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

/** How many own pages the pool must have: growing turns surplus pages, which are in use, into own ones first. */
function goal({ pageSize, node, pages }: CheckedRequest): number {
  const pool = readPool(pageSize, node)
  return ownPages(pool) + pool.surplus + pages
}

/** Takes back what was done of a loan that failed; what cannot be taken back now, the next borrower repairs. */
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

  /** Under the pool lock. */
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
      // An earlier try that failed half-way, which whoever had the lock next has finished.
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

// The end of the process. Listeners are there only while a loan is out, so that a program without one keeps the
// signals' default actions.

const openHere = new Set<OwnLoan>()
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
let isWatching = false

/** Before the pool is raised, which may take seconds: a signal meanwhile is acted upon when the loan is complete. */
function watchEnd(): void {
  if (isWatching) return
  isWatching = true
  process.on('exit', returnAll)
  // First in line: a `once` listener behind us is still counted when we ask whether the program listens too.
  for (const signal of signals) process.prependListener(signal, onSignal)
}

/** When no loan is left. Not before the event loop has come round: a signal that came in the meantime would be lost. */
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
      // The others still go back. This one's journal is left, and the next borrower repairs by it.
      console.error(error)
      // Unless nobody can change a pool now: to wait once for its holder is enough.
      if (error instanceof PinfoldError && error.code === 'ERR_POOL_CHANGE_BUSY') return
    }
  }
}

/**
 * Runs what may wait for the pool lock. A signal ends that waiting, since its listener cannot run before: when it is
 * ours alone, it is acted upon at once, else the error goes to the program, which then hears of its signal.
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
  // Also when one could not be given back: the signal has its way.
  openHere.clear()
  stopWatching()
  process.kill(process.pid, signal)
}
