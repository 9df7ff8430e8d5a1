import type { Socket } from 'node:net'
import { native } from '../../../native.js'
import { descriptorOf } from '../network/listener.js'
import { type Message, MessageLink } from './messages.js'

/**
 * The most peers that are connected to one listener and have sent no request yet, so that descriptors do not run out. Those
 * that have been silent for the longest time make room for others.
 */
const mostSilent = 64
/** How long a peer may take for its request, in ms. */
const requestTime = 10_000

/** The first message of a peer, and its socket, which has no reader any more. */
export interface FirstMessage {
  readonly message: Message
  readonly socket: Socket
}

/**
 * Accepts peers of this user on a listening descriptor, which it owns. It does not keep the process alive.
 *
 * @param arrived receives the first message of each peer; false ends the connection
 */
export function serve(fd: number, arrived: (first: FirstMessage) => boolean): { close(): void } {
  const { createServer } = process.getBuiltinModule('node:net')
  const silent = new Set<Socket>()
  const server = createServer((socket) => {
    const peer = descriptorOf(socket)
    if (peer === undefined || !native.isSameUser(peer)) {
      socket.destroy()
      return
    }
    for (const oldest of silent) {
      if (silent.size < mostSilent) break
      silent.delete(oldest)
      oldest.destroy()
    }
    silent.add(socket)
    waitForRequest(socket, arrived, () => silent.delete(socket))
  })
  server.on('error', () => {
    // The runtime cannot use the descriptor. Peers are refused, which tells them.
  })
  // A worker of node:cluster would ask its primary to listen, unless this is exclusive.
  server.listen({ fd, exclusive: true })
  server.unref()
  return {
    close() {
      server.close()
      for (const socket of silent) socket.destroy()
    },
  }
}

function waitForRequest(socket: Socket, arrived: (first: FirstMessage) => boolean, done: () => void): void {
  const timer = setTimeout(() => socket.destroy(), requestTime)
  timer.unref()
  const finish = () => {
    clearTimeout(timer)
    done()
  }
  const link = new MessageLink(
    socket,
    (message) => {
      finish()
      link.release()
      if (!arrived({ message, socket })) socket.destroy()
    },
    finish,
  )
}
