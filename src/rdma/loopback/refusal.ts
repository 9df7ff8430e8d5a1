import { constants } from 'node:os'
import { type ErrorCode, isSystemFailure, PinfoldError, toPinfoldError } from '../../errors.js'
import { ownCommand } from '../../system/own-command.js'
import { formatGid } from '../contract/gids.js'
import { roomHint } from '../contract/queue-room.js'

const { EINVAL, ENOMEM, EBUSY, EMFILE, ENFILE, EOPNOTSUPP, ENODATA, ETIMEDOUT } = constants.errno

/** The error of the contract for a refusal of libibverbs. */
export function refusal(
  verb: string,
  why: string,
  values: Readonly<Record<string, unknown>> = {},
  code: ErrorCode = 'ERR_DEVICE_REFUSED',
  errno: number = EINVAL,
  hint?: string,
): PinfoldError {
  return new PinfoldError(`${verb}: ${why}`, { code, syscall: verb, errno, values, hint })
}

export function queueFull(verb: string, why: string, values: Readonly<Record<string, unknown>>): PinfoldError {
  return refusal(verb, why, values, 'ERR_QUEUE_FULL', ENOMEM, roomHint(verb))
}

export function busy(verb: string, why: string): PinfoldError {
  return refusal(verb, why, {}, 'ERR_OBJECT_BUSY', EBUSY)
}

/** The index names an empty entry of the GID table. */
export function noGid(verb: string, index: number): PinfoldError {
  return refusal(verb, `entry ${index} of the GID table is empty`, { index }, 'ERR_DEVICE_REFUSED', ENODATA)
}

/** Why a peer cannot be reached. */
const unreachable = {
  nobody:
    'no open loopback device of this machine has that GID: its thread has ended or closed its devices, it is in another network namespace, or the GID belongs to a real device',
  user: 'that loopback device belongs to another user',
  busy: 'too many connections wait at that loopback device, since its event loop does not turn',
} as const

/** The GID is of no loopback device that this one can reach. The kernel gives this errno if no peer answers. */
export function foreign(verb: string, gid: string, own: string, why: keyof typeof unreachable): PinfoldError {
  const spoken = formatGid(gid)
  return new PinfoldError(`${verb}: the peer ${spoken} cannot be reached from ${formatGid(own)}: ${unreachable[why]}`, {
    code: 'ERR_DEVICE_REFUSED',
    syscall: verb,
    errno: ETIMEDOUT,
    values: { gid: spoken, network: formatGid(own), why },
    hint: `connect while both devices are open; or open a real device at both ends (openDevice('<name>'); the lab has one: ${ownCommand('lab run')})`,
  })
}

/** The error of a system call that makes a socket. */
export function socketError(error: unknown): PinfoldError {
  const isShort = isSystemFailure(error) && (error.errno === EMFILE || error.errno === ENFILE)
  return toPinfoldError(error, isShort ? 'ERR_DESCRIPTORS_SHORT' : undefined)
}

export function unsupported(verb: string, why: string): PinfoldError {
  return refusal(verb, why, {}, 'ERR_UNSUPPORTED', EOPNOTSUPP)
}
