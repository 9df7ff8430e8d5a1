import { clearTimeout, setInterval, setTimeout } from 'node:timers'
import { holdStacksPerSecond } from './region-core.js'
import type { Holder } from './region-holds.js'

/** The holds that a wait waits for. */
export interface WaitedFor {
  /** One sentence, as in ERR_REGION_HELD. */
  readonly message: string
  /** The warning reads only the first few. */
  readonly holders: Iterable<Holder>
  /** How many holders there are. */
  readonly count: number
}

/** Milliseconds; a longer wait emits a warning. */
const silence = 1000
/** The longest delay that a timer of Node takes. */
const longestDelay = 2 ** 31 - 1
/** One warning describes so many holds in full. */
const mostTold = 8

/**
 * Begins a wait for holds. It keeps the event loop alive, so that the program does not end meanwhile. After one second
 * a process warning names the holders, once.
 *
 * @returns a function that ends the wait
 */
export function beginWait(waitedFor: () => WaitedFor): () => void {
  let timer = setTimeout(() => {
    timer = setInterval(() => {}, longestDelay)
    warn(waitedFor())
  }, silence)
  return () => clearTimeout(timer)
}

function warn({ message, holders, count }: WaitedFor): void {
  // The wait is for an allocation that was stopped and ends by itself.
  if (count === 0) return
  const tales: string[] = []
  for (const holder of holders) {
    tales.push(told(holder))
    if (tales.length === mostTold) break
  }
  const more = count - tales.length
  process.emitWarning(`closeWhenReleased: still waiting after ${silence / 1000} second: ${message}`, {
    type: 'PinfoldHeldWarning',
    code: 'PINFOLD_HELD',
    detail: [...tales, ...(more > 0 ? [`and ${more} more`] : [])].join('\n'),
  })
}

function told({ name, reason, stack }: Holder): string {
  const where = stack ?? `    (unknown: this thread made more than ${holdStacksPerSecond} holds a second at that time)`
  return `Release the hold of region '${name}' by ${reason}. It was made\n${where}`
}
