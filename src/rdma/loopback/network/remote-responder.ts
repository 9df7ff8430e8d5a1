import { completionStatuses } from '../../contract/completion-status.js'
import { requestOpcodes } from '../../contract/operations.js'
import { mtuBytes, queuePairStates, queuePairTypes } from '../../contract/states.js'
import { deliver } from '../datagrams.js'
import { nextReceive } from '../receives.js'
import type { Inbound, QueuePairEndpoint } from '../records.js'
import { reach, rightOf } from '../remote-access.js'
import { allowed, establish, givesRight, refuse, servesReads } from '../requester.js'
import { accept, failReceive, isReceiving } from '../responder.js'
import { Segments } from '../segments.js'
import { enterError } from '../send-queue.js'
import { wire } from '../wire.js'
import { answerFrame, answerHeaderBytes, answerKinds, isAtomic, messageFlags, type RequestPacket } from './packets.js'

const opcodes = requestOpcodes.byName
const status = completionStatuses.byName
const { RC, UD } = queuePairTypes.byName
const { RTR } = queuePairStates.byName

const done = () => answerFrame(answerKinds.done, 0, 0, 0, 0)
const noAnswer = () => answerFrame(answerKinds.noAnswer, 0, 0, 0, 0)

/**
 * Serves a request of another thread or process, by the same checks as the requests of this thread: the queue pair's state,
 * its peer, the sequence, keys, rights and ranges.
 *
 * @param gid of the loopback that has sent it
 * @param payload is valid only during the call
 * @returns the frame of the answer
 */
export function serveRequest(gid: string, packet: RequestPacket, payload: Buffer): Buffer {
  if (packet.type === UD) {
    deliver(gid, packet, payload, enterError)
    return done()
  }
  const target = wire.queuePair(packet.target)
  if (target === undefined || !isPeer(target, gid, packet)) return noAnswer()
  const inbound = inboundOf(target)
  if (!isInSequence(target, inbound, packet)) return noAnswer()
  if (target.state === RTR && !target.isEstablished) establish(target)
  const { scratch } = target.context
  scratch.answer.status = status.SUCCESS
  scratch.answer.vendorError = 0
  try {
    const filled = serve(target, inbound, packet, payload)
    return answer(target, inbound, packet, filled)
  } finally {
    scratch.settle()
  }
}

/** Whether the queue pair receives from the queue pair that has sent the packet. Packets of others are dropped. */
function isPeer(target: QueuePairEndpoint, gid: string, { type, source }: RequestPacket): boolean {
  const { attributes, request } = target
  return (
    request.type === type && isReceiving(target) && attributes.remoteQueuePair === source && attributes.path.gid === gid
  )
}

function inboundOf(target: QueuePairEndpoint): Inbound {
  target.inbound ??= { expected: target.attributes.receivePsn, first: 0, message: undefined, parts: [] }
  return target.inbound
}

/**
 * Whether the packet is the next of its queue pair, and of its message: a peer cannot lengthen a message by packets that do
 * not continue it, nor leave some out. An unreliable connection begins anew with every message, and drops the rest of a
 * message that is not whole.
 */
function isInSequence({ request }: QueuePairEndpoint, inbound: Inbound, packet: RequestPacket): boolean {
  const isNext = packet.sequence === inbound.expected
  if (request.type === RC && !isNext) return false
  if (!isNext && packet.offset > 0) return false
  const { opcode, total, offset, length } = packet
  const { message } = inbound
  if (offset > 0) {
    if (message?.opcode !== opcode || message.total !== total || message.next !== offset) return false
  } else if (request.type === RC && message !== undefined) return false
  inbound.message = isLast(packet) ? undefined : { opcode, total, next: offset + length }
  if (packet.offset === 0) {
    inbound.first = packet.sequence
    inbound.parts = []
  }
  inbound.expected = (packet.sequence + 1) >>> 0
  return true
}

/** The answer, by `scratch.answer`. If there was no receive, the peer sends the whole message again. */
function answer(
  target: QueuePairEndpoint,
  inbound: Inbound,
  { type }: RequestPacket,
  filled: Buffer | undefined,
): Buffer {
  const { status: ended, vendorError } = target.context.scratch.answer
  if (type !== RC) return done()
  if (ended === -1) {
    inbound.expected = inbound.first
    inbound.message = undefined
    return answerFrame(answerKinds.noReceive, target.attributes.minRnrTimer & 31, 0, 0, 0)
  }
  if (ended !== status.SUCCESS) return answerFrame(answerKinds.refused, 0, ended, vendorError, 0)
  return filled ?? done()
}

