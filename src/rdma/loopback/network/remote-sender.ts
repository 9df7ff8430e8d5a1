import { PinfoldError } from '../../../errors.js'
import { eventTypes } from '../../contract/async-events.js'
import { completionStatuses } from '../../contract/completion-status.js'
import { loopbackVendorErrors as why } from '../../contract/loopback-vendor-errors.js'
import { requestOpcodes, sendFlags } from '../../contract/operations.js'
import { queuePairStates, queuePairTypes } from '../../contract/states.js'
import { sendWord } from '../../contract/work-layout.js'
import type { QueuePairEndpoint, RemoteRequests } from '../records.js'
import { attempt, complete } from '../requester.js'
import { Segments } from '../segments.js'
import { ackMilliseconds, begin, enterError, giveUp, refuseFirst, rnrMilliseconds } from '../send-queue.js'
import type { LoadedSend } from '../send-request.js'
import type { Asker, OutgoingLink } from './outgoing-link.js'
import { linkTo } from './outgoing-links.js'
import {
  type AnswerPacket,
  answerKinds,
  carriesBytes,
  isAtomic,
  packetBytes,
  requestFrame,
  requestHeaderBytes,
} from './packets.js'

const opcodes = requestOpcodes.byName
const status = completionStatuses.byName
const { RTS, SQD } = queuePairStates.byName
const { RC } = queuePairTypes.byName
/**
 * A device waits for an answer for up to four times the timeout of the queue pair (IBTA 9.9.2.1.1). An event loop answers
 * later than an adapter, so this device waits that long.
 */
const patience = 4

/** A packet that was sent and has no answer yet. */
interface Ticket {
  /** Packets of former attempts have another number. Their answers mean nothing any more. */
  readonly round: number
  readonly opcode: number
  readonly offset: number
  readonly length: number
  readonly total: number
  readonly isLast: boolean
  readonly sequence: number
}

/**
 * The send queue of a connected queue pair whose peer belongs to another thread or process. All its requests wait in
 * `queuePair.pending`, in order, until the peer has answered them. Their packets are sent one after another, as far as the
 * link has room. When the peer has no receive, or is not ready, the sending begins anew with the oldest request without an
 * answer, as on a device.
 */
export class RemoteSender implements RemoteRequests, Asker<Ticket> {
  readonly #queuePair: QueuePairEndpoint
  readonly #gid: string
  #link: OutgoingLink | undefined
  #round = 0
  /** The place in `pending` of the next request to send, and the bytes of it that were sent. */
  #next = 0
  #offset = 0
  /** Of the next packet, and of the first packet of the oldest request. */
  #sequence: number
  #oldestSequence: number
  /** Packets without an answer, and those of them that fill memory on this side. */
  #underWay = 0
  #reads = 0
  /** Counts answers, so that a timer knows whether the peer is silent. */
  #answers = 0
  #isDelayed = false
  /** Whether the next packet waits for room on the link, which other queue pairs may have filled. */
  #isCrowded = false
  #tellsDrained = false

  /** @throws PinfoldError when no loopback of this machine has the GID */
  constructor(queuePair: QueuePairEndpoint, gid: string) {
    this.#queuePair = queuePair
    this.#gid = gid
    this.#link = linkTo('ibv_modify_qp', gid).use()
    this.#sequence = queuePair.attributes.sendPsn
    this.#oldestSequence = this.#sequence
  }

