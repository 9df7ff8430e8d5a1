import type { Socket } from 'node:net'
import * as z from 'zod/mini'
import { now } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { later, optionsObject, text } from '../options.js'
import { MessageStream } from '../streams/message-stream.js'

const longestReason = 1000
/** Milliseconds between two signs of life, and until a peer without one is given up. */
const heartbeat = 1000
const longestSilence = 15_000

/** Characters of a document in one message, and messages of one document. */
const pieceLength = 16_000
const mostPieces = 10_000

const pieceSchema = later(() =>
  optionsObject({ piece: text(pieceLength), pieces: z.int().check(z.positive(), z.maximum(mostPieces)) }),
)
const aliveSchema = later(() => optionsObject({ alive: z.literal(true) }))
const stopSchema = later(() => optionsObject({ stop: z.literal(true) }))
const failedSchema = later(() => optionsObject({ failed: text(longestReason) }))

/**
 * The conversation of the two sides of a measurement, over a TCP connection beside the measured one. Each side tells every
 * second that it lives. A side that gives up tells why.
 */
export class Control {
  readonly #socket: Socket
  readonly #messages: MessageStream
  readonly #beat: NodeJS.Timeout
  #onStop = () => {}

  constructor(socket: Socket) {
    this.#socket = socket
    this.#messages = new MessageStream(socket, 'perf')
    // A socket that fails while nobody reads would end the process. Whoever reads next learns of it.
    socket.on('error', () => {})
    socket.setNoDelay(true)
    this.#beat = setInterval(() => this.#try({ alive: true }), heartbeat)
  }

  /** Addresses of the two ends, for connections beside this one. */
  get addresses(): { readonly local: string; readonly remote: string } {
    const { localAddress = '', remoteAddress = '' } = this.#socket
    return { local: plainAddress(localAddress), remote: plainAddress(remoteAddress) }
  }

  /** Calls `listener` when the peer asks to end the measurement early. */
  onStop(listener: () => void): void {
    this.#onStop = listener
  }

  /** @throws PinfoldError `ERR_PEER_CLOSED` */
  send(message: object): void {
    this.#messages.send(message)
  }

  /** Sends a document of any length, which the peer takes with `receiveDocument`. */
  sendDocument(document: object): void {
    const whole = JSON.stringify(document)
    const pieces = Math.ceil(whole.length / pieceLength)
    for (let piece = 0; piece < pieces; piece++) {
      this.send({ piece: whole.slice(piece * pieceLength, (piece + 1) * pieceLength), pieces })
    }
  }

  /** @throws as `receive` */
  async receiveDocument<Schema extends z.core.$ZodType>(
    schema: Schema,
    signal?: AbortSignal,
  ): Promise<z.output<Schema>> {
    let { piece: whole, pieces } = await this.receive(pieceSchema, signal)
    for (let piece = 1; piece < pieces; piece++) whole += (await this.receive(pieceSchema, signal)).piece
    const result = z.safeParse(schema, parsed(whole))
    if (result.success) return result.data
    throw new PinfoldError(`perf: the peer sent a result that is not valid: ${result.error.issues[0]?.message}`, {
      code: 'ERR_PEER_PROTOCOL',
    })
  }

  /** Asks the peer to end the measurement early. */
  stop(): void {
    this.#try({ stop: true })
  }

  /**
   * The next message, which the schema describes.
   *
   * @throws the signal's reason; PinfoldError `ERR_PEER_REFUSED` when the peer gave up, `ERR_PEER_CLOSED` when it is gone,
   *   `ERR_PEER_TIMEOUT` when it is silent, `ERR_PEER_PROTOCOL`
   */
  async receive<Schema extends z.core.$ZodType>(schema: Schema, signal?: AbortSignal): Promise<z.output<Schema>> {
    for (;;) {
      const message = await this.#next(schema, signal)
      if (message.kind === 'wanted') return message.value
      if (message.kind === 'stop') this.#onStop()
      else if (message.kind === 'failed') throw refused(message.reason)
    }
  }

  async #next<Schema extends z.core.$ZodType>(
    schema: Schema,
    signal: AbortSignal | undefined,
  ): Promise<Incoming<z.output<Schema>>> {
    const any = z.union([
      z.pipe(
        aliveSchema,
        z.transform((): Incoming<z.output<Schema>> => ({ kind: 'alive' })),
      ),
      z.pipe(
        stopSchema,
        z.transform((): Incoming<z.output<Schema>> => ({ kind: 'stop' })),
      ),
      z.pipe(
        failedSchema,
        z.transform(({ failed }): Incoming<z.output<Schema>> => ({ kind: 'failed', reason: failed })),
      ),
      z.pipe(
        schema,
        z.transform((value): Incoming<z.output<Schema>> => ({ kind: 'wanted', value })),
      ),
    ])
    try {
      return await this.#messages.receive(any, { signal, deadline: now() + longestSilence })
    } catch (error) {
      if (!(error instanceof PinfoldError)) throw error
      if (error.code === 'ERR_PEER_CLOSED') throw gone(error)
      throw error.code === 'ERR_PEER_TIMEOUT' ? silent(error) : error
    }
  }

  /** Tells the peer why we give up. */
  fail(reason: string): void {
    try {
      this.#messages.sendLast({ failed: reason.slice(0, longestReason) })
    } catch {
      // The connection is closed, which tells the peer as well.
    }
  }

  close(): void {
    clearInterval(this.#beat)
    this.#socket.end()
    this.#socket.destroySoon()
  }

  #try(message: object): void {
    try {
      this.#messages.send(message)
    } catch {
      // The connection is closed. Whoever reads from it learns of that.
    }
  }
}

type Incoming<Value> =
  | { readonly kind: 'wanted'; readonly value: Value }
  | { readonly kind: 'alive' | 'stop' }
  | { readonly kind: 'failed'; readonly reason: string }

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined // no schema takes it
  }
}

/** An IPv4 address of a socket for both versions is '::ffff:10.0.0.1'. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=[\d.]+$)/, '')
}

function refused(reason: string): PinfoldError {
  return new PinfoldError(`perf: the peer gave up: ${reason}`, { code: 'ERR_PEER_REFUSED', values: { reason } })
}

function gone(cause: PinfoldError): PinfoldError {
  return new PinfoldError('perf: the peer is gone: its process has ended, or its connection is broken', {
    code: 'ERR_PEER_CLOSED',
    cause,
  })
}

function silent(cause: PinfoldError): PinfoldError {
  const seconds = longestSilence / 1000
  return new PinfoldError(
    `perf: the peer has been silent for ${seconds} seconds: is its process stopped, or its host?`,
    {
      code: 'ERR_PEER_TIMEOUT',
      values: { seconds },
      cause,
    },
  )
}
