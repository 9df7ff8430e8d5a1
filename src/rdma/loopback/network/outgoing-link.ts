import type { Socket } from 'node:net'
import { FrameReader } from './frame-reader.js'
import {
  type AnswerPacket,
  answerHeaderBytes,
  greetingBytes,
  greetingFrame,
  packetBytes,
  readAnswer,
  readGreeting,
} from './packets.js'

/** The most bytes of requests without an answer, and of the answers that they ask for. */
const windowBytes = 1024 * 1024
/** As `windowBytes`, for datagrams. Those beyond are dropped, as by a switch whose buffers are full. */
const datagramWindowBytes = 8 * 1024 * 1024

/** A sender of requests. */
export interface Asker<Ticket> {
  answered(ticket: Ticket, answer: AnswerPacket): void
  /** There may be room for more requests. */
  resume(): void
  /** The peer is gone. No answer comes any more. */
  lost(): void
}

/** A request without an answer. */
interface Sent {
  readonly bytes: number
  /** Hands the answer to the asker. */
  readonly answered: (answer: AnswerPacket) => void
  readonly asker: Pick<Asker<never>, 'resume' | 'lost'> | undefined
}

/**
 * A connection to the loopback of another thread or process, for requests of this thread. The peer answers them in order.
 * The socket keeps the process alive only while somebody waits for an answer.
 */
export class OutgoingLink {
  /** The GID of the peer. */
  readonly gid: string
  readonly #socket: Socket
  readonly #onLost: () => void
  #sent: Sent[] = []
  /** Where the oldest request is in `#sent`. */
  #oldest = 0
  #bytes = 0
  #awaited = 0
  #uses = 0
  #isGreeted = false
  #isCorked = false
  #isLost = false
  readonly #waiting = new Set<Pick<Asker<never>, 'resume' | 'lost'>>()

  constructor(socket: Socket, gid: string, ownGid: string, onLost: () => void) {
    this.#socket = socket
    this.gid = gid
    this.#onLost = onLost
    const reader = new FrameReader(answerHeaderBytes, answerHeaderBytes + packetBytes, (frame) => this.#take(frame))
    socket.unref()
    socket.on('data', (chunk: Buffer) => {
      if (!this.#isLost && !reader.feed(chunk)) socket.destroy()
      this.#resumeWaiting()
    })
    socket.on('error', () => {}) // 'close' follows, which says all that is to be known
    socket.on('close', () => this.#lose())
    this.#write(greetingFrame(ownGid))
  }

  get isLost(): boolean {
    return this.#isLost
  }

  get hasRoom(): boolean {
    return this.#bytes < windowBytes
  }

  get hasRoomForDatagrams(): boolean {
    return this.#bytes < datagramWindowBytes
  }

  /** An object of this thread sends by this link. */
  use(): this {
    this.#uses += 1
    return this
  }

  /** The last one closes it, once all requests have their answers. */
  release(): void {
    this.#uses -= 1
    this.#closeUnused()
  }

  /** Closes it at once: the last device of this thread is closed. Bytes that were posted are still sent. */
  close(): void {
    if (this.#count === 0) this.#socket.destroy()
    else this.#socket.destroySoon()
    this.#lose()
  }

  /** @param answerBytes the most bytes of the answer's payload */
  send<Ticket>(frame: Buffer, answerBytes: number, asker: Asker<Ticket>, ticket: Ticket): void {
    this.#add(frame, { bytes: frame.length + answerBytes, answered: (answer) => asker.answered(ticket, answer), asker })
  }

  /** So many more answers are waited for, or fewer. A sender that gives up waits for none. */
  expectAnswers(more: number): void {
    const before = this.#awaited
    this.#awaited += more
    if (before === 0 && this.#awaited > 0) this.#socket.ref()
    if (before > 0 && this.#awaited === 0) this.#socket.unref()
  }

  /** Sends a request whose answer nobody wants. */
  sendDatagram(frame: Buffer): void {
    this.#add(frame, { bytes: frame.length, answered: () => {}, asker: undefined })
  }

  /** Calls `resume` after the next answers. */
  awaitRoom(asker: Pick<Asker<never>, 'resume' | 'lost'>): void {
    this.#waiting.add(asker)
  }

  get #count(): number {
    return this.#sent.length - this.#oldest
  }

  #add(frame: Buffer, sent: Sent): void {
    this.#sent.push(sent)
    this.#bytes += sent.bytes
    this.#write(frame)
  }

  /** Frames of one turn are written together. */
  #write(frame: Buffer): void {
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(frame)
  }

  #take(frame: Buffer): boolean {
    if (!this.#isGreeted) {
      this.#isGreeted = frame.length === greetingBytes && readGreeting(frame) === this.gid.replaceAll(':', '')
      return this.#isGreeted
    }
    const answer = readAnswer(frame)
    const sent = this.#sent[this.#oldest]
    if (answer === undefined || sent === undefined) return false
    this.#oldest += 1
    if (this.#oldest === this.#sent.length || this.#oldest === 4096) {
      this.#sent = this.#sent.slice(this.#oldest)
      this.#oldest = 0
    }
    this.#bytes -= sent.bytes
    if (sent.asker !== undefined) this.#waiting.add(sent.asker)
    sent.answered(answer)
    return true
  }

  #resumeWaiting(): void {
    if (this.#isLost) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const asker of waiting) asker.resume()
    this.#closeUnused()
  }

  #closeUnused(): void {
    if (this.#uses > 0 || this.#count > 0 || this.#isLost) return
    this.#socket.destroy()
    this.#lose()
  }

  #lose(): void {
    if (this.#isLost) return
    this.#isLost = true
    this.#onLost()
    const askers = new Set(this.#waiting)
    for (const { asker } of this.#sent) if (asker !== undefined) askers.add(asker)
    this.#sent = []
    this.#oldest = 0
    this.#waiting.clear()
    for (const asker of askers) asker.lost()
  }
}
