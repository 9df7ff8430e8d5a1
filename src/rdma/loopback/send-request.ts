import { requestOpcodes, sendFlags } from '../contract/operations.js'
import type { RefusalReason } from '../contract/refusal-reasons.js'
import { queuePairTypes } from '../contract/states.js'
import { entryWord, entryWords, sendHeaderWords, sendWord } from '../contract/work-layout.js'
import type { DeferredCopies } from './copies.js'
import type { Path, QueuePairEndpoint, Window } from './records.js'
import type { RegisteredMemory } from './registered-memory.js'
import { Segments } from './segments.js'

const opcodes = requestOpcodes.byName
const { RC, UC, UD } = queuePairTypes.byName

const bits = (...of: readonly number[]) => of.reduce((all, opcode) => all | (1 << opcode), 0)

/** The operations of each type of queue pair (ibv_post_send(3)): a bit for each opcode, by the number of the type. */
const possible: number[] = []
possible[RC] = bits(...Object.values(opcodes))
possible[UC] = bits(
  opcodes.send,
  opcodes.sendWithImmediate,
  opcodes.write,
  opcodes.writeWithImmediate,
  opcodes.invalidate,
  opcodes.bind,
)
possible[UD] = bits(opcodes.send, opcodes.sendWithImmediate)

/** Operations that take bytes from this side. They can take the bytes while they are posted. */
const inlinable = bits(
  opcodes.send,
  opcodes.sendWithImmediate,
  opcodes.sendWithInvalidate,
  opcodes.write,
  opcodes.writeWithImmediate,
)
const knownFlags = Object.values(sendFlags).reduce((all, flag) => all | flag, 0)
/** The most bytes of a scatter entry that a device takes. */
export const longestEntry = 2 ** 31

const isAtomic = (opcode: number) => opcode === opcodes.compareAndSwap || opcode === opcodes.fetchAndAdd

/**
 * A send request as it was read out of the words of a batch. Each word is read once, since another thread may write
 * there. One object is filled again for each request.
 */
export class LoadedSend {
  idLow = 0
  idHigh = 0
  opcode = 0
  flags = 0
  immediate = 0
  rkey = 0
  low = 0
  high = 0
  compareLow = 0
  compareHigh = 0
  swapLow = 0
  swapHigh = 0
  path: Path | undefined
  /** Whether the address handle belongs to another domain. */
  isPathForeign = false
  remoteQueuePair = 0
  remoteKey = 0
  window: Window | undefined
  bindMemory: RegisteredMemory | undefined
  bindOffset = 0
  bindLength = 0
  bindAccess = 0
  bindKey = 0
  /** The memory on this side: bytes that are sent, or that are filled. */
  readonly local: Segments
  /** Faults that devices find only when they use a scatter entry: another domain, no 'localWrite', a closed region. */
  isForeign = false
  isReadOnly = false
  isGone = false

  constructor(copies: DeferredCopies) {
    this.local = new Segments(copies)
  }

  /**
   * Reads a request, and makes the checks that a driver makes when a request is posted.
   *
   * @param inline the bytes of an inline send that was posted earlier and has waited
   * @returns the reason why it is refused; undefined when it is taken
   */
  load(
    queuePair: QueuePairEndpoint,
    words: Uint32Array,
    at: number,
    stride: number,
    inline: Uint8Array | undefined,
  ): RefusalReason | undefined {
    this.idLow = words[at + sendWord.id] ?? 0
    this.idHigh = words[at + sendWord.id + 1] ?? 0
    this.opcode = words[at + sendWord.opcode] ?? 0
    this.flags = words[at + sendWord.flags] ?? 0
    this.immediate = words[at + sendWord.immediate] ?? 0
    this.rkey = words[at + sendWord.rkey] ?? 0
    this.low = words[at + sendWord.remoteAddress] ?? 0
    this.high = words[at + sendWord.remoteAddress + 1] ?? 0
    const { type, capacity } = queuePair.request
    if (this.opcode > opcodes.sendWithInvalidate) return 'operation'
    const operation = 1 << this.opcode
    if (((possible[type] ?? 0) & operation) === 0) return 'operation'
    if ((this.flags & ~knownFlags) !== 0) return 'flags'
    const isInline = (this.flags & sendFlags.inline) !== 0
    if (isInline && (inlinable & operation) === 0) return 'inlineOperation'
    const entries = words[at + sendWord.entries] ?? 0
    const most = Math.min(capacity.sendEntries, (stride - sendHeaderWords) / entryWords)
    if (entries > most) return 'entries'
    const refused = this.#gather(queuePair, words, at + sendHeaderWords, entries, inline)
    if (refused !== undefined) return refused
    if (isInline && this.local.total > capacity.inlineBytes) return 'inlineBytes'
    if (isAtomic(this.opcode)) return this.#loadAtomic(words, at)
    if (type === UD) return this.#loadDatagram(queuePair, words, at)
    return this.opcode === opcodes.bind ? this.#loadBind(queuePair, words, at) : undefined
  }

