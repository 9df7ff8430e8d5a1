import type { Server, Socket } from 'node:net'
import { native } from '../../../native.js'
import { loopbackGid } from '../wire.js'
import { IncomingLink } from './incoming-link.js'
import { closeLinks, nameOf } from './outgoing-links.js'
import { serveRequest } from './remote-responder.js'

/** The most connections of peers, so that a peer cannot use up the descriptors of this process. */
const mostPeers = 1024

const incoming = new Set<IncomingLink>()
let server: Server | undefined
let devices = 0

/** A loopback device of this thread was opened. */
export function deviceOpened(): void {
  devices += 1
}

/** With the last device of this thread, its network is closed: the name, and all connections. */
export function deviceClosed(): void {
  devices -= 1
  if (devices > 0) return
  server?.close()
  server = undefined
  closeLinks()
  for (const link of incoming) link.close()
}

/**
 * Listens for the loopbacks of other threads and processes of this user, once. It begins when the GID of this thread is
 * asked for, since only who knows the GID can connect. The listener does not keep the process alive.
 *
 * @throws SystemFailure when no descriptor is left
 */
export function listen(): void {
  if (server !== undefined || devices === 0) return
  const fd = native.listenAbstract(nameOf(loopbackGid()))
  const { createServer } = process.getBuiltinModule('node:net')
  const made = createServer((socket) => welcome(socket))
  made.maxConnections = mostPeers
  made.on('error', () => {
    // The runtime cannot use the descriptor. Peers are refused, which tells them.
    if (server === made) server = undefined
  })
  // A worker of node:cluster would ask its primary to listen, unless this is exclusive.
  made.listen({ fd, exclusive: true })
  made.unref()
  server = made
}

function welcome(socket: Socket): void {
  const fd = descriptorOf(socket)
  if (server === undefined || fd === undefined || !native.isSameUser(fd)) {
    socket.destroy()
    return
  }
  const link = new IncomingLink(socket, serveRequest, () => incoming.delete(link))
  incoming.add(link)
}

/** The descriptor of a socket, for which Node.js has no public name; undefined if the runtime has none. */
export function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  return typeof fd === 'number' && fd >= 0 ? fd : undefined
}
