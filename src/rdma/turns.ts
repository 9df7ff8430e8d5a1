import { setImmediate } from 'node:timers'
import { now } from '../builtins.js'

/** Milliseconds for which results that are there at once may follow each other without a turn of the event loop. */
const longestRun = 1

/** When this turn of the event loop took its first result; undefined before that. */
let begun: number | undefined

/**
 * Calls `resolve` with a result that is there: at once, or after a turn of the event loop if this thread has taken such
 * results for 1 ms. Otherwise a program that awaits one result after another would never see its timers, sockets and
 * other peers again: a promise that is settled lets only other promises run.
 */
export function resolveInTurn<Result>(resolve: (result: Result) => void, result: Result): void {
  if (isTurnDue()) setImmediate(resolve, result)
  else resolve(result)
}

/** As `resolveInTurn`, as a promise. */
export function inTurn<Result>(result: Result): Promise<Result> {
  return isTurnDue() ? new Promise((resolve) => setImmediate(resolve, result)) : Promise.resolve(result)
}

function isTurnDue(): boolean {
  const time = now()
  if (begun !== undefined) return time - begun > longestRun
  begun = time
  setImmediate(() => {
    begun = undefined
  })
  return false
}
