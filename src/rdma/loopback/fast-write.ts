import { accessFlags } from '../contract/access-flags.js'
import { completionOpcodes, requestOpcodes, sendFlags } from '../contract/operations.js'
import { queuePairStates, queuePairTypes } from '../contract/states.js'
import { entryWord, entryWords, sendHeaderWords, sendWord } from '../contract/work-layout.js'
import type { QueuePairEndpoint } from './records.js'
import { peerOf } from './requester.js'
import { wire } from './wire.js'

const { RTR, RTS } = queuePairStates.byName
const { remoteWrite } = accessFlags.byName
const fastFlags = sendFlags.signaled | sendFlags.fence | sendFlags.solicited

/**
 * The peer whose memory `writeAtOnce` may write to; undefined if each request must take the general path. The answer is
 * true until a request has taken the general path.
 */
export function peerAtOnce(queuePair: QueuePairEndpoint, stride: number): QueuePairEndpoint | undefined {
  const { type, capacity } = queuePair.request
  if (type !== queuePairTypes.byName.RC || queuePair.state !== RTS || queuePair.pending.length > 0) return undefined
  if (capacity.sendRequests === 0 || capacity.sendEntries === 0) return undefined
  if (stride < sendHeaderWords + entryWords) return undefined
  const peer = peerOf(queuePair)
  return peer === undefined || peer.state === RTR ? undefined : peer
}

/**
 * The fast path of the most common request: a write from one place to registered memory of the peer that passes all
 * checks. Every other request takes the general path (send-request.ts, requester.ts), which finds and reports its
 * fault. The checks are the same; test/rdma/loopback/loopback.property.test.ts compares the two paths.
 *
 * @returns false, with nothing done, for a request that must take the general path
 */
export function writeAtOnce(
  queuePair: QueuePairEndpoint,
  peer: QueuePairEndpoint,
  words: Uint32Array,
  at: number,
): boolean {
  const flags = words[at + sendWord.flags] ?? 0
  if (words[at + sendWord.opcode] !== requestOpcodes.byName.write || words[at + sendWord.entries] !== 1) return false
  if ((flags & ~fastFlags) !== 0) return false
  const entry = at + sendHeaderWords
  const length = words[entry + entryWord.length] ?? 0
  const source = queuePair.context.registrations.find(words[entry + entryWord.registration] ?? 0)
  const target = wire.byKey(words[at + sendWord.rkey] ?? 0)
  if (length === 0 || source === undefined || target === undefined || target.isWindow) return false
  if (source.domain !== queuePair.domain || target.domain !== peer.domain) return false
  if ((target.access & peer.attributes.access & remoteWrite) === 0) return false
  const from = (words[entry + entryWord.offset] ?? 0) + (words[entry + entryWord.offset + 1] ?? 0) * 2 ** 32
  const low = (words[at + sendWord.remoteAddress] ?? 0) - target.low
  const to = ((words[at + sendWord.remoteAddress + 1] ?? 0) - target.high) * 2 ** 32 + low
  if (!(from + length <= source.length && to >= 0 && to + length <= target.length)) return false
  const { view } = source
  const targetView = target.view
  if (view === undefined || targetView === undefined) return false
  queuePair.context.scratch.copies.copy(view, source.viewStart + from, targetView, target.viewStart + to, length)
  if ((flags & sendFlags.signaled) !== 0 || queuePair.request.signalAll) {
    const low = words[at + sendWord.id] ?? 0
    const high = words[at + sendWord.id + 1] ?? 0
    const { write } = completionOpcodes.byName
    queuePair.sendCompletions.push(low, high, 0, 0, write, length, queuePair.number, 0, 0, 0, false)
  }
  return true
}