/** @returns the frame of the answer, if it has bytes in it */
function serve(
  target: QueuePairEndpoint,
  inbound: Inbound,
  packet: RequestPacket,
  payload: Buffer,
): Buffer | undefined {
  const { opcode } = packet
  if (opcode === opcodes.read) return read(target, packet)
  if (isAtomic(opcode)) return change(target, packet)
  if (opcode === opcodes.write || opcode === opcodes.writeWithImmediate) write(target, packet, payload)
  else send(target, inbound, packet, payload)
  return undefined
}

function write(target: QueuePairEndpoint, packet: RequestPacket, payload: Buffer): void {
  const { scratch } = target.context
  const { rkey, low, high, total, offset, length } = packet
  const hasImmediate = packet.opcode === opcodes.writeWithImmediate
  if (!givesRight(scratch, target, rightOf.write, enterError)) return
  if (hasImmediate && nextReceive(target) === undefined) {
    scratch.answer.status = -1
    return
  }
  // The first packet contains the range of the message. The memory may be closed before the last packet comes.
  const whole = offset === 0 ? reach(target, rkey, low, high, total, rightOf.write, scratch.remote) : 0
  const refused = whole === 0 ? reach(target, rkey, low + offset, high, length, rightOf.write, scratch.remote) : whole
  if (refused !== 0) {
    const isTaken = hasImmediate && total <= mtuBytes(target.attributes.mtu)
    if (isTaken && target.request.type === RC) failReceive(target, status.REM_ACCESS_ERR, refused)
    refuse(scratch, target, status.REM_ACCESS_ERR, refused, enterError)
    return
  }
  bytesOf(target, payload).copyTo(scratch.remote, length)
  if (hasImmediate && isLast(packet)) accept(target, message(target, packet, undefined), scratch.answer, enterError)
}

/**
 * Collects the packets of a message, up to the room of the receive that it will take. The receive is taken with the last
 * packet, so that a message that breaks off takes none.
 */
function send(target: QueuePairEndpoint, inbound: Inbound, packet: RequestPacket, payload: Buffer): void {
  const { scratch } = target.context
  const posted = nextReceive(target)
  if (posted === undefined) {
    inbound.parts = []
    scratch.answer.status = -1
    return
  }
  if (isLast(packet) && packet.offset === 0) {
    accept(target, message(target, packet, bytesOf(target, payload)), scratch.answer, enterError)
    return
  }
  let room = 0
  for (const { length } of posted.entries) room += length
  if (packet.total > room) {
    inbound.parts = []
    accept(target, message(target, packet, new Segments(scratch.copies)), scratch.answer, enterError)
    return
  }
  inbound.parts.push(Buffer.from(payload))
  if (!isLast(packet)) return
  const whole = new Segments(scratch.copies)
  for (const part of inbound.parts) whole.add(part, 0, part.length)
  inbound.parts = []
  accept(target, message(target, packet, whole), scratch.answer, enterError)
}

function read(target: QueuePairEndpoint, packet: RequestPacket): Buffer | undefined {
  const { scratch } = target.context
  const { rkey, low, high, total, offset, length } = packet
  if (!servesReads(scratch, target, enterError)) return undefined
  if (!allowed(scratch, target, packet, rightOf.read, total, enterError)) return undefined
  const refused = reach(target, rkey, low + offset, high, length, rightOf.read, scratch.remote)
  if (refused !== 0) {
    refuse(scratch, target, status.REM_ACCESS_ERR, refused, enterError)
    return undefined
  }
  const frame = answerFrame(answerKinds.done, 0, 0, 0, length)
  scratch.remote.copyTo(bytesOf(target, frame.subarray(answerHeaderBytes)), length)
  return frame
}

function change(target: QueuePairEndpoint, packet: RequestPacket): Buffer | undefined {
  const { scratch } = target.context
  if (!servesReads(scratch, target, enterError)) return undefined
  if (!allowed(scratch, target, packet, rightOf.atomic, 8, enterError)) return undefined
  const frame = answerFrame(answerKinds.done, 0, 0, 0, 8)
  scratch.atomics.apply(scratch.remote, packet).copyTo(bytesOf(target, frame.subarray(answerHeaderBytes)), 8)
  return frame
}

function isLast({ offset, length, total }: RequestPacket): boolean {
  return offset + length === total
}

function bytesOf({ context }: QueuePairEndpoint, bytes: Buffer): Segments {
  const segments = new Segments(context.scratch.copies)
  segments.add(bytes, 0, bytes.length)
  return segments
}

function message(target: QueuePairEndpoint, packet: RequestPacket, bytes: Segments | undefined) {
  const { opcode, total, immediate, isSolicited, source } = packet
  const flags = messageFlags(opcode)
  return {
    source: { number: source, context: target.context },
    bytes,
    length: total,
    flags,
    immediate: flags === 0 ? 0 : immediate,
    solicited: isSolicited,
    header: undefined,
  }
}
