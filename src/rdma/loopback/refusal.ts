import { constants } from 'node:os'
import { type ErrorCode, PinfoldError } from '../../errors.js'

const { EINVAL, ENOMEM, EBUSY, EOPNOTSUPP } = constants.errno

/** What libibverbs would return, as the error that the contract names. */
export function refusal(
  verb: string,
  why: string,
  values: Readonly<Record<string, unknown>> = {},
  code: ErrorCode = 'ERR_DEVICE_REFUSED',
  errno: number = EINVAL,
): PinfoldError {
  return new PinfoldError(`${verb}: ${why}`, { code, syscall: verb, errno, values })
}

export function queueFull(verb: string, why: string, values: Readonly<Record<string, unknown>>): PinfoldError {
  return refusal(verb, why, values, 'ERR_QUEUE_FULL', ENOMEM)
}

export function busy(verb: string, why: string): PinfoldError {
  return refusal(verb, why, {}, 'ERR_OBJECT_BUSY', EBUSY)
}

export function unsupported(verb: string, why: string): PinfoldError {
  return refusal(verb, why, {}, 'ERR_UNSUPPORTED', EOPNOTSUPP)
}
