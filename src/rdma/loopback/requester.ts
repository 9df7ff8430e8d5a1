import { eventTypes } from '../contract/async-events.js'
import { completionStatuses } from '../contract/completion-status.js'
import { loopbackVendorErrors as why } from '../contract/loopback-vendor-errors.js'
import { completionFlags, completionOpcodes, requestOpcodes, sendFlags } from '../contract/operations.js'
import { mtuBytes, queuePairStates, queuePairTypes } from '../contract/states.js'
import { sendDatagram } from './datagrams.js'
import type { QueuePairEndpoint } from './records.js'
import { reach, rightOf } from './remote-access.js'
import { accept, failReceive, isReceiving, type Message } from './responder.js'
import type { Scratch } from './scratch.js'
import type { Segments } from './segments.js'
import type { LoadedSend } from './send-request.js'
import { bindTo, invalidateByKey } from './windows.js'
import { wire } from './wire.js'

const opcodes = requestOpcodes.byName
const status = completionStatuses.byName
const completed = completionOpcodes.byName
const { RTR } = queuePairStates.byName
/** The opcode of the completion, by the opcode of the request. */
const completionOpcode: readonly number[] = Object.assign([], {
  [opcodes.write]: completed.write,
  [opcodes.writeWithImmediate]: completed.write,
  [opcodes.send]: completed.send,
  [opcodes.sendWithImmediate]: completed.send,
  [opcodes.sendWithInvalidate]: completed.send,
  [opcodes.read]: completed.read,
  [opcodes.compareAndSwap]: completed.compareAndSwap,
  [opcodes.fetchAndAdd]: completed.fetchAndAdd,
  [opcodes.invalidate]: completed.invalidate,
  [opcodes.bind]: completed.bind,
})

/**
 * The result of an attempt to carry a request out: the request has completed, the peer has no receive, no peer answers,
 * this side may not start reads, or a gate has held the request back.
 */
export type Attempt = 'done' | 'no receive' | 'no answer' | 'no reads' | 'held'

/** For a queue pair that is connected to itself: its error state waits until the request has completed. */
function noteFailure({ context }: QueuePairEndpoint): void {
  context.scratch.selfFailed = true
}

/**
 * Carries a request out, if this is possible now, and completes it. Faults are found on the same side and with the same
 * status as in Soft-RoCE (rxe_req.c, rxe_resp.c, rxe_comp.c).
 *
 * @param fail brings a queue pair into its error state, after the failed request has completed
 */
export function attempt(
  queuePair: QueuePairEndpoint,
  send: LoadedSend,
  fail: (queuePair: QueuePairEndpoint) => void,
): Attempt {
  if (send.opcode === opcodes.invalidate) {
    const isDone = invalidateByKey(queuePair, send.immediate)
    return finish(queuePair, send, isDone ? status.SUCCESS : status.LOC_QP_OP_ERR, why.cannotInvalidate, fail)
  }
  if (send.opcode === opcodes.bind) {
    const isDone = bindTo(queuePair, send)
    return finish(queuePair, send, isDone ? status.SUCCESS : status.MW_BIND_ERR, why.cannotBind, fail)
  }
  const isInline = (send.flags & sendFlags.inline) !== 0
  const fills = send.opcode === opcodes.read || isAtomic(send.opcode)
  const isForeign = send.isForeign && !isInline
  if (!fills && (isForeign || send.isGone)) {
    return finish(queuePair, send, status.LOC_QP_OP_ERR, isForeign ? why.localDomain : why.regionClosed, fail)
  }
  if (queuePair.request.type === queuePairTypes.byName.UD) {
    if (send.isPathForeign) return finish(queuePair, send, status.LOC_QP_OP_ERR, why.localDomain, fail)
    sendDatagram(queuePair, send, fail)
    return finish(queuePair, send, status.SUCCESS, 0, fail)
  }
  // rxe_req.c, check_init_depth: without credit the request waits.
  if (fills && queuePair.attributes.maxReadsStarted === 0) return 'no reads'
  const target = peerOf(queuePair)
  if (target === undefined) {
    return isReliable(queuePair) ? 'no answer' : finish(queuePair, send, status.SUCCESS, 0, fail)
  }
  const { scratch } = queuePair.context
  const { answer } = scratch
  answer.status = status.SUCCESS
  answer.vendorError = 0
  if (target.state === RTR && !target.isEstablished) establish(target)
  scratch.selfFailed = false
  serve(queuePair, target, send, target === queuePair ? noteFailure : fail)
  if (!isReliable(queuePair)) finish(queuePair, send, status.SUCCESS, 0, fail)
  else if (answer.status === -1) return 'no receive'
  else finish(queuePair, send, answer.status, answer.vendorError, fail)
  if (scratch.selfFailed) fail(queuePair)
  return 'done'
}

