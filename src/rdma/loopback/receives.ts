import { accessFlags } from '../contract/access-flags.js'
import { eventTypes } from '../contract/async-events.js'
import { loopbackVendorErrors as why } from '../contract/loopback-vendor-errors.js'
import type { RefusalReason } from '../contract/refusal-reasons.js'
import { entryWord, entryWords, receiveHeaderWords, receiveWord } from '../contract/work-layout.js'
import type { LoopbackContext } from './context.js'
import type { PostedEntry, PostedReceive, QueuePairEndpoint } from './records.js'
import type { Segments } from './segments.js'
import { longestEntry } from './send-request.js'

const { localWrite } = accessFlags.byName

/** A receive as it was read out of the words of a batch, or the reason why it is refused. */
export function loadReceive(
  context: LoopbackContext,
  words: Uint32Array,
  at: number,
  stride: number,
  mostEntries: number,
): PostedReceive | RefusalReason {
  const count = words[at + receiveWord.entries] ?? 0
  const most = Math.min(mostEntries, (stride - receiveHeaderWords) / entryWords)
  if (count > most) return 'entries'
  const entries: PostedEntry[] = []
  for (let entry = 0; entry < count; entry++) {
    const word = at + receiveHeaderWords + entry * entryWords
    const memory = context.registrations.find(words[word + entryWord.registration] ?? 0)
    const length = words[word + entryWord.length] ?? 0
    const offset = (words[word + entryWord.offset] ?? 0) + (words[word + entryWord.offset + 1] ?? 0) * 2 ** 32
    if (memory === undefined || memory.isImplicit) return 'entryRegistration'
    if (!(offset + length <= memory.length && length <= longestEntry)) return 'entryRange'
    entries.push({ memory, offset, length })
  }
  return { idLow: words[at + receiveWord.id] ?? 0, idHigh: words[at + receiveWord.id + 1] ?? 0, entries }
}

/** The oldest receive, which a message to the queue pair would take. It stays in its queue. */
export function nextReceive({ shared, receives }: QueuePairEndpoint): PostedReceive | undefined {
  return (shared?.receives ?? receives)[0]
}

/** Takes the oldest receive out of its queue. A shared receive queue reports when it has fallen below its limit. */
export function takeReceive({ shared, receives }: QueuePairEndpoint): void {
  if (shared === undefined) {
    receives.shift()
    return
  }
  shared.receives.shift()
  if (shared.receives.length >= shared.limit) return
  shared.limit = 0
  shared.context.tell(eventTypes.byName.SRQ_LIMIT_REACHED, shared.handle)
}

/**
 * Collects the memory of a receive for a message of `needed` bytes. Entries beyond these bytes are not checked, as in
 * Soft-RoCE (copy_data).
 *
 * @returns 0, or the vendor error of the check that failed
 */
export function layOut(
  { entries }: PostedReceive,
  { domain }: QueuePairEndpoint,
  needed: number,
  segments: Segments,
): number {
  segments.clear()
  let room = 0
  for (const { length } of entries) room += length
  if (needed > room) return why.receiveTooSmall
  for (const { memory, offset, length } of entries) {
    const part = Math.min(length, needed - segments.total)
    if (part === 0) continue
    if (memory.domain !== domain || memory.handle === 0) return why.localDomain
    if ((memory.access & localWrite) === 0) return why.noLocalWrite
    // The range was checked when the receive was posted, but the registration may have changed since.
    if (offset + length > memory.length) return why.localRange
    if (!memory.addTo(segments, offset, part)) return why.regionClosed
  }
  return 0
}
