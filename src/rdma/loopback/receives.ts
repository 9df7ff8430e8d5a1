import { eventTypes } from '../async-events.js'
import { entryWord, entryWords, receiveHeaderWords, receiveWord } from '../work-layout.js'
import type { LoopbackContext } from './context.js'
import type { PostedEntry, PostedReceive, QueuePairEndpoint } from './objects.js'
import type { Segments } from './segments.js'

/** A receive as it was read out of the words of a ring, or why it is refused. */
export function loadReceive(
  context: LoopbackContext,
  words: Uint32Array,
  at: number,
  stride: number,
  mostEntries: number,
): PostedReceive | string {
  const count = words[at + receiveWord.entries] ?? 0
  const most = Math.min(mostEntries, (stride - receiveHeaderWords) / entryWords)
  if (count > most) return `${count} scatter entries, and the queue takes ${most}`
  const entries: PostedEntry[] = []
  for (let entry = 0; entry < count; entry++) {
    const word = at + receiveHeaderWords + entry * entryWords
    const memory = context.registrations.find(words[word + entryWord.registration] ?? 0)
    const length = words[word + entryWord.length] ?? 0
    const offset = (words[word + entryWord.offset] ?? 0) + (words[word + entryWord.offset + 1] ?? 0) * 2 ** 32
    if (memory === undefined || memory.isImplicit) return `scatter entry ${entry} is of no registration`
    if (!(offset + length <= memory.length)) return `scatter entry ${entry} is not inside of its registration`
    entries.push({ memory, offset, length })
  }
  return { idLow: words[at + receiveWord.id] ?? 0, idHigh: words[at + receiveWord.id + 1] ?? 0, entries }
}

/** The oldest receive that a message to `queuePair` would take; it stays where it is. */
export function nextReceive({ shared, receives }: QueuePairEndpoint): PostedReceive | undefined {
  return (shared?.receives ?? receives)[0]
}

/** Takes it out of its queue; a shared one tells when it has become low. */
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

/** What became of laying out a receive's bytes. */
export type Layout = 'ready' | 'foreign' | 'read only' | 'gone'

export function layOut({ entries }: PostedReceive, { domain }: QueuePairEndpoint, segments: Segments): Layout {
  segments.clear()
  let layout: Layout = 'ready'
  for (const { memory, offset, length } of entries) {
    if (memory.domain !== domain || memory.handle === 0) layout = 'foreign'
    else if ((memory.access & 1) === 0) layout = 'read only'
    else if (!memory.addTo(segments, offset, length)) layout = 'gone'
  }
  return layout
}