  #gather(
    { context, domain }: QueuePairEndpoint,
    words: Uint32Array,
    first: number,
    entries: number,
    inline: Uint8Array | undefined,
  ): RefusalReason | undefined {
    this.local.clear()
    this.isForeign = false
    this.isReadOnly = false
    this.isGone = false
    if (inline !== undefined) {
      this.local.add(inline, 0, inline.length)
      return undefined
    }
    const isInline = (this.flags & sendFlags.inline) !== 0
    for (let entry = 0, at = first; entry < entries; entry++, at += entryWords) {
      const memory = context.registrations.find(words[at + entryWord.registration] ?? 0)
      const length = words[at + entryWord.length] ?? 0
      const offset = (words[at + entryWord.offset] ?? 0) + (words[at + entryWord.offset + 1] ?? 0) * 2 ** 32
      if (memory === undefined || memory.isImplicit) return 'entryRegistration'
      if (!(offset + length <= memory.length && length <= longestEntry)) return 'entryRange'
      // The processor reads inline bytes itself, by their virtual address.
      if (isInline && memory.storage.kind !== 'region') return 'inlineMemory'
      if (length === 0) continue
      if (memory.domain !== domain) this.isForeign = true
      if ((memory.access & 1) === 0) this.isReadOnly = true
      if (!memory.addTo(this.local, offset, length)) this.isGone = true
    }
    return undefined
  }

  #loadAtomic(words: Uint32Array, at: number): RefusalReason | undefined {
    this.compareLow = words[at + sendWord.compareAdd] ?? 0
    this.compareHigh = words[at + sendWord.compareAdd + 1] ?? 0
    this.swapLow = words[at + sendWord.swap] ?? 0
    this.swapHigh = words[at + sendWord.swap + 1] ?? 0
    if (this.local.total < 8) return 'atomicBytes'
    return this.low % 8 === 0 ? undefined : 'misalignedAtomic'
  }

  #loadDatagram({ context, domain }: QueuePairEndpoint, words: Uint32Array, at: number): RefusalReason | undefined {
    this.path = context.paths.find(words[at + sendWord.addressHandle] ?? 0)
    this.remoteQueuePair = words[at + sendWord.remoteQueuePair] ?? 0
    this.remoteKey = words[at + sendWord.remoteKey] ?? 0
    this.isPathForeign = this.path?.domain !== domain
    return this.path === undefined ? 'addressHandle' : undefined
  }

  #loadBind({ context }: QueuePairEndpoint, words: Uint32Array, at: number): RefusalReason | undefined {
    this.window = context.windows.find(words[at + sendWord.window] ?? 0)
    if (this.window === undefined) return 'bindWindow'
    this.bindOffset = (words[at + sendWord.bindOffset] ?? 0) + (words[at + sendWord.bindOffset + 1] ?? 0) * 2 ** 32
    this.bindLength = (words[at + sendWord.bindLength] ?? 0) + (words[at + sendWord.bindLength + 1] ?? 0) * 2 ** 32
    // Providers read the registration also when a memory window is closed: the one to which the window was bound.
    const isClosing = this.window.type === 1 && this.bindLength === 0
    const registration = context.registrations.find(words[at + sendWord.bindRegistration] ?? 0)
    this.bindMemory = isClosing ? this.window.named : registration
    if (this.bindMemory === undefined || this.bindMemory.handle === 0) return 'bindRegistration'
    if (!isClosing && this.bindLength === 0) return 'bindBytes'
    const { storage, length } = this.bindMemory
    if (storage.kind === 'null' || !(this.bindOffset + this.bindLength <= length)) return 'bindRange'
    this.bindAccess = words[at + sendWord.bindAccess] ?? 0
    this.bindKey = words[at + sendWord.bindKey] ?? 0
    return undefined
  }
}
