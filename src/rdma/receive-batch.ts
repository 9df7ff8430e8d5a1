import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsObject } from '../options.js'
import { describe } from '../sizes.js'
import { whole } from './contract/number-options.js'
import { receiveHeaderWords, receiveStride, receiveWord } from './contract/work-layout.js'
import type { Device } from './device.js'
import { internalsOf } from './device-object.js'
import type { WorkMemory } from './registration-slice.js'
import { type ScatterTarget, writeEntries } from './scatter-entries.js'

const receiveRequest = later(() =>
  optionsObject({
    id: z.optional(whole(0, Number.MAX_SAFE_INTEGER)),
    memory: z.optional(
      z.custom<WorkMemory | readonly WorkMemory[]>((value) => value !== undefined, { error: 'expected memory' }),
    ),
  }),
)

/**
 * Receives one message: `struct ibv_recv_wr`. Without memory it can receive only a write with immediate, or an empty message.
 */
export interface ReceiveRequest {
  /** The id of the completion: a whole number, up to 2^53 - 1. 0 by default. */
  readonly id?: number | undefined
  /** Memory for the message, filled in this order. UD: 40 bytes more, for the global route header. */
  readonly memory?: WorkMemory | readonly WorkMemory[] | undefined
}

/** A queue that a batch of receives can be posted to. */
export interface ReceiveQueue {
  readonly device: Device
  requireReceiving(subject: string): void
  postReceives(words: Uint32Array, stride: number, count: number): void
}

/** A batch of receive requests: as {@link SendBatch}, for receives. */
export class ReceiveBatch {
  /** The most requests of one batch. */
  readonly capacity: number
  readonly #queue: ReceiveQueue
  readonly #words: Uint32Array
  readonly #stride: number
  readonly #entries: ScatterTarget
  #staged = 0

  /** Made by the queue pair or the shared receive queue: `receives`. */
  constructor(queue: ReceiveQueue, capacity: number, entries: number) {
    this.#queue = queue
    this.capacity = capacity
    this.#stride = receiveStride(entries)
    this.#words = new Uint32Array(capacity * this.#stride)
    this.#entries = {
      subject: 'receive',
      device: queue.device,
      internals: internalsOf(queue.device),
      words: this.#words,
      most: entries,
    }
  }

  /** The number of requests in the batch. */
  get staged(): number {
    return this.#staged
  }

  /** @throws PinfoldError `ERR_QUEUE_FULL`, `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`, `ERR_OBJECT_CLOSED`; the batch stays */
  receive(memory: WorkMemory | readonly WorkMemory[], id = 0): this {
    if (this.#staged === this.capacity) {
      throw new PinfoldError(`receive: the batch is full with ${this.capacity} requests`, {
        code: 'ERR_QUEUE_FULL',
        values: { capacity: this.capacity },
        hint: 'call post() or clear() first',
      })
    }
    if (!(Number.isSafeInteger(id) && id >= 0)) {
      throw new PinfoldError(`receive: id: expected a whole number, received ${describe(id)}`, {
        code: 'ERR_INVALID_ARGUMENT',
        values: { id },
      })
    }
    const words = this.#words
    const at = this.#staged * this.#stride
    words[at + receiveWord.id] = id
    words[at + receiveWord.id + 1] = id / 2 ** 32
    words[at + receiveWord.entries] = writeEntries(this.#entries, at + receiveHeaderWords, memory)
    this.#staged++
    return this
  }

  /** Any request, as an object. @throws PinfoldError as `receive` */
  add(request: ReceiveRequest): this {
    const { id = 0, memory = [] } = checked('receive', receiveRequest, request)
    return this.receive(memory, id)
  }

  /** @internal The id of the newest request. */
  id(): number {
    const at = (this.#staged - 1) * this.#stride + receiveWord.id
    return (this.#words[at] ?? 0) + (this.#words[at + 1] ?? 0) * 2 ** 32
  }

  /** @internal The high word and the low word of the id of the newest request. */
  setId(low: number, high: number): void {
    const at = (this.#staged - 1) * this.#stride + receiveWord.id
    this.#words[at] = low
    this.#words[at + 1] = high
  }

  /** Empties the batch without posting it. */
  clear(): void {
    this.#staged = 0
  }

  /**
   * Hands the batch to the device, in one call. The batch is empty afterwards, also when the device refused it.
   *
   * @returns the number of requests that were posted
   * @throws PinfoldError `ERR_QUEUE_PAIR_STATE`, `ERR_QUEUE_FULL`, `ERR_OBJECT_CLOSED`; errors of the device. The
   *   `values.posted` requests before the refused one are posted
   */
  post(): number {
    const staged = this.#staged
    this.clear()
    if (staged === 0) return 0
    this.#queue.requireReceiving('post')
    this.#queue.postReceives(this.#words, this.#stride, staged)
    return staged
  }
}

/** @deprecated Use {@link ReceiveBatch}, of which this is the former name. */
export type ReceiveRing = ReceiveBatch
