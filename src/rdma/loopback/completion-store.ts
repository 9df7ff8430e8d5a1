import type { Handle } from '../contract/device-calls.js'
import { completionWord, completionWords } from '../contract/work-layout.js'
import type { LoopbackContext } from './context.js'

/** The completions of a completion queue. The storage grows up to the size of the queue. An overrun is final. */
export class CompletionStore {
  handle: Handle = 0
  readonly context: LoopbackContext
  readonly channel: Handle
  readonly #hasTimestamps: boolean
  #size: number
  /** Completions that the storage has room for now. */
  #slots: number
  #words: Uint32Array
  #head = 0
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
    this.#slots = Math.min(size, 64)
    this.#words = new Uint32Array(this.#slots * completionWords)
  }

  get overran(): boolean {
    return this.#overran
  }

  get count(): number {
    return this.#count
  }

  resize(size: number): boolean {
    if (size < this.#count) return false
    if (this.#slots > size) this.#move(size)
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
    if (this.#count === this.#slots) this.#move(Math.min(this.#size, this.#slots * 2))
    const end = this.#head + this.#count
    const at = (end < this.#slots ? end : end - this.#slots) * completionWords
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
    this.#count += 1
    if (this.#armed === 'any' || (this.#armed === 'solicited' && (isSolicited || status !== 0))) {
      this.#armed = 'no'
      this.context.notify(this)
    }
    return true
  }

  poll(into: Uint32Array, most: number): number {
    const taken = Math.min(most, this.#count, Math.floor(into.length / completionWords))
    // The completions lie in one piece, or in two pieces if they go over the end of the storage.
    const first = Math.min(taken, this.#slots - this.#head)
    const at = this.#head * completionWords
    into.set(this.#words.subarray(at, at + first * completionWords))
    if (first < taken) into.set(this.#words.subarray(0, (taken - first) * completionWords), first * completionWords)
    this.#count -= taken
    // An empty queue starts at the first slot again, so that a program that keeps up touches few cache lines.
    this.#head = this.#count === 0 ? 0 : (this.#head + taken) % this.#slots
    return taken
  }

  #stamp(at: number): void {
    const time = process.hrtime.bigint()
    this.#words[at + completionWord.timestamp] = Number(time & 0xffff_ffffn)
    this.#words[at + completionWord.timestamp + 1] = Number((time >> 32n) & 0xffff_ffffn)
  }

  #move(slots: number): void {
    const moved = new Uint32Array(slots * completionWords)
    for (let index = 0; index < this.#count; index++) {
      const at = ((this.#head + index) % this.#slots) * completionWords
      moved.set(this.#words.subarray(at, at + completionWords), index * completionWords)
    }
    this.#words = moved
    this.#slots = slots
    this.#head = 0
  }
}
