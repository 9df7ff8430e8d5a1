import { constants } from 'node:os'
import { type ErrorCode, PinfoldError } from '../../errors.js'

const { EINVAL, ENOMEM, EBUSY, EOPNOTSUPP, ENODATA } = constants.errno

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

/** An index that the GID table has nothing at. */
export function noGid(verb: string, index: number): PinfoldError {
  return refusal(verb, `entry ${index} of the GID table is empty`, { index }, 'ERR_DEVICE_REFUSED', ENODATA)
}

export function unsupported(verb: string, why: string): PinfoldError {
  return refusal(verb, why, {}, 'ERR_UNSUPPORTED', EOPNOTSUPP)
}
