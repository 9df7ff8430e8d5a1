import { completionStatuses } from '../contract/completion-status.js'
import { loopbackVendorErrors as why } from '../contract/loopback-vendor-errors.js'
import { completionFlags, completionOpcodes } from '../contract/operations.js'
import { queuePairStates } from '../contract/states.js'
import { layOut, nextReceive, takeReceive } from './receives.js'
import type { QueuePairEndpoint } from './records.js'
import { Segments } from './segments.js'
import { invalidateByKey } from './windows.js'

const status = completionStatuses.byName
const { RTR, ERR } = queuePairStates.byName

/** The answer to the sender of a request. */
export interface Answer {
  /** A number of `enum ibv_wc_status`; -1 when no receive was posted. */
  status: number
  vendorError: number
}

/** A message, or the immediate data of a write. */
export interface Message {
  /** The sender, and the device that carries the request out. */
  readonly source: Pick<QueuePairEndpoint, 'number' | 'context'>
  /** The bytes of a send; undefined for a write with immediate. */
  readonly bytes: Segments | undefined
  readonly length: number
  readonly flags: number
  readonly immediate: number
  readonly solicited: boolean
  /** The header before a datagram. */
  readonly header: Uint8Array | undefined
}

/** Whether requests are served in this state: in RTR and later, but not in the error state. */
export function isReceiving({ state }: QueuePairEndpoint): boolean {
  return state >= RTR && state < ERR
}

/**
 * Receives a message, as Soft-RoCE does (rxe_resp.c). If the receive is too small, or its memory cannot be written, the
 * fault is on this side: an operation error. A reliable sender gets an answer, an unreliable one does not. In both
 * cases the receiving queue pair enters its error state.
 *
 * @param fail brings the queue pair into its error state
 */
export function accept(
  target: QueuePairEndpoint,
  message: Message,
  answer: Answer,
  fail: (queuePair: QueuePairEndpoint) => void,
): void {
  answer.status = status.SUCCESS
  answer.vendorError = 0
  const posted = nextReceive(target)
  if (posted === undefined) {
    answer.status = -1
    answer.vendorError = why.noReceive
    return
  }
  const headerLength = message.header?.length ?? 0
  const needed = message.bytes === undefined ? 0 : headerLength + message.length
  let outcome: number = status.SUCCESS
  const { receive } = message.source.context.scratch
  let vendorError = layOut(posted, target, needed, receive)
  if (vendorError !== 0) {
    outcome = status.LOC_QP_OP_ERR
    answer.status = status.REM_OP_ERR
    answer.vendorError = vendorError
  } else {
    fill(message, receive)
    if ((message.flags & completionFlags.invalidated) !== 0 && !invalidateByKey(target, message.immediate)) {
      // This is found after the message was taken, so the sender gets no error (class J, IBTA 9.9.3).
      outcome = status.REM_INV_REQ_ERR
      vendorError = why.cannotInvalidate
    }
  }
  takeReceive(target)
  const { receive: received, receiveWriteWithImmediate } = completionOpcodes.byName
  const pushed = target.receiveCompletions.push(
    posted.idLow,
    posted.idHigh,
    outcome,
    vendorError,
    message.bytes === undefined ? receiveWriteWithImmediate : received,
    message.bytes === undefined ? message.length : needed,
    target.number,
    message.header === undefined ? 0 : message.source.number,
    message.flags | (message.header === undefined ? 0 : completionFlags.header),
    message.immediate,
    message.solicited,
  )
  if (outcome !== status.SUCCESS || !pushed) fail(target)
}

function fill({ source, bytes, header, length }: Message, receive: Segments): void {
  if (bytes === undefined) return
  if (header === undefined) {
    bytes.copyTo(receive, length)
    return
  }
  const whole = new Uint8Array(header.length + length)
  whole.set(header)
  whole.set(bytes.keep(), header.length)
  const framed = new Segments(source.context.scratch.copies)
  framed.add(whole, 0, whole.length)
  framed.copyTo(receive, whole.length)
}

/**
 * Completes the receive of a write with immediate data whose memory was refused: Soft-RoCE takes the receive out of the
 * queue before it checks the memory (rxe_resp.c: check_resource before check_rkey).
 */
export function failReceive(target: QueuePairEndpoint, outcome: number, vendorError: number): void {
  const posted = nextReceive(target)
  if (posted === undefined) return
  takeReceive(target)
  const { receive: received } = completionOpcodes.byName
  const { idLow, idHigh } = posted
  target.receiveCompletions.push(idLow, idHigh, outcome, vendorError, received, 0, target.number, 0, 0, 0, false)
}