/**
 * The peer of a queue pair, if the peer is connected back and serves requests. Packets to a queue pair of another type
 * are dropped, and so are packets of a reliable connection that are out of sequence.
 */
export function peerOf({ attributes, number, request, remote }: QueuePairEndpoint): QueuePairEndpoint | undefined {
  if (remote !== undefined) return undefined // its number is that of a queue pair of another thread
  const target = wire.queuePair(attributes.remoteQueuePair)
  if (target === undefined || !isReceiving(target) || target.request.type !== request.type) return undefined
  if (target.attributes.remoteQueuePair !== number || target.remote !== undefined) return undefined
  const isInSequence = target.attributes.receivePsn === attributes.sendPsn
  return isInSequence || request.type === queuePairTypes.byName.UC ? target : undefined
}

/** A request has arrived before the program has brought the queue pair to RTS (IBTA 11.6.3.2). */
export function establish(target: QueuePairEndpoint): void {
  target.isEstablished = true
  target.context.tell(eventTypes.byName.COMM_EST, target.handle)
}

/** Serves the request at the other side. `scratch.answer` receives the result. */
function serve(
  queuePair: QueuePairEndpoint,
  target: QueuePairEndpoint,
  send: LoadedSend,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  const { scratch } = queuePair.context
  switch (send.opcode) {
    case opcodes.write:
    case opcodes.writeWithImmediate:
      write(queuePair, target, send, fail)
      break
    case opcodes.read:
      read(scratch, target, send, fail)
      break
    case opcodes.compareAndSwap:
    case opcodes.fetchAndAdd:
      swap(scratch, target, send, fail)
      break
    default:
      accept(target, messageOf(queuePair, send, send.local), scratch.answer, fail)
  }
}

function write(
  queuePair: QueuePairEndpoint,
  target: QueuePairEndpoint,
  send: LoadedSend,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  const { scratch } = queuePair.context
  const { answer, remote } = scratch
  const { total } = send.local
  const hasImmediate = send.opcode === opcodes.writeWithImmediate
  if (!givesRight(scratch, target, rightOf.write, fail)) return
  if (hasImmediate && isWithoutReceive(target)) {
    answer.status = -1
    return
  }
  const refused = reach(target, send.rkey, send.low, send.high, total, rightOf.write, remote)
  if (refused !== 0) {
    // A request of several packets takes the receive only with the last packet.
    const isTaken = hasImmediate && total <= mtuBytes(target.attributes.mtu)
    if (isTaken && isReliable(target)) failReceive(target, status.REM_ACCESS_ERR, refused)
    refuse(scratch, target, status.REM_ACCESS_ERR, refused, fail)
    return
  }
  send.local.copyLater(remote, total)
  if (hasImmediate) accept(target, messageOf(queuePair, send, undefined), answer, fail)
}

function isWithoutReceive({ shared, receives }: QueuePairEndpoint): boolean {
  return (shared?.receives ?? receives).length === 0
}

function read(
  scratch: Scratch,
  target: QueuePairEndpoint,
  send: LoadedSend,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  const { total } = send.local
  if (!servesReads(scratch, target, fail) || !allowed(scratch, target, send, rightOf.read, total, fail)) return
  if (!canFill(scratch, send)) return
  scratch.remote.copyTo(send.local, total)
}

function swap(
  scratch: Scratch,
  target: QueuePairEndpoint,
  send: LoadedSend,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  if (!servesReads(scratch, target, fail) || !allowed(scratch, target, send, rightOf.atomic, 8, fail)) return
  const before = scratch.atomics.apply(scratch.remote, send)
  if (canFill(scratch, send)) before.copyTo(send.local, 8)
}

