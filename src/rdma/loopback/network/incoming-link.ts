import type { Socket } from 'node:net'
import { fullGid } from '../../contract/gids.js'
import { loopbackGid } from '../wire.js'
import { FrameReader } from './frame-reader.js'
import {
  greetingBytes,
  greetingFrame,
  packetBytes,
  type RequestPacket,
  readGreeting,
  readRequest,
  requestHeaderBytes,
} from './packets.js'

/** A peer that keeps to its window never leaves so many bytes of answers unread. */
const mostUnread = 4 * 1024 * 1024
/** Milliseconds until a peer has greeted. */
const greetingTime = 10_000

/** Carries out a request of the loopback with this GID. @returns the frame of the answer */
export type Serve = (gid: string, packet: RequestPacket, payload: Buffer) => Buffer

/**
 * A connection from the loopback of another thread or process, whose requests this thread serves as its event loop turns.
 * It never keeps the process alive. A peer that breaks the rules is disconnected.
 */
export class IncomingLink {
  readonly #socket: Socket
  readonly #serve: Serve
  #gid: string | undefined
  readonly #late: NodeJS.Timeout

  constructor(socket: Socket, serve: Serve, onClosed: () => void) {
    this.#socket = socket
    this.#serve = serve
    this.#late = setTimeout(() => socket.destroy(), greetingTime).unref()
    const reader = new FrameReader(greetingBytes, requestHeaderBytes + packetBytes, (frame) => this.#take(frame))
    socket.unref()
    socket.on('data', (chunk: Buffer) => {
      socket.cork()
      const isGood = reader.feed(chunk)
      socket.uncork()
      if (!isGood || socket.writableLength > mostUnread) socket.destroy()
    })
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => {
      clearTimeout(this.#late)
      onClosed()
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(frame: Buffer): boolean {
    // A device that was closed by the program answers nothing.
    if (this.#socket.destroyed) return false
    if (this.#gid === undefined) {
      const digits = readGreeting(frame)
      if (digits === undefined) return false
      clearTimeout(this.#late)
      this.#gid = fullGid(digits)
      this.#socket.write(greetingFrame(loopbackGid()))
      return true
    }
    const packet = readRequest(frame)
    if (packet === undefined) return false
    this.#socket.write(this.#serve(this.#gid, packet, frame.subarray(requestHeaderBytes)))
    return true
  }
}
