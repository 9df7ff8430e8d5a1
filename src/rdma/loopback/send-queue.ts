import { constants } from 'node:os'
import { eventTypes } from '../contract/async-events.js'
import { completionStatuses } from '../contract/completion-status.js'
import { loopbackVendorErrors as why } from '../contract/loopback-vendor-errors.js'
import { completionOpcodes, requestOpcodes, sendFlags } from '../contract/operations.js'
import { refusedRequest } from '../contract/refusal-reasons.js'
import { queuePairStates } from '../contract/states.js'
import { sendWord } from '../contract/work-layout.js'
import { peerAtOnce, writeAtOnce } from './fast-write.js'
import type { PostedSend, QueuePairEndpoint } from './records.js'
import { queueFull, refusal } from './refusal.js'
import { type Attempt, attempt, complete } from './requester.js'
import type { LoadedSend } from './send-request.js'
import { wire } from './wire.js'

const { RTS, SQD, ERR } = queuePairStates.byName
const { LOC_QP_OP_ERR, WR_FLUSH_ERR, RETRY_EXC_ERR, RNR_RETRY_EXC_ERR } = completionStatuses.byName

/** Takes a batch of requests, and carries out the requests that need not wait. */
export function postSends(queuePair: QueuePairEndpoint, words: Uint32Array, stride: number, count: number): void {
  try {
    postEach(queuePair, words, stride, count)
  } finally {
    queuePair.context.scratch.settle()
    queuePair.remote?.transmit()
  }
}

function postEach(queuePair: QueuePairEndpoint, words: Uint32Array, stride: number, count: number): void {
  const { send } = queuePair.context.scratch
  requireSending(queuePair)
  let peer = peerAtOnce(queuePair, stride)
  for (let index = 0; index < count; index++) {
    if (peer !== undefined && writeAtOnce(queuePair, peer, words, index * stride)) continue
    load(queuePair, words, index, stride)
    if (queuePair.state === ERR) {
      flush(queuePair, send.idLow, send.idHigh, send.opcode)
    } else if (queuePair.state === SQD || queuePair.pending.length > 0 || queuePair.remote !== undefined) {
      queuePair.pending.push(keep(send, words, index * stride, stride))
    } else {
      begin(queuePair)
      const went = attempt(queuePair, send, enterError)
      if (went !== 'done') {
        queuePair.pending.push(keep(send, words, index * stride, stride))
        wait(queuePair, went)
      }
    }
    peer = peerAtOnce(queuePair, stride)
  }
}

/**
 * Takes a batch of requests as `postSends` does, with the same checks, but carries none out: all wait for `resume`.
 *
 * @param kept is called with each request that waits
 */
export function holdSends(
  queuePair: QueuePairEndpoint,
  words: Uint32Array,
  stride: number,
  count: number,
  kept: (send: PostedSend) => void,
): void {
  const { send } = queuePair.context.scratch
  requireSending(queuePair)
  for (let index = 0; index < count; index++) {
    load(queuePair, words, index, stride)
    if (queuePair.state === ERR) {
      flush(queuePair, send.idLow, send.idHigh, send.opcode)
      continue
    }
    if (queuePair.pending.length === 0) begin(queuePair)
    const waiting = keep(send, words, index * stride, stride)
    queuePair.pending.push(waiting)
    kept(waiting)
  }
}

function requireSending({ state }: QueuePairEndpoint): void {
  if (state < RTS) throw refusal('ibv_post_send', 'the queue pair is not ready to send', { state, posted: 0 })
}

/** Reads a request of a batch. @throws PinfoldError if it is refused when it is posted */
function load(queuePair: QueuePairEndpoint, words: Uint32Array, index: number, stride: number): void {
  const { send } = queuePair.context.scratch
  const { sendRequests } = queuePair.request.capacity
  const refused = send.load(queuePair, words, index * stride, stride, undefined)
  if (refused !== undefined) throw refusedRequest('ibv_post_send', refused, index)
  requireOwnDomain(send, index)
  if (queuePair.pending.length >= sendRequests) {
    throw queueFull('ibv_post_send', `${sendRequests} requests are outstanding`, { posted: index, index })
  }
  if (send.opcode === requestOpcodes.byName.bind && send.window !== undefined) {
    send.window.named = send.bindMemory
  }
}

/** libibverbs itself checks that a window of type 1 and its memory are of one domain (ibv_bind_mw). */
function requireOwnDomain({ opcode, window, bindMemory }: LoadedSend, posted: number): void {
  if (opcode !== requestOpcodes.byName.bind || window?.type !== 1 || bindMemory === undefined) return
  if (bindMemory.domain === window.domain) return
  const why = 'the registration is of another domain than the window'
  throw refusal('ibv_bind_mw', why, { posted, index: posted }, 'ERR_DEVICE_REFUSED', constants.errno.EPERM)
}

/** Carries out waiting requests until one has to wait again. */
export function resume(queuePair: QueuePairEndpoint): void {
  if (queuePair.remote !== undefined) {
    queuePair.remote.transmit()
    return
  }
  resumeEach(queuePair)
  queuePair.context.scratch.settle()
}

