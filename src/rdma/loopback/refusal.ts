import { constants } from 'node:os'
import { type ErrorCode, PinfoldError } from '../../errors.js'
import { ownCommand } from '../../system/own-command.js'
import { formatGid } from '../contract/gids.js'
import { roomHint } from '../contract/queue-room.js'

const { EINVAL, ENOMEM, EBUSY, EOPNOTSUPP, ENODATA, ETIMEDOUT } = constants.errno

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

/** The GID is not on the network of this thread's loopback devices. The kernel gives this errno if no peer answers. */
export function foreign(verb: string, gid: string, own: string): PinfoldError {
  const spoken = formatGid(gid)
  const message = `${verb}: the peer ${spoken} is not on the loopback network of this thread, which is ${formatGid(own)}: it belongs to another thread or process, or to a real device`
  return new PinfoldError(message, {
    code: 'ERR_DEVICE_REFUSED',
    syscall: verb,
    errno: ETIMEDOUT,
    values: { gid: spoken, network: formatGid(own) },
    hint: `open a real device at both ends (openDevice('<name>'); the lab has one: ${ownCommand('lab run')}), or both ends in one thread`,
  })
}

export function unsupported(verb: string, why: string): PinfoldError {
  return refusal(verb, why, {}, 'ERR_UNSUPPORTED', EOPNOTSUPP)
}
