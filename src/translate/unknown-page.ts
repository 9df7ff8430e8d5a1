import { type ErrorCode, PinfoldError } from '../errors.js'
import type { UnknownPageState } from './pagemap.js'

const codes: Readonly<Record<UnknownPageState, ErrorCode>> = {
  absent: 'ERR_PAGE_ABSENT',
  swapped: 'ERR_PAGE_SWAPPED',
  hidden: 'ERR_PFN_HIDDEN',
}

const reasons: Readonly<Record<UnknownPageState, string>> = {
  absent: 'has no page: nothing is mapped there, nothing was written there yet, or the kernel took it back',
  swapped: 'is swapped out or migrating: it has no physical address until it is touched again',
  hidden: 'has a page, but the kernel hides page frame numbers from a process without CAP_SYS_ADMIN',
}

/**
 * The error for a page without a known physical address.
 *
 * @param place the requested place, with which the message begins: 'offset 0x1000 of region 'rx''
 */
export function unknownPage(
  state: UnknownPageState,
  place: string,
  values: Readonly<Record<string, unknown>>,
): PinfoldError {
  return new PinfoldError(`${place} ${reasons[state]}`, {
    code: codes[state],
    values: { ...values, state },
    hint: state === 'hidden' ? capabilityHint('SYS_ADMIN') : undefined,
  })
}

/** The command that gives Node the capabilities. Root without them runs in a container, where setcap is no help. */
export function capabilityHint(...names: readonly string[]): string {
  if (process.getuid?.() === 0) return `docker run ${names.map((name) => `--cap-add ${name}`).join(' ')} …`
  return `sudo setcap ${names.map((name) => `cap_${name.toLowerCase()}`).join(',')}+ep ${process.execPath}`
}