function resumeEach(queuePair: QueuePairEndpoint): void {
  const { send } = queuePair.context.scratch
  while (queuePair.state === RTS) {
    const [first] = queuePair.pending
    if (first === undefined) return
    const refused = send.load(queuePair, first.words, 0, first.words.length, first.inline)
    if (refused !== undefined) {
      refuseFirst(queuePair)
      return
    }
    const went = queuePair.context.gate?.(queuePair, first) ?? tryFirst(queuePair)
    if (went !== 'done') {
      wait(queuePair, went)
      return
    }
    begin(queuePair)
  }
}

/** An object that the first waiting request names was closed meanwhile. */
export function refuseFirst(queuePair: QueuePairEndpoint): void {
  giveUp(queuePair, LOC_QP_OP_ERR, why.localDomain)
}

/** The first waiting request leaves the queue before it completes, since a failure flushes the rest. */
function tryFirst(queuePair: QueuePairEndpoint): Attempt {
  const first = queuePair.pending.shift()
  const went = attempt(queuePair, queuePair.context.scratch.send, enterError)
  if (went !== 'done' && first !== undefined) queuePair.pending.unshift(first)
  return went
}

/** Flushes all outstanding requests, and all that are posted from now on. */
export function enterError(queuePair: QueuePairEndpoint): void {
  if (queuePair.state === ERR) return
  queuePair.state = ERR
  clearTimeout(queuePair.timer)
  for (const { words } of queuePair.pending.splice(0)) {
    flush(queuePair, words[sendWord.id] ?? 0, words[sendWord.id + 1] ?? 0, words[sendWord.opcode] ?? 0)
  }
  queuePair.remote?.abandon()
  flushReceives(queuePair)
  // Receives of a shared queue stay there. The event says that this queue pair uses none of them any more.
  if (queuePair.shared !== undefined) {
    queuePair.context.tell(eventTypes.byName.QP_LAST_WQE_REACHED, queuePair.handle)
  }
}

export function flushReceives(queuePair: QueuePairEndpoint): void {
  for (const { idLow, idHigh } of queuePair.receives.splice(0)) {
    const { receive } = completionOpcodes.byName
    queuePair.receiveCompletions.push(idLow, idHigh, WR_FLUSH_ERR, 0, receive, 0, queuePair.number, 0, 0, 0, false)
  }
}

function flush(queuePair: QueuePairEndpoint, idLow: number, idHigh: number, opcode: number): void {
  complete(queuePair, idLow, idHigh, WR_FLUSH_ERR, 0, opcode, 0)
}

/** Gives a request all its retries. */
export function begin(queuePair: QueuePairEndpoint): void {
  queuePair.rnrLeft = queuePair.attributes.rnrRetry
  queuePair.retriesLeft = queuePair.attributes.retryCount
}

function keep(send: LoadedSend, words: Uint32Array, at: number, stride: number): PostedSend {
  const isInline = (send.flags & sendFlags.inline) !== 0
  return { words: words.slice(at, at + stride), inline: isInline ? send.local.keep() : undefined }
}

/** Schedules the next attempt, or gives up when no retry is left. */
function wait(queuePair: QueuePairEndpoint, went: Exclude<Attempt, 'done'>): void {
  if (went === 'no receive') awaitReceive(queuePair)
  else if (went === 'no answer') awaitAnswer(queuePair)
}

function awaitReceive(queuePair: QueuePairEndpoint): void {
  if (queuePair.rnrLeft === 0) {
    giveUp(queuePair, RNR_RETRY_EXC_ERR, why.noReceive)
    return
  }
  if (queuePair.rnrLeft < 7) queuePair.rnrLeft -= 1
  // The peer chooses the delay, by a code.
  const peer = wire.queuePair(queuePair.attributes.remoteQueuePair)
  schedule(queuePair, rnrMilliseconds(peer?.attributes.minRnrTimer ?? 0))
}

function awaitAnswer(queuePair: QueuePairEndpoint): void {
  const { timeout } = queuePair.attributes
  // 0 waits for an answer without a limit (IBTA 9.9.2.1.1).
  if (timeout === 0) return
  if (queuePair.retriesLeft < 0) {
    giveUp(queuePair, RETRY_EXC_ERR, why.noAnswer)
    return
  }
  queuePair.retriesLeft -= 1
  schedule(queuePair, ackMilliseconds(timeout))
}

/** Ends the first waiting request by an error, and so the queue pair. */
export function giveUp(queuePair: QueuePairEndpoint, ended: number, vendorError: number): void {
  const first = queuePair.pending.shift()
  if (first === undefined) return
  const { words } = first
  const opcode = words[sendWord.opcode] ?? 0
  complete(queuePair, words[sendWord.id] ?? 0, words[sendWord.id + 1] ?? 0, ended, vendorError, opcode, 0)
  enterError(queuePair)
}

function schedule(queuePair: QueuePairEndpoint, milliseconds: number): void {
  clearTimeout(queuePair.timer)
  queuePair.timer = setTimeout(() => resume(queuePair), milliseconds).unref()
}

/** The time until a request without an answer is sent again (IBTA 9.9.2.1.1). */
export function ackMilliseconds(timeout: number): number {
  return 4.096e-3 * 2 ** timeout
}

/** The delay of a code of 5 bits (IBTA 9.7.5.2.8). */
export function rnrMilliseconds(code: number): number {
  if (code === 0) return 655.36
  if (code < 5) return code * 0.01
  const even = 0.04 * 2 ** ((code - 4) >> 1)
  return code % 2 === 0 ? even : even * 1.5
}
