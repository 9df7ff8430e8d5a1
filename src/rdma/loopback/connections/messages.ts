import type { Socket } from 'node:net'
import * as z from 'zod/mini'
import { later } from '../../../options.js'
import type { ConnectionParameters, ConnectionPlace } from '../../contract/connection-calls.js'
import { gidOption } from '../../contract/gids.js'
import { byte, whole, word16, word24, word32 } from '../../contract/number-options.js'
import { FrameReader } from '../network/frame-reader.js'

// The messages of the connection manager of the loopback: JSON with its length in front. Whatever comes from the other
// process is hostile until it is checked.

const version = 1
const lengthBytes = 4
/** More than the longest message of this version. */
const mostBytes = 4096
/** More than a message waits for a peer that does not read. */
const mostWaiting = 16 * mostBytes

const bytesField = later(() =>
  z.pipe(
    z.string().check(z.maxLength(400)),
    z.transform((text) => Uint8Array.from(Buffer.from(text, 'base64').subarray(0, 255))),
  ),
)
const text = later(() => z.string().check(z.maxLength(255)))
const placeField = later(() =>
  z.union([z.strictObject({ address: text, port: word16 }), z.strictObject({ name: text })]),
)

const messageSchema = later(() => {
  const peerFields = {
    version: z.literal(version),
    queuePairNumber: word24,
    maxReadsServed: byte,
    maxReadsStarted: byte,
    retryCount: byte,
    rnrRetry: byte,
    sharedReceives: z.boolean(),
    psn: word24,
    gid: gidOption,
    mtu: whole(1, 5),
    queueKey: word32,
    privateData: bytesField,
  }
  return z.union([
    z.strictObject({ type: z.literal('request'), datagrams: z.boolean(), from: placeField, ...peerFields }),
    z.strictObject({ type: z.literal('response'), ...peerFields }),
    z.strictObject({ type: z.literal('reject'), reason: byte, privateData: bytesField }),
    z.strictObject({ type: z.literal('establish') }),
    z.strictObject({ type: z.literal('disconnect') }),
  ])
})

/** A message that was checked. */
export type Message = z.output<typeof messageSchema>

/** What each side tells of itself. */
export interface PeerFacts extends ConnectionParameters {
  readonly psn: number
  readonly gid: string
  /** `enum ibv_mtu` */
  readonly mtu: number
  readonly queueKey: number
  readonly privateData: Uint8Array
}

export type Outgoing =
  | ({ readonly type: 'request'; readonly datagrams: boolean; readonly from: ConnectionPlace } & PeerFacts)
  | ({ readonly type: 'response' } & PeerFacts)
  | { readonly type: 'reject'; readonly reason: number; readonly privateData: Uint8Array }
  | { readonly type: 'establish' }
  | { readonly type: 'disconnect' }

/** Sends and receives messages over a socket, which it owns. */
export class MessageLink {
  readonly #socket: Socket
  readonly #leave: () => void
  #closed = false

  /**
   * @param take receives each message
   * @param lost is called once when the peer has closed the socket, died, or sent something that is no message; not
   *   after `close`
   */
  constructor(socket: Socket, take: (message: Message) => void, lost: () => void) {
    this.#socket = socket
    const reader = new FrameReader(lengthBytes + 2, mostBytes, (frame) => {
      const message = understood(frame.subarray(lengthBytes))
      if (message !== undefined && !this.#closed) take(message)
      return message !== undefined && !this.#closed
    })
    const end = () => {
      if (this.#closed) return
      this.close()
      lost()
    }
    const feed = (chunk: Buffer) => {
      if (!this.#closed && !reader.feed(chunk)) end()
    }
    const ends = ['end', 'error', 'close']
    socket.unref()
    socket.on('data', feed)
    for (const name of ends) socket.on(name, end)
    this.#leave = () => {
      socket.off('data', feed)
      for (const name of ends) socket.off(name, end)
    }
  }

  /** Gives the socket to another link. To be called by `take`: a peer sends nothing more before it has an answer. */
  release(): void {
    this.#closed = true
    this.#leave()
  }

  send(message: Outgoing): void {
    if (this.#closed || this.#socket.writableLength > mostWaiting) return
    const text = JSON.stringify(message, (_, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
    )
    const frame = Buffer.alloc(lengthBytes + Buffer.byteLength(text))
    frame.writeUInt32LE(frame.length)
    frame.write(text, lengthBytes)
    this.#socket.write(frame)
  }

  /** Messages that were sent still arrive. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket.end(() => this.#socket.destroy())
  }
}

/** A peer's facts for a message of ours. */
export function withVersion<Facts extends PeerFacts>(facts: Facts): Facts & { readonly version: number } {
  return { ...facts, version }
}

function understood(bytes: Buffer): Message | undefined {
  try {
    const result = z.safeParse(messageSchema, JSON.parse(bytes.toString()))
    return result.success ? result.data : undefined
  } catch {
    return undefined // no JSON
  }
}
