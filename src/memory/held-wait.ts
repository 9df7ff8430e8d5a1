import { clearTimeout, setInterval, setTimeout } from 'node:timers'
import { type Holder, holdStacksPerSecond } from './region-core.js'

/** Who is waited for. */
export interface WaitedFor {
  /** In one sentence, as ERR_REGION_HELD has it. */
  readonly message: string
  readonly holders: readonly Holder[]
}

/** Milliseconds; a wait that takes longer is told. */
const silence = 1000
/** The longest delay that a timer of Node takes. */
const longestDelay = 2 ** 31 - 1
/** Holds that one warning tells in full. */
const mostTold = 8

/**
 * Begins a wait for holds: the event loop stays alive, so that the program does not end in the midst of it, and after one
 * second a process warning tells once who is waited for.
 *
 * @returns what ends it; nothing of it is left then
 */
export function beginWait(waitedFor: () => WaitedFor): () => void {
  let timer = setTimeout(() => {
    timer = setInterval(() => {}, longestDelay)
    warn(waitedFor())
  }, silence)
  return () => clearTimeout(timer)
}

function warn({ message, holders }: WaitedFor): void {
  // An allocation that was stopped is waited for, too, and ends by itself.
  if (holders.length === 0) return
  const more = holders.length - mostTold
  process.emitWarning(`closeWhenReleased: still waiting after ${silence / 1000} second: ${message}`, {
    type: 'PinfoldHeldWarning',
    code: 'PINFOLD_HELD',
    detail: [...holders.slice(0, mostTold).map(told), ...(more > 0 ? [`and ${more} more`] : [])].join('\n'),
  })
}

function told({ name, reason, stack }: Holder): string {
  const where = stack ?? `    (unknown: this thread made more than ${holdStacksPerSecond} holds a second at that time)`
  return `Release the hold of region '${name}' by ${reason}. It was made\n${where}`
}
