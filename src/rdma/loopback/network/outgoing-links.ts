import { constants } from 'node:os'
import type { PinfoldError } from '../../../errors.js'
import { isSystemFailure, toPinfoldError } from '../../../errors.js'
import { native } from '../../../native.js'
import { foreign, socketError } from '../refusal.js'
import { loopbackGid } from '../wire.js'
import { OutgoingLink } from './outgoing-link.js'

const { ECONNREFUSED, EPERM, EAGAIN } = constants.errno

/** The name by which the thread of a GID listens: an abstract name of a unix-domain socket (unix(7)). */
export function nameOf(gid: string): string {
  return `pinfold-loopback-${gid.replaceAll(':', '').slice(16)}`
}

const links = new Map<string, OutgoingLink>()

/**
 * The link to the loopback of another thread or process, which is opened if there is none. One user's loopbacks can
 * connect, in one network namespace. Whoever keeps the link calls its `use` and `release`.
 *
 * @throws PinfoldError `ERR_DEVICE_REFUSED` if no loopback of this machine and user has the GID;
 *   `ERR_DESCRIPTORS_SHORT`
 */
export function linkTo(verb: string, gid: string): OutgoingLink {
  const found = links.get(gid)
  if (found !== undefined) return found
  const fd = connect(verb, gid)
  const { Socket } = process.getBuiltinModule('node:net')
  const socket = new Socket({ fd, readable: true, writable: true })
  const made = new OutgoingLink(socket, gid, loopbackGid(), () => links.delete(gid))
  links.set(gid, made)
  return made
}

/** Closes all links: the last device of this thread is closed. */
export function closeLinks(): void {
  for (const link of [...links.values()]) link.close()
}

function connect(verb: string, gid: string): number {
  try {
    return native.connectAbstract(nameOf(gid))
  } catch (error) {
    throw explained(verb, gid, error)
  }
}

function explained(verb: string, gid: string, error: unknown): PinfoldError {
  if (!isSystemFailure(error)) return toPinfoldError(error)
  if (error.errno === ECONNREFUSED) return foreign(verb, gid, loopbackGid(), 'nobody')
  if (error.errno === EPERM) return foreign(verb, gid, loopbackGid(), 'user')
  return error.errno === EAGAIN ? foreign(verb, gid, loopbackGid(), 'busy') : socketError(error)
}
