import type { Handle } from '../contract/device-calls.js'
import { completionWord, completionWords } from '../contract/work-layout.js'
import type { LoopbackContext } from './context.js'

/** The first chunk of a queue has room for so many completions; each further one for `chunkSlots`. */
const firstSlots = 64
const chunkSlots = 4096

/**
 * The completions of a completion queue. The storage is a list of chunks, which grows up to the size of the queue, so
 * that no completion waits until others were copied. An overrun is final.
 */
export class CompletionStore {
  handle: Handle = 0
  readonly context: LoopbackContext
  readonly channel: Handle
  readonly #hasTimestamps: boolean
  #size: number
  /** The oldest completions lie in the first chunk, the newest in the last. */
  readonly #chunks: Uint32Array[]
  /** The last chunk. */
  #words: Uint32Array
  /** The place of the oldest completion in the first chunk, in words. */
  #head = 0
  /** The place of the next completion in the last chunk, in words. */
  #tail = 0
  /** A chunk that is not used now. A queue that is filled and emptied allocates none. */
  #spare: Uint32Array | undefined
  #count = 0
  #armed: 'no' | 'solicited' | 'any' = 'no'
  #overran = false
  /** The number of queue pairs that complete here. */
  uses = 0

  constructor(context: LoopbackContext, size: number, channel: Handle, hasTimestamps: boolean) {
    this.context = context
    this.#size = size
    this.channel = channel
    this.#hasTimestamps = hasTimestamps
    this.#words = new Uint32Array(firstSlots * completionWords)
    this.#chunks = [this.#words]
  }

  get overran(): boolean {
    return this.#overran
  }

  get count(): number {
    return this.#count
  }

  resize(size: number): boolean {
    if (size < this.#count) return false
    this.#size = size
    return true
  }

  /** As ibv_req_notify_cq(3): the next completion makes an event. Completions that are already there make none. */
  arm(solicitedOnly: boolean): void {
    if (this.#armed === 'any') return
    this.#armed = solicitedOnly ? 'solicited' : 'any'
  }

  /** @returns false when there is no room: the queue has overrun */
  push(
    idLow: number,
    idHigh: number,
    status: number,
    vendorError: number,
    opcode: number,
    bytes: number,
    queuePair: number,
    source: number,
    flags: number,
    immediate: number,
    isSolicited: boolean,
  ): boolean {
    if (this.#count === this.#size) {
      if (!this.#overran) this.context.overran(this)
      this.#overran = true
      return false
    }
    if (this.#tail === this.#words.length) this.#grow()
    const at = this.#tail
    const words = this.#words
    words[at + completionWord.id] = idLow
    words[at + completionWord.id + 1] = idHigh
    words[at + completionWord.status] = status
    words[at + completionWord.opcode] = opcode
    words[at + completionWord.vendorError] = vendorError
    words[at + completionWord.bytes] = bytes
    words[at + completionWord.queuePair] = queuePair
    words[at + completionWord.sourceQueuePair] = source
    words[at + completionWord.flags] = flags
    words[at + completionWord.immediate] = immediate
    if (this.#hasTimestamps) this.#stamp(at)
    this.#tail = at + completionWords
    this.#count += 1
    if (this.#armed === 'any' || (this.#armed === 'solicited' && (isSolicited || status !== 0))) {
      this.#armed = 'no'
      this.context.notify(this)
    }
    return true
  }

  poll(into: Uint32Array, most: number): number {
    const taken = Math.min(most, this.#count, Math.floor(into.length / completionWords))
    const end = taken * completionWords
    for (let at = 0; at < end; ) {
      const [chunk = this.#words] = this.#chunks
      const last = chunk === this.#words ? this.#tail : chunk.length
      const words = Math.min(end - at, last - this.#head)
      into.set(chunk.subarray(this.#head, this.#head + words), at)
      at += words
      this.#head += words
      if (this.#head === last) this.#leave(chunk)
    }
    this.#count -= taken
    return taken
  }

  /** Drops the first chunk, which is read. The only one starts anew: a program that keeps up touches few cache lines. */
  #leave(chunk: Uint32Array): void {
    this.#head = 0
    if (chunk === this.#words) {
      this.#tail = 0
    } else {
      this.#chunks.shift()
      if (chunk.length > firstSlots * completionWords) this.#spare = chunk
    }
  }

  #stamp(at: number): void {
    const time = process.hrtime.bigint()
    this.#words[at + completionWord.timestamp] = Number(time & 0xffff_ffffn)
    this.#words[at + completionWord.timestamp + 1] = Number((time >> 32n) & 0xffff_ffffn)
  }

  #grow(): void {
    this.#words = this.#spare ?? new Uint32Array(chunkSlots * completionWords)
    this.#spare = undefined
    this.#chunks.push(this.#words)
    this.#tail = 0
  }
}