/** Whether the peer serves reads and atomics at all. */
export function servesReads(
  scratch: Scratch,
  target: QueuePairEndpoint,
  fail: (queuePair: QueuePairEndpoint) => void,
): boolean {
  if (target.attributes.maxReadsServed > 0) return true
  refuse(scratch, target, status.REM_INV_REQ_ERR, why.noReads, fail)
  return false
}

/** Whether the request may use the memory of the peer. If so, `scratch.remote` refers to the bytes. */
export function allowed(
  scratch: Scratch,
  target: QueuePairEndpoint,
  send: Pick<LoadedSend, 'rkey' | 'low' | 'high'>,
  right: number,
  length: number,
  fail: (queuePair: QueuePairEndpoint) => void,
): boolean {
  if (!givesRight(scratch, target, right, fail)) return false
  const refused = reach(target, send.rkey, send.low, send.high, length, right, scratch.remote)
  if (refused === 0) return true
  refuse(scratch, target, status.REM_ACCESS_ERR, refused, fail)
  return false
}

/** Whether the queue pair gives its peer this right. */
export function givesRight(
  scratch: Scratch,
  target: QueuePairEndpoint,
  right: number,
  fail: (queuePair: QueuePairEndpoint) => void,
): boolean {
  if ((target.attributes.access & right) !== 0) return true
  refuse(scratch, target, status.REM_INV_REQ_ERR, why.queuePairRight, fail)
  return false
}

function isReliable({ request }: QueuePairEndpoint): boolean {
  return request.type === queuePairTypes.byName.RC
}

/**
 * Refuses a request. A reliable peer answers with an error and enters its error state. It also reports an event to its
 * program, since there is no completion (IBTA 11.6.3.3). An unreliable peer drops the request.
 */
export function refuse(
  { answer }: Scratch,
  target: QueuePairEndpoint,
  refused: number,
  vendorError: number,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  answer.status = refused
  answer.vendorError = vendorError
  if (!isReliable(target)) return
  const { QP_ACCESS_ERR, QP_REQ_ERR } = eventTypes.byName
  target.context.tell(refused === status.REM_ACCESS_ERR ? QP_ACCESS_ERR : QP_REQ_ERR, target.handle)
  fail(target)
}

/** Whether the result of a read or atomic can be written on this side. */
function canFill({ answer }: Scratch, send: LoadedSend): boolean {
  if (!send.isForeign && !send.isReadOnly && !send.isGone) return true
  answer.status = status.LOC_PROT_ERR
  answer.vendorError = send.isForeign ? why.localDomain : send.isGone ? why.regionClosed : why.noLocalWrite
  return false
}

function messageOf(source: QueuePairEndpoint, send: LoadedSend, bytes: Segments | undefined): Message {
  const { opcode, immediate, flags } = send
  const hasImmediate = opcode === opcodes.sendWithImmediate || opcode === opcodes.writeWithImmediate
  const invalidates = opcode === opcodes.sendWithInvalidate
  return {
    source,
    bytes,
    length: send.local.total,
    flags: hasImmediate ? completionFlags.immediate : invalidates ? completionFlags.invalidated : 0,
    immediate: hasImmediate || invalidates ? immediate : 0,
    solicited: (flags & sendFlags.solicited) !== 0,
    header: undefined,
  }
}

function isAtomic(opcode: number): boolean {
  return opcode === opcodes.compareAndSwap || opcode === opcodes.fetchAndAdd
}

function finish(
  queuePair: QueuePairEndpoint,
  send: LoadedSend,
  ended: number,
  vendorError: number,
  fail: (queuePair: QueuePairEndpoint) => void,
): Attempt {
  const isGood = ended === status.SUCCESS
  if (!isGood || queuePair.request.signalAll || (send.flags & sendFlags.signaled) !== 0) {
    complete(queuePair, send.idLow, send.idHigh, ended, isGood ? 0 : vendorError, send.opcode, send.local.total)
  }
  if (!isGood) fail(queuePair)
  return 'done'
}

/** Adds the completion of a request. */
export function complete(
  queuePair: QueuePairEndpoint,
  idLow: number,
  idHigh: number,
  ended: number,
  vendorError: number,
  opcode: number,
  bytes: number,
): void {
  const { SUCCESS } = status
  const called = completionOpcode[opcode] ?? 0
  const done = ended === SUCCESS ? bytes : 0
  queuePair.sendCompletions.push(idLow, idHigh, ended, vendorError, called, done, queuePair.number, 0, 0, 0, false)
}
