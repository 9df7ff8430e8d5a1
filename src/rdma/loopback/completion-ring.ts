import type { Handle } from '../device-calls.js'
import { completionWord, completionWords } from '../work-layout.js'
import type { LoopbackContext } from './context.js'

/** What a completion says beside its status. */
export interface Outcome {
  readonly opcode: number
  readonly bytes?: number
  readonly queuePair: number
  readonly source?: number
  readonly flags?: number
  readonly immediate?: number
  readonly solicited?: boolean
}

/** A completion queue: a ring that grows up to its size, and is dead once it overran. */
export class CompletionRing {
  handle: Handle = 0
  readonly context: LoopbackContext
  readonly channel: Handle
  readonly #hasTimestamps: boolean
  #size: number
  #words: Uint32Array
  #head = 0
  #count = 0
  #armed: 'no' | 'solicited' | 'any' = 'no'
  #overran = false
  /** Queue pairs that complete here. */
  uses = 0

  constructor(context: LoopbackContext, size: number, channel: Handle, hasTimestamps: boolean) {
    this.context = context
    this.#size = size
    this.channel = channel
    this.#hasTimestamps = hasTimestamps
    this.#words = new Uint32Array(Math.min(size, 64) * completionWords)
  }

  get overran(): boolean {
    return this.#overran
  }

  get count(): number {
    return this.#count
  }

  get #slots(): number {
    return this.#words.length / completionWords
  }

  resize(size: number): boolean {
    if (size < this.#count) return false
    if (this.#slots > size) this.#move(size)
    this.#size = size
    return true
  }

  /** As ibv_req_notify_cq(3): the next completion makes an event. What is there already does not. */
  arm(solicitedOnly: boolean): void {
    if (this.#armed === 'any') return
    this.#armed = solicitedOnly ? 'solicited' : 'any'
  }

  /** @returns false when there was no room: the queue has overrun */
  push(idLow: number, idHigh: number, status: number, vendorError: number, outcome: Outcome): boolean {
    if (this.#count === this.#size) {
      if (!this.#overran) this.context.overran(this)
      this.#overran = true
      return false
    }
    if (this.#count === this.#slots) this.#move(Math.min(this.#size, this.#slots * 2))
    const at = ((this.#head + this.#count) % this.#slots) * completionWords
    const words = this.#words
    words[at + completionWord.id] = idLow
    words[at + completionWord.id + 1] = idHigh
    words[at + completionWord.status] = status
    words[at + completionWord.opcode] = outcome.opcode
    words[at + completionWord.vendorError] = vendorError
    words[at + completionWord.bytes] = outcome.bytes ?? 0
    words[at + completionWord.queuePair] = outcome.queuePair
    words[at + completionWord.sourceQueuePair] = outcome.source ?? 0
    words[at + completionWord.flags] = outcome.flags ?? 0
    words[at + completionWord.immediate] = outcome.immediate ?? 0
    if (this.#hasTimestamps) this.#stamp(at)
    this.#count += 1
    if (this.#armed === 'any' || (this.#armed === 'solicited' && (outcome.solicited === true || status !== 0))) {
      this.#armed = 'no'
      this.context.notify(this)
    }
    return true
  }

  poll(into: Uint32Array, most: number): number {
    const taken = Math.min(most, this.#count, Math.floor(into.length / completionWords))
    for (let index = 0; index < taken; index++) {
      const at = this.#head * completionWords
      const to = index * completionWords
      for (let word = 0; word < completionWords; word++) into[to + word] = this.#words[at + word] ?? 0
      this.#head = (this.#head + 1) % this.#slots
    }
    this.#count -= taken
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
    this.#head = 0
  }
}
