import { checked } from '../options.js'
import { type CompletionStatus, completionStatuses } from './contract/completion-status.js'
import { whole } from './contract/number-options.js'
import { type CompletionOperation, completionFlags, completionOpcodes } from './contract/operations.js'
import { completionWord, completionWords } from './contract/work-layout.js'

/** The completion of a work request: `struct ibv_wc`. */
export interface Completion {
  /** The id of the request. */
  readonly id: number
  readonly status: CompletionStatus
  /** Whether the status is SUCCESS. */
  readonly ok: boolean
  /** The operation; undefined after a failure, since devices do not tell it then. */
  readonly operation: CompletionOperation | undefined
  /** Bytes that were received, read or swapped; 0 for other operations, and after a failure. */
  readonly bytes: number
  /** The vendor's number for a failure: `explainVendorError` tells its meaning. 0 when there is none. */
  readonly vendorError: number
  /** Number of the queue pair of the request (qp_num). */
  readonly queuePair: number
  /** Immediate data of the message that was received; undefined when it had none. */
  readonly immediate: number | undefined
  /** The key that the peer has invalidated; undefined when it has invalidated none. */
  readonly invalidated: number | undefined
  /** Number of the queue pair that sent a datagram; 0 for connections. */
  readonly sourceQueuePair: number
  /** Of a datagram: the LID of its sender, the service level, and the low bits of our LID; 0 with RoCE. */
  readonly sourceLid: number
  readonly serviceLevel: number
  readonly pathBits: number
  /** Whether a 40-byte global route header stands before a datagram; false for connections. */
  readonly hasHeader: boolean
  /** Device time, if the queue was created with timestamps. */
  readonly timestamp: bigint | undefined
}

/**
 * Room for completions, allocated once: `queue.pollInto(completions)` fills it from the start. Its methods take an index below
 * `count`. Above `count` they give the data of earlier polls.
 */
export class Completions {
  /** The most completions of one poll. */
  readonly capacity: number
  /** The number of completions of the last poll. */
  count = 0
  /** @internal */
  readonly words: Uint32Array

  /** @throws PinfoldError `ERR_INVALID_ARGUMENT` */
  constructor(capacity: number) {
    this.capacity = checked('Completions: capacity', whole(1, 2 ** 16), capacity)
    this.words = new Uint32Array(capacity * completionWords)
  }

  /** @internal Whether a value came out of the constructor. An object of Object.create() has no room, and a Proxy neither. */
  static isMade(value: unknown): value is Completions {
    return typeof value === 'object' && value !== null && #word in value
  }

  id(index: number): number {
    const at = index * completionWords + completionWord.id
    return (this.words[at] ?? 0) + (this.words[at + 1] ?? 0) * 2 ** 32
  }

  /** As a number of `enum ibv_wc_status`: 0 is success. */
  statusCode(index: number): number {
    return this.#word(index, completionWord.status)
  }

  status(index: number): CompletionStatus {
    return completionStatuses.nameOf(this.statusCode(index))
  }

  bytes(index: number): number {
    return this.#word(index, completionWord.bytes)
  }

  queuePair(index: number): number {
    return this.#word(index, completionWord.queuePair)
  }

  /** In host order. It has no meaning when the message had no immediate data. */
  immediate(index: number): number {
    return this.#word(index, completionWord.immediate)
  }

  /** @internal The key that the peer has invalidated; undefined when it has invalidated none, and after a failure. */
  invalidated(index: number): number | undefined {
    const isSo =
      this.statusCode(index) === 0 && (this.#word(index, completionWord.flags) & completionFlags.invalidated) !== 0
    return isSo ? this.immediate(index) : undefined
  }

  /** The completion as an object. */
  at(index: number): Completion {
    const statusCode = this.statusCode(index)
    const ok = statusCode === 0
    const flags = ok ? this.#word(index, completionWord.flags) : 0
    const immediate = this.immediate(index)
    const time = index * completionWords + completionWord.timestamp
    const [low = 0, high = 0] = [this.words[time], this.words[time + 1]]
    return {
      id: this.id(index),
      status: completionStatuses.nameOf(statusCode),
      ok,
      operation: ok ? completionOpcodes.nameOf(this.#word(index, completionWord.opcode)) : undefined,
      bytes: ok ? this.bytes(index) : 0,
      vendorError: this.#word(index, completionWord.vendorError),
      queuePair: this.queuePair(index),
      immediate: (flags & completionFlags.immediate) === 0 ? undefined : immediate,
      invalidated: this.invalidated(index),
      sourceQueuePair: ok ? this.#word(index, completionWord.sourceQueuePair) : 0,
      sourceLid: ok ? this.#word(index, completionWord.sourceLid) : 0,
      serviceLevel: ok ? this.#word(index, completionWord.serviceLevel) : 0,
      pathBits: ok ? this.#word(index, completionWord.destinationPathBits) : 0,
      hasHeader: (flags & completionFlags.header) !== 0,
      timestamp: low === 0 && high === 0 ? undefined : BigInt(low) | (BigInt(high) << 32n),
    }
  }

  #word(index: number, word: number): number {
    return this.words[index * completionWords + word] ?? 0
  }
}