  start(): void {
    this.#sequence = this.#queuePair.attributes.sendPsn
    this.#oldestSequence = this.#sequence
    begin(this.#queuePair)
  }

  transmit(): void {
    if (this.#isDelayed) return
    this.#setCrowded(false)
    const { context } = this.#queuePair
    try {
      while (this.#sendOne(context.scratch.send));
    } finally {
      context.scratch.settle()
    }
    this.#watch()
  }

  drains(): boolean {
    this.#tellsDrained = this.#underWay > 0
    return this.#tellsDrained
  }

  abandon(): void {
    this.#setCrowded(false)
    this.#rewind()
    clearTimeout(this.#queuePair.timer)
    this.#queuePair.timer = undefined
    this.#isDelayed = false
  }

  close(): void {
    this.abandon()
    this.#link?.release()
    this.#link = undefined
  }

  answered(ticket: Ticket, answer: AnswerPacket): void {
    if (ticket.round !== this.#round) return
    this.#answers += 1
    this.#underWay -= 1
    this.#expectAnswers(-1)
    if (!carriesBytes(ticket.opcode)) this.#reads -= 1
    if (this.#queuePair.request.type !== RC) return
    if (answer.kind === answerKinds.done) this.#succeed(ticket, answer)
    else if (answer.kind === answerKinds.refused) this.#end(answer.status, answer.vendorError)
    else if (answer.kind === answerKinds.noReceive) this.#awaitReceive(answer.delay)
    else this.#awaitPeer()
  }

  resume(): void {
    // The peer answers, if only other queue pairs.
    this.#answers += 1
    if (this.#tellsDrained && this.#underWay === 0) {
      this.#tellsDrained = false
      this.#queuePair.context.tell(eventTypes.byName.SQ_DRAINED, this.#queuePair.handle)
    }
    this.transmit()
  }

  lost(): void {
    const wasWaiting = this.#isWaiting
    this.#link = undefined
    this.#isCrowded = false
    this.#rewind()
    if (this.#queuePair.request.type !== RC) this.transmit()
    else if (wasWaiting) giveUp(this.#queuePair, status.RETRY_EXC_ERR, why.peerGone)
  }

  /** Sends the next packet. @returns false if nothing can be sent now */
  #sendOne(send: LoadedSend): boolean {
    const queuePair = this.#queuePair
    const { state, pending } = queuePair
    if (state !== RTS && !(state === SQD && this.#offset > 0)) return false
    const posted = pending[this.#next]
    if (posted === undefined) return false
    const isOldest = this.#underWay === 0
    const refused = send.load(queuePair, posted.words, 0, posted.words.length, posted.inline)
    if (refused !== undefined) {
      // An object that the request names was closed meanwhile.
      if (isOldest) refuseFirst(queuePair)
      return false
    }
    if (isLocal(send)) return isOldest && this.#doHere(send)
    const fills = !carriesBytes(send.opcode)
    if (fills && queuePair.attributes.maxReadsStarted === 0) return false
    if (this.#reads > 0 && (send.flags & sendFlags.fence) !== 0) return false
    const link = this.#open()
    if (link === undefined) return false
    if (!link.hasRoom) {
      link.awaitRoom(this)
      this.#setCrowded(true)
      return false
    }
    this.#send(link, send)
    return true
  }

  /** Carries a request out that needs no peer, or has a fault on this side. It completes in its turn. */
  #doHere(send: LoadedSend): boolean {
    const queuePair = this.#queuePair
    queuePair.pending.shift()
    this.#offset = 0
    attempt(queuePair, send, enterError)
    return queuePair.state === RTS
  }

  #open(): OutgoingLink | undefined {
    if (this.#link !== undefined && !this.#link.isLost) return this.#link
    try {
      this.#link = linkTo('ibv_post_send', this.#gid).use()
      return this.#link
    } catch (error) {
      if (!(error instanceof PinfoldError)) throw error
      this.#link = undefined
      // The peer is gone. A reliable connection reports this, and an unreliable one sends into nothing.
      if (this.#queuePair.request.type === RC) giveUp(this.#queuePair, status.RETRY_EXC_ERR, why.peerGone)
      else this.#dropAll()
      return undefined
    }
  }

  #send(link: OutgoingLink, send: LoadedSend): void {
    const { number, attributes, request } = this.#queuePair
    const total = isAtomic(send.opcode) ? 8 : send.local.total
    const length = Math.min(packetBytes, total - this.#offset)
    const ticket = {
      round: this.#round,
      opcode: send.opcode,
      offset: this.#offset,
      length,
      total,
      isLast: this.#offset + length === total,
      sequence: this.#sequence,
    }
    const frame = requestFrame({
      opcode: send.opcode,
      type: request.type,
      isSolicited: (send.flags & sendFlags.solicited) !== 0,
      target: attributes.remoteQueuePair,
      source: number,
      sequence: ticket.sequence,
      total,
      offset: ticket.offset,
      length,
      rkey: send.rkey,
      low: send.low,
      high: send.high,
      immediate: send.immediate,
      compareLow: send.compareLow,
      compareHigh: send.compareHigh,
      swapLow: send.swapLow,
      swapHigh: send.swapHigh,
    })
    const fills = !carriesBytes(send.opcode)
    if (!fills) this.#copyPart(send, ticket.offset, length, frame.subarray(requestHeaderBytes), 'out')
    this.#sequence = (this.#sequence + 1) >>> 0
    this.#underWay += 1
    if (fills) this.#reads += 1
    this.#offset = ticket.isLast ? 0 : ticket.offset + length
    this.#expectAnswers(1)
    link.send(frame, fills ? length : 0, this, ticket)
    if (!ticket.isLast) return
    if (request.type === RC) this.#next += 1
    else this.#completeFirst(status.SUCCESS, 0, total)
  }

  /** Copies a part of the memory that a request names, into a frame or out of one. */
  #copyPart(send: LoadedSend, offset: number, length: number, bytes: Buffer, way: 'out' | 'in'): void {
    const { copies } = this.#queuePair.context.scratch
    const part = new Segments(copies)
    send.local.partTo(part, offset, length)
    const framed = new Segments(copies)
    framed.add(bytes, 0, length)
    if (way === 'out') part.copyTo(framed, length)
    else framed.copyTo(part, length)
  }

  #succeed(ticket: Ticket, { payload }: AnswerPacket): void {
    const queuePair = this.#queuePair
    begin(queuePair)
    if (payload.length !== (carriesBytes(ticket.opcode) ? 0 : ticket.length)) {
      this.#end(status.BAD_RESP_ERR, why.badAnswer)
      return
    }
    if (payload.length > 0 && !this.#fill(ticket, payload)) return
    if (!ticket.isLast) return
    this.#next -= 1
    this.#oldestSequence = (ticket.sequence + 1) >>> 0
    this.#completeFirst(status.SUCCESS, 0, ticket.total)
  }

  /** Writes the answer into memory of this side. @returns false if that failed */
  #fill(ticket: Ticket, payload: Uint8Array): boolean {
    const queuePair = this.#queuePair
    const { scratch } = queuePair.context
    const { send } = scratch
    const [first] = queuePair.pending
    if (first === undefined) return false
    try {
      if (send.load(queuePair, first.words, 0, first.words.length, first.inline) !== undefined) {
        refuseFirst(queuePair)
        return false
      }
      if (send.isForeign || send.isReadOnly || send.isGone) {
        const fault = send.isForeign ? why.localDomain : send.isGone ? why.regionClosed : why.noLocalWrite
        this.#end(status.LOC_PROT_ERR, fault)
        return false
      }
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length)
      this.#copyPart(send, ticket.offset, ticket.length, bytes, 'in')
      return true
    } finally {
      scratch.settle()
    }
  }

  /** The oldest request has failed. */
  #end(ended: number, vendorError: number): void {
    this.#completeFirst(ended, vendorError, 0)
    enterError(this.#queuePair)
  }

  #completeFirst(ended: number, vendorError: number, bytes: number): void {
    const queuePair = this.#queuePair
    const first = queuePair.pending.shift()
    if (first === undefined) return
    const { words } = first
    const isSignaled = queuePair.request.signalAll || ((words[sendWord.flags] ?? 0) & sendFlags.signaled) !== 0
    if (ended === status.SUCCESS && !isSignaled) return
    const opcode = words[sendWord.opcode] ?? 0
    const [low, high] = [words[sendWord.id] ?? 0, words[sendWord.id + 1] ?? 0]
    complete(queuePair, low, high, ended, vendorError, opcode, bytes)
  }

  /** The peer has no receive. It has told how long to wait. */
  #awaitReceive(delay: number): void {
    const queuePair = this.#queuePair
    this.#rewind()
    if (queuePair.rnrLeft === 0) {
      giveUp(queuePair, status.RNR_RETRY_EXC_ERR, why.noReceive)
      return
    }
    if (queuePair.rnrLeft < 7) queuePair.rnrLeft -= 1
    this.#delay(rnrMilliseconds(delay))
  }

  /** The peer has dropped the packet: its queue pair is not ready, or not connected to this one. */
  #awaitPeer(): void {
    const queuePair = this.#queuePair
    this.#rewind()
    const { timeout } = queuePair.attributes
    if (timeout > 0) queuePair.retriesLeft -= 1
    if (queuePair.retriesLeft < 0) giveUp(queuePair, status.RETRY_EXC_ERR, why.noAnswer)
    else this.#delay(ackMilliseconds(timeout === 0 ? 14 : timeout))
  }

  /** No answer is awaited meanwhile, so the timer keeps the process alive: the request is still outstanding. */
  #delay(milliseconds: number): void {
    this.#isDelayed = true
    this.#setTimer(milliseconds, () => {
      this.#isDelayed = false
      this.transmit()
    }).ref()
  }

  /** Whether the peer has to do something before the sending goes on. */
  get #isWaiting(): boolean {
    if (this.#underWay > 0) return true
    return this.#isCrowded && (this.#queuePair.state === RTS || this.#offset > 0)
  }

  #setCrowded(isCrowded: boolean): void {
    if (isCrowded === this.#isCrowded) return
    this.#isCrowded = isCrowded
    this.#expectAnswers(isCrowded ? 1 : -1)
  }

  /** Requests of an unreliable connection complete without an answer, so nobody waits for it. */
  #expectAnswers(more: number): void {
    if (this.#queuePair.request.type === RC) this.#link?.expectAnswers(more)
  }

  /** Finds a peer that has stopped to answer, while its socket is still open. */
  #watch(): void {
    const queuePair = this.#queuePair
    const { timeout } = queuePair.attributes
    if (queuePair.timer !== undefined || !this.#isWaiting || timeout === 0 || queuePair.request.type !== RC) return
    const answers = this.#answers
    this.#setTimer(patience * ackMilliseconds(timeout), () => {
      // This event loop may have been blocked. Answers that have come meanwhile are read first.
      setImmediate(() => this.#look(answers))
    })
  }

  #look(answers: number): void {
    const queuePair = this.#queuePair
    if (!this.#isWaiting || this.#isDelayed || queuePair.timer !== undefined) return
    if (answers === this.#answers) queuePair.retriesLeft -= 1
    if (queuePair.retriesLeft >= 0) {
      this.#watch()
      return
    }
    this.#rewind()
    giveUp(queuePair, status.RETRY_EXC_ERR, why.noAnswer)
  }

  #setTimer(milliseconds: number, call: () => void): NodeJS.Timeout {
    const queuePair = this.#queuePair
    clearTimeout(queuePair.timer)
    const timer = setTimeout(() => {
      queuePair.timer = undefined
      call()
    }, milliseconds).unref()
    queuePair.timer = timer
    return timer
  }

  /** The next packet is the first of the oldest request. */
  #rewind(): void {
    this.#round += 1
    this.#next = 0
    this.#offset = 0
    this.#expectAnswers(-this.#underWay)
    this.#underWay = 0
    this.#reads = 0
    this.#sequence = this.#oldestSequence
  }

  #dropAll(): void {
    this.#offset = 0
    while (this.#queuePair.pending.length > 0) this.#completeFirst(status.SUCCESS, 0, 0)
  }
}

/** Whether the request needs no peer: a bind, a local invalidate, or one whose memory cannot be sent. */
function isLocal({ opcode, flags, isForeign, isGone }: LoadedSend): boolean {
  if (opcode === opcodes.invalidate || opcode === opcodes.bind) return true
  return carriesBytes(opcode) && (isGone || (isForeign && (flags & sendFlags.inline) === 0))
}
