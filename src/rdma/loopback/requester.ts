import { completionStatuses } from '../completion-status.js'
import { completionFlags, completionOpcodes, requestOpcodes, sendFlags } from '../operations.js'
import { queuePairTypes } from '../states.js'
import { loopbackVendorErrors as why } from '../vendor-errors.js'
import { atomically } from './atomics.js'
import { sendDatagram } from './datagrams.js'
import type { QueuePairEndpoint } from './objects.js'
import { type RemoteRange, reach, rightOf } from './remote-access.js'
import { type Answer, accept, isReceiving, type Message } from './responder.js'
import { Segments } from './segments.js'
import type { LoadedSend } from './send-request.js'
import { bindTo, invalidateByKey } from './windows.js'
import { wire } from './wire.js'

const opcodes = requestOpcodes.byName
const status = completionStatuses.byName
const completed = completionOpcodes.byName
/** What a request's completion calls it. */
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

const remote = new Segments()
const found: RemoteRange = { memory: undefined, offset: 0 }
const answer: Answer = { status: 0, vendorError: 0 }

/** How an attempt to carry a request out went: it has completed, the peer has no receive, or nobody answers. */
export type Attempt = 'done' | 'no receive' | 'no answer'

/**
 * Carries a request out, if it can be now, and completes it. It decides as Soft-RoCE does (rxe_req.c, rxe_resp.c,
 * rxe_comp.c): which side finds a fault, and with which status.
 *
 * @param fail brings a queue pair into its error state, after the request that brought it there has completed
 */
export function attempt(
  queuePair: QueuePairEndpoint,
  send: LoadedSend,
  fail: (queuePair: QueuePairEndpoint) => void,
): Attempt {
  if (send.isImpossible) return finish(queuePair, send, status.LOC_QP_OP_ERR, why.noSuchOperation, fail)
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
  if (!fills && !isInline && (send.isForeign || send.isGone)) {
    return finish(queuePair, send, status.LOC_QP_OP_ERR, send.isForeign ? why.localDomain : why.regionClosed, fail)
  }
  if (queuePair.request.type === queuePairTypes.byName.UD) {
    sendDatagram(queuePair, send, fail)
    return finish(queuePair, send, status.SUCCESS, 0, fail)
  }
  const target = peerOf(queuePair)
  const isReliable = queuePair.request.type === queuePairTypes.byName.RC
  if (target === undefined) {
    return isReliable ? 'no answer' : finish(queuePair, send, status.SUCCESS, 0, fail)
  }
  answer.status = status.SUCCESS
  answer.vendorError = 0
  serve(queuePair, target, send, fail)
  if (!isReliable) return finish(queuePair, send, status.SUCCESS, 0, fail)
  if (answer.status === -1) return 'no receive'
  return finish(queuePair, send, answer.status, answer.vendorError, fail)
}

/** The queue pair that this one is connected to, if it is connected back and serves requests. */
function peerOf({ attributes, number, isOnWire }: QueuePairEndpoint): QueuePairEndpoint | undefined {
  if (!isOnWire) return undefined
  const target = wire.queuePair(attributes.remoteQueuePair)
  if (target === undefined || !isReceiving(target) || target.attributes.remoteQueuePair !== number) return undefined
  return target.attributes.receivePsn === attributes.sendPsn ? target : undefined
}

/** What happens at the other side; the answer says how it went. */
function serve(
  queuePair: QueuePairEndpoint,
  target: QueuePairEndpoint,
  send: LoadedSend,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  switch (send.opcode) {
    case opcodes.write:
    case opcodes.writeWithImmediate:
      write(queuePair, target, send, fail)
      break
    case opcodes.read:
      read(target, send, fail)
      break
    case opcodes.compareAndSwap:
    case opcodes.fetchAndAdd:
      swap(target, send, fail)
      break
    default:
      accept(target, messageOf(queuePair, send, send.local), answer, fail)
  }
}

function write(
  queuePair: QueuePairEndpoint,
  target: QueuePairEndpoint,
  send: LoadedSend,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  const { total } = send.local
  const hasImmediate = send.opcode === opcodes.writeWithImmediate
  if (hasImmediate && isWithoutReceive(target)) {
    answer.status = -1
    return
  }
  if (!allowed(target, send, rightOf.write, total, fail)) return
  send.local.copyTo(remote, total)
  if (hasImmediate) accept(target, messageOf(queuePair, send, undefined), answer, fail)
}

function isWithoutReceive({ shared, receives }: QueuePairEndpoint): boolean {
  return (shared?.receives ?? receives).length === 0
}

function read(target: QueuePairEndpoint, send: LoadedSend, fail: (queuePair: QueuePairEndpoint) => void): void {
  const { total } = send.local
  if (!servesReads(target, fail) || !allowed(target, send, rightOf.read, total, fail)) return
  if (!canFill(send)) return
  remote.copyTo(send.local, total)
}

function swap(target: QueuePairEndpoint, send: LoadedSend, fail: (queuePair: QueuePairEndpoint) => void): void {
  if (!servesReads(target, fail) || !allowed(target, send, rightOf.atomic, 8, fail)) return
  const before = atomically(remote, send)
  if (canFill(send)) before.copyTo(send.local, 8)
}

/** Reads and atomics need room at the side that serves them. */
function servesReads(target: QueuePairEndpoint, fail: (queuePair: QueuePairEndpoint) => void): boolean {
  if (target.attributes.maxReadsServed > 0) return true
  refuse(target, status.REM_INV_REQ_ERR, why.noReads, fail)
  return false
}

/** Whether the peer lets the request have its memory; `remote` has the bytes then. */
function allowed(
  target: QueuePairEndpoint,
  send: LoadedSend,
  right: number,
  length: number,
  fail: (queuePair: QueuePairEndpoint) => void,
): boolean {
  if ((target.attributes.access & right) === 0) {
    refuse(target, status.REM_INV_REQ_ERR, why.queuePairRight, fail)
    return false
  }
  const refused = reach(target, send.rkey, send.low, send.high, length, right, remote, found)
  if (refused === 0) return true
  refuse(target, status.REM_ACCESS_ERR, refused, fail)
  return false
}

/** A reliable peer answers with an error and goes into its error state; an unreliable one drops the request. */
function refuse(
  target: QueuePairEndpoint,
  refused: number,
  vendorError: number,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  answer.status = refused
  answer.vendorError = vendorError
  if (target.request.type === queuePairTypes.byName.RC) fail(target)
}

/** Whether the answer of a read or atomic can be written here. */
function canFill(send: LoadedSend): boolean {
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

/** Tells the program how a request ended. */
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
  queuePair.sendRing.push(idLow, idHigh, ended, vendorError, called, done, queuePair.number, 0, 0, 0, false)
}
