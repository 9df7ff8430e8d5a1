import type { Duplex } from 'node:stream'
import * as z from 'zod/mini'
import { abortReason, isAborted, onAbort } from '../abort.js'
import { now } from '../builtins.js'
import { PinfoldError } from '../errors.js'

// Messages over a stream of bytes: JSON with a header of 8 bytes in front. The header has four letters, the version, and
// the length of the JSON in three bytes, the highest first. Whatever comes from the peer is hostile until it is checked.

const letters = 0x70696e66 // 'pinf'
const version = 1
const headerBytes = 8
/** The most bytes of one message, without its header. */
export const mostMessageBytes = 64 * 1024

/** When a call on a stream gives up. */
export interface Limits {
  readonly signal: AbortSignal | undefined
  /** The time at which it gives up, by `now()` of builtins.ts: milliseconds. */
  readonly deadline: number
}

/** Whether a value is a stream that can be read and written. False for a Proxy whose trap throws. */
export function isDuplex(value: unknown): value is Duplex {
  try {
    return value instanceof process.getBuiltinModule('node:stream').Duplex
  } catch {
    return false
  }
}

/**
 * Messages of one kind of conversation over a stream, which belongs to the caller and stays open. It listens to the
 * stream only while `receive` waits, and takes no byte beyond the messages: the stream can be used for something else
 * afterwards.
 */
export class MessageStream {
  readonly #stream: Duplex
  readonly #subject: string

  /** @param subject the call that has the conversation, for messages of errors: 'exchange' */
  constructor(stream: Duplex, subject: string) {
    this.#stream = stream
    this.#subject = subject
  }

  /**
   * Writes a message. It does not wait until the peer has it.
   *
   * @param written is called when it is written, or could not be
   * @throws PinfoldError `ERR_PEER_CLOSED` when the stream is closed; `ERR_OUT_OF_RANGE` for a message that is too long
   */
  send(message: object, written?: () => void): void {
    const text = Buffer.from(JSON.stringify(message))
    if (text.length > mostMessageBytes) {
      throw new PinfoldError(
        `${this.#subject}: the message has ${text.length} bytes, and at most ${mostMessageBytes} can be sent`,
        { code: 'ERR_OUT_OF_RANGE', values: { bytes: text.length, most: mostMessageBytes } },
      )
    }
    if (!this.#stream.writable) throw this.#closed('the stream cannot be written any more')
    const frame = Buffer.alloc(headerBytes + text.length)
    frame.writeUInt32BE(letters, 0)
    frame.writeUInt8(version, 4)
    frame.writeUIntBE(text.length, 5, 3)
    frame.set(text, headerBytes)
    this.#stream.write(frame, written)
  }

  /**
   * As `send`, for the last message of a conversation that has failed. A stream that breaks meanwhile would emit an error
   * that nobody listens to.
   */
  sendLast(message: object): void {
    const stream = this.#stream
    const ignore = () => {}
    // A stream emits its error after it has called the function of the write.
    const leave = () => void setImmediate(() => stream.off('error', ignore))
    stream.on('error', ignore)
    try {
      this.send(message, leave)
    } catch (error) {
      leave()
      throw error
    }
  }

  /**
   * The next message of the peer, checked by a schema.
   *
   * @throws the signal's reason; PinfoldError `ERR_PEER_CLOSED` when the stream ends before, `ERR_PEER_TIMEOUT` at the
   *   deadline, `ERR_PEER_PROTOCOL` for bytes that are no message, or a message that the schema refuses
   */
  async receive<Schema extends z.core.$ZodType>(schema: Schema, limits: Limits): Promise<z.output<Schema>> {
    const header = await this.#read(headerBytes, limits)
    if (header.readUInt32BE(0) !== letters) throw this.#protocol('the peer sent bytes that are no message of pinfold')
    const found = header.readUInt8(4)
    if (found !== version) throw this.#protocol(`the peer speaks version ${found}, and this is version ${version}`)
    const length = header.readUIntBE(5, 3)
    if (length > mostMessageBytes) {
      throw this.#protocol(`the peer announced ${length} bytes, and a message has at most ${mostMessageBytes}`)
    }
    const text = length === 0 ? Buffer.alloc(0) : await this.#read(length, limits)
    return this.#understood(schema, text)
  }

  #understood<Schema extends z.core.$ZodType>(schema: Schema, text: Buffer): z.output<Schema> {
    let message: unknown
    try {
      message = JSON.parse(text.toString())
    } catch (cause) {
      throw this.#protocol('the peer sent a message that is no JSON', cause)
    }
    const result = z.safeParse(schema, message)
    if (result.success) return result.data
    const [issue] = result.error.issues
    const at = issue === undefined || issue.path.length === 0 ? '' : ` at '${issue.path.join('.').slice(0, 100)}'`
    throw this.#protocol(`the peer sent a message that is not understood${at}`, result.error)
  }

  /** Exactly `length` bytes. All others stay in the stream. */
  #read(length: number, { signal, deadline }: Limits): Promise<Buffer> {
    const stream = this.#stream
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer)
        removeAbort()
        stream.off('readable', look).off('end', ended).off('close', ended).off('error', failed)
      }
      const fail = (error: unknown) => {
        stop()
        reject(error)
      }
      const ended = () => fail(this.#closed('the stream ended in the middle of the conversation'))
      const failed = (cause: unknown) => fail(this.#closed('the stream failed', cause))
      const look = () => {
        try {
          if (isAborted(signal)) return fail(abortReason(signal))
          const bytes: unknown = stream.read(length)
          if (bytes === null) return stream.destroyed || stream.readableEnded ? ended() : undefined
          if (!(bytes instanceof Uint8Array)) return fail(this.#protocol('the stream gives no bytes'))
          // At the end of a stream, `read` gives the bytes that are left.
          if (bytes.length < length) return ended()
          stop()
          resolve(Buffer.from(bytes.buffer, bytes.byteOffset, length))
        } catch (error) {
          failed(error)
        }
      }
      const timer = setTimeout(
        () => {
          // The event loop may have been blocked. Bytes that have come meanwhile are read before this function is called.
          setImmediate(() => fail(this.#late()))
        },
        Math.max(0, deadline - now()),
      )
      const removeAbort = onAbort(signal, () => fail(abortReason(signal)))
      stream.on('readable', look).on('end', ended).on('close', ended).on('error', failed)
      look()
    })
  }

  #protocol(why: string, cause?: unknown): PinfoldError {
    return new PinfoldError(`${this.#subject}: ${why}`, { code: 'ERR_PEER_PROTOCOL', cause })
  }

  #closed(why: string, cause?: unknown): PinfoldError {
    return new PinfoldError(`${this.#subject}: ${why}`, { code: 'ERR_PEER_CLOSED', cause })
  }

  #late(): PinfoldError {
    return new PinfoldError(`${this.#subject}: the peer has not answered in time`, { code: 'ERR_PEER_TIMEOUT' })
  }
}
