import * as z from 'zod/mini'
import { randomInt } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsObject, optionsOf } from '../options.js'
import type { Completion } from './completion.js'
import type { CompletionQueue } from './completion-queue.js'
import {
  activate,
  type ConnectOptions,
  connect,
  type DescribeOptions,
  describeQueuePair,
  type InitializeOptions,
  initialize,
  type QueuePairDescription,
} from './connection.js'
import type { CreatedQueuePair, QueuePairCapacity, QueuePairChange } from './contract/device-calls.js'
import { gidOption } from './contract/gids.js'
import { count, positiveCount, whole, word16, word24, word32 } from './contract/number-options.js'
import { type QueuePairState, type QueuePairType, queuePairStates, queuePairTypes } from './contract/states.js'
import type { Device } from './device.js'
import { callsOf, DeviceObject, handleOf, internalsOf, requireSameDevice } from './device-object.js'
import type { MemoryWindow } from './memory-window.js'
import { deviceObject } from './object-checks.js'
import type { ProtectionDomain } from './protection-domain.js'
import {
  type QueuePairAttributes,
  type QueuePairInformation,
  queuePairChange,
  queuePairInformation,
} from './queue-pair-attributes.js'
import { ReceiveBatch, type ReceiveRequest } from './receive-batch.js'
import { requestDropped, requestLost } from './request-failure.js'
import { listOf } from './request-list.js'
import { SendBatch, type SendBatchOptions } from './send-batch.js'
import type { SendRequest } from './send-request.js'
import type { SharedReceiveQueue } from './shared-receive-queue.js'
import { type RequestOptions, tracked } from './tracked-request.js'

const completionQueue = deviceObject('completion queue')
const queuePairOptions = later(() =>
  optionsOf<QueuePairOptions>()({
    type: z.optional(z.enum(queuePairTypes.all, { error: `expected one of ${queuePairTypes.all.join(', ')}` })),
    sendQueue: completionQueue,
    receiveQueue: z.optional(completionQueue),
    sharedReceiveQueue: z.optional(deviceObject('shared receive queue')),
    sendRequests: z.optional(positiveCount),
    receiveRequests: z.optional(count),
    sendEntries: z.optional(positiveCount),
    receiveEntries: z.optional(positiveCount),
    inlineBytes: z.optional(count),
    signalAll: z.optional(z.boolean()),
    psn: z.optional(word24),
    queueKey: z.optional(word32),
  }),
)

/** A queue pair's options. The device may grant more requests, entries and bytes than these: see `capacity`. */
export interface QueuePairOptions {
  /** 'RC' (reliable connection), 'UC' (unreliable connection) or 'UD' (datagrams). Default: 'RC'. */
  readonly type?: QueuePairType | undefined
  /** The completion queue of sends. */
  readonly sendQueue: CompletionQueue
  /** The completion queue of receives. Default: `sendQueue`. */
  readonly receiveQueue?: CompletionQueue | undefined
  /** The queue pair takes receives from there, and has none of its own. Default: receives of its own. */
  readonly sharedReceiveQueue?: SharedReceiveQueue | undefined
  /** Send requests that may be outstanding. Default: 64. */
  readonly sendRequests?: number | undefined
  /** Receives that may be outstanding. Default: 64. */
  readonly receiveRequests?: number | undefined
  /** Scatter entries of a send request. Default: 4. */
  readonly sendEntries?: number | undefined
  /** Scatter entries of a receive. Default: 4. */
  readonly receiveEntries?: number | undefined
  /** Bytes that a request with `inline` may have. Default: 0. */
  readonly inlineBytes?: number | undefined
  /** Whether every send makes a completion, also an unsignaled one. Default: false. */
  readonly signalAll?: boolean | undefined
  /** The first packet sequence number, 24 bits. Default: random. */
  readonly psn?: number | undefined
  /** UD: the key of datagrams to it, 32 bits. Default: random. */
  readonly queueKey?: number | undefined
}

const idle = new Set<string>(['RESET', 'INIT', 'RTR'])
const groupArguments = later(() => optionsObject({ gid: gidOption, lid: z.optional(word16) }))

const defaultStall = 30_000
const batchOptions = later(() =>
  optionsOf<SendBatchOptions>()({ capacity: z.optional(batchCapacity), coalesce: z.optional(z.boolean()) }),
)
const batchCapacity = later(() => whole(1, 2 ** 16))

/** A send queue and a receive queue (ibv_qp). Requests are posted to it. */
export class QueuePair extends DeviceObject {
  readonly domain: ProtectionDomain
  readonly type: QueuePairType
  readonly sendQueue: CompletionQueue
  readonly receiveQueue: CompletionQueue
  readonly sharedReceiveQueue: SharedReceiveQueue | undefined
  /** Its number at the device (qp_num), in completions and for peers. */
  readonly queuePairNumber: number
  /** Its capacity. The device may grant more than was requested. */
  readonly capacity: QueuePairCapacity
  /** Its first packet sequence number. */
  readonly psn: number
  /** UD: the key of datagrams to it; 0 otherwise. */
  readonly queueKey: number
  /** @internal The windows of type 2 that were last bound by it. */
  readonly windows = new Set<MemoryWindow>()
  #state: QueuePairState = 'RESET'
  /** The groups that it is attached to. */
  readonly #groups = new Map<string, { readonly gid: string; readonly lid: number }>()
  #sends: SendBatch | undefined
  #receives: ReceiveBatch | undefined
  /** The batch of `post`, kept from call to call. */
  #spare: SendBatch | undefined

  /** Made by `domain.createQueuePair()`. */
  constructor(
    domain: ProtectionDomain,
    { type = 'RC', sendQueue, receiveQueue = sendQueue, sharedReceiveQueue, psn, queueKey }: QueuePairOptions,
    { handle, number, capacity }: CreatedQueuePair,
  ) {
    super('queue pair', handle, [
      domain,
      sendQueue,
      receiveQueue,
      ...(sharedReceiveQueue === undefined ? [] : [sharedReceiveQueue]),
    ])
    this.domain = domain
    this.type = type
    this.sendQueue = sendQueue
    this.receiveQueue = receiveQueue
    this.sharedReceiveQueue = sharedReceiveQueue
    this.queuePairNumber = number
    this.capacity = capacity
    this.psn = psn ?? randomInt(0, 2 ** 24)
    // The high bit marks keys that only the kernel may send with (IBTA 10.2.5).
    this.queueKey = type === 'UD' ? (queueKey ?? randomInt(1, 2 ** 31)) : 0
    internalsOf(this).queuePairs.set(handle, this)
  }

  get device(): Device {
    return this.domain.device
  }

  /**
   * The last state that this program has brought it to, or that `query()` has found. The device itself moves it to ERR or SQE
   * when a request fails.
   */
  get state(): QueuePairState {
    return this.#state
  }

  /** Queries the device. @throws PinfoldError `ERR_OBJECT_CLOSED`; errors of the device */
  query(): QueuePairInformation {
    this.requireOpen('query')
    const status = callsOf(this).queryQueuePair(handleOf(this))
    this.#state = stateOf(status.state)
    return queuePairInformation(status)
  }

  /**
   * Changes attributes or state: ibv_modify_qp(3).
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`; `ERR_DEVICE_REFUSED` (EINVAL) for a change that its
   *   state does not allow, or that lacks an attribute; nothing is changed then
   */
  modify(attributes: QueuePairAttributes): void {
    const change = queuePairChange(this.device, attributes)
    this.change(change)
  }

  /** @internal As `modify`, with attributes as the device takes them. */
  change(change: QueuePairChange): void {
    this.requireOpen('modify')
    const resets = change.state === queuePairStates.byName.RESET
    if (resets) this.#settle()
    callsOf(this).modifyQueuePair(handleOf(this), change)
    if (change.state !== undefined) this.#state = stateOf(change.state)
    if (resets) this.#lose(requestDropped('request', this.label))
  }

  /**
   * RESET → INIT: receives may be posted from now on. In INIT it changes only the given values.
   *
   * @throws PinfoldError as `modify`; `ERR_INVALID_ARGUMENT` for `access` of a queue pair for datagrams
   */
  initialize(options: InitializeOptions = {}): void {
    this.requireOpen('initialize')
    initialize(this, options)
  }

  /** The description with which a peer connects to it. @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT` */
  describe(options: DescribeOptions = {}): QueuePairDescription {
    this.requireOpen('describe')
    return describeQueuePair(this, options)
  }

  /**
   * Connects it: RESET or INIT → RTR → RTS. The peer does the same with our description.
   *
   * @param remote the result of the peer's `describe()`, or data of another program (QueuePairDescription says what may be
   *   left out). It comes from outside, so it is checked
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`: nothing is changed then. Errors of the device: a
   *   queue pair that was in RESET or INIT is in RESET then, and receives that were posted are gone
   */
  connect(remote: unknown, options: ConnectOptions = {}): void {
    this.requireOpen('connect')
    connect(this, remote, options)
  }

  /** Brings a queue pair for datagrams to RTS; it needs no peer. @throws PinfoldError as `connect` */
  activate(options: InitializeOptions = {}): void {
    this.requireOpen('activate')
    activate(this, options)
  }

  /** A batch of send requests: for many requests, without an object for each. Its `post()` posts them. */
  get sends(): SendBatch {
    this.#sends ??= new SendBatch(this)
    return this.#sends
  }

  /** As `sends`, for receives. */
  get receives(): ReceiveBatch {
    this.#receives ??= new ReceiveBatch(this, this.capacity.receiveRequests, this.capacity.receiveEntries)
    return this.#receives
  }

  /**
   * Posts requests, in order, as one batch.
   *
   * @returns the number of requests that were posted
   * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` (too many entries), `ERR_OBJECT_CLOSED`,
   *   `ERR_DOMAIN_MISMATCH`, `ERR_QUEUE_PAIR_STATE` before RTS: nothing is posted then. `ERR_QUEUE_FULL`, and errors of the
   *   device: the requests before, `values.posted`, are posted
   */
  post(requests: SendRequest | readonly SendRequest[]): number {
    const list = listOf('post', requests)
    return this.#withBatch(list.length, (batch) => {
      for (const request of list) batch.addAs('post', request)
      return batch.post()
    })
  }

  /**
   * Posts one request, and resolves with its completion, whose `id` is that of the request. Many may be outstanding. The
   * library takes the completions of such requests from the completion queue, so `poll` and `wait` never return them.
   *
   * @param options `stallAfter`: 30,000 ms by default. `signal`: an abort ends the wait; the request itself stays outstanding,
   *   and the device may use its memory until the queue pair is closed or moved to ERR
   * @throws the signal's reason when it is aborted; PinfoldError as `post`; `ERR_REQUEST_FAILED` with the status;
   *   `ERR_REQUEST_STALLED`; `ERR_OBJECT_CLOSED` if the queue pair is closed meanwhile
   */
  request(request: SendRequest, options?: RequestOptions): Promise<Completion> {
    return tracked('request', this, options, defaultStall, (start) => {
      this.#withBatch(1, (batch) => {
        batch.addAs('request', request)
        batch.postTracked(start(batch.ids()[0] ?? 0))
      })
    })
  }

  /**
   * Posts one receive, and resolves with its completion: as `request`, for a message of the peer. Not for a queue pair with a
   * shared receive queue, where any queue pair may get the message.
   *
   * @param options `stallAfter`: 'never' by default, since nobody knows when a peer sends
   * @throws as `request`; PinfoldError as `postReceive`
   */
  receive(request: ReceiveRequest = {}, options?: RequestOptions): Promise<Completion> {
    return tracked('receive', this, options, 'never', (start) => {
      const batch = new ReceiveBatch(this, 1, this.capacity.receiveEntries)
      batch.add(request)
      const { watch } = this.receiveQueue
      const tracker = start(batch.id())
      const high = watch.add(tracker, false)
      batch.setId(0, high)
      try {
        batch.post()
      } catch (error) {
        watch.remove(high)
        throw error
      }
      watch.start(tracker)
    })
  }

  /**
   * A batch of its own, beside `sends`: for a program that fills several at a time.
   *
   * @param options `capacity`: requests, from 1 on; by default as many as may be outstanding. `coalesce`: joins a write or read
   *   with the one before it, if that is unsignaled and their memory is adjacent at both ends
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`
   */
  createBatch(options: SendBatchOptions = {}): SendBatch {
    const { capacity, coalesce } = checked('createBatch', batchOptions, options)
    this.requireOpen('createBatch')
    return new SendBatch(this, { capacity, coalesce })
  }

  /** Posts receives, in order, as one batch. @throws PinfoldError as `post`; `ERR_QUEUE_PAIR_STATE` in RESET */
  postReceive(requests: ReceiveRequest | readonly ReceiveRequest[]): number {
    const list = listOf('postReceive', requests)
    const batch = new ReceiveBatch(this, list.length, this.capacity.receiveEntries)
    for (const request of list) batch.add(request)
    return batch.post()
  }

  /** UD: receives datagrams to the group, too: ibv_attach_mcast(3). @throws PinfoldError; errors of the device */
  attachMulticast(group: { readonly gid: string; readonly lid?: number | undefined }): void {
    const { gid, lid = 0 } = checked('attachMulticast', groupArguments, group)
    this.requireOpen('attachMulticast')
    callsOf(this).attachMulticast(handleOf(this), gid, lid)
    this.#groups.set(`${gid} ${lid}`, { gid, lid })
  }

  /** @throws PinfoldError as `attachMulticast` */
  detachMulticast(group: { readonly gid: string; readonly lid?: number | undefined }): void {
    const { gid, lid = 0 } = checked('detachMulticast', groupArguments, group)
    this.requireOpen('detachMulticast')
    callsOf(this).detachMulticast(handleOf(this), gid, lid)
    this.#groups.delete(`${gid} ${lid}`)
  }

  /** The batch is out of reach while it is filled: a getter of a request may post, too. */
  #withBatch<Result>(requests: number, use: (batch: SendBatch) => Result): Result {
    const spare = this.#spare
    this.#spare = undefined
    const batch =
      spare !== undefined && requests <= spare.capacity ? spare : new SendBatch(this, { capacity: requests })
    try {
      return use(batch)
    } finally {
      batch.clear()
      this.#spare = spare ?? batch
    }
  }

  /** @internal @throws PinfoldError `ERR_QUEUE_PAIR_STATE` */
  requireSending(subject: string): void {
    this.requireOpen(subject)
    if (this.#state !== 'RTS' && idle.has(this.#state)) throw this.#wrongState(subject, 'RTS, ready to send')
  }

  /** @internal @throws PinfoldError `ERR_QUEUE_PAIR_STATE` */
  requireReceiving(subject: string): void {
    this.requireOpen(subject)
    if (this.#state === 'RESET') throw this.#wrongState(subject, 'INIT or later')
    if (this.sharedReceiveQueue === undefined) return
    throw new PinfoldError(`${subject}: ${this.label} receives from ${this.sharedReceiveQueue.label}: post there`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { object: this.label, sharedReceiveQueue: this.sharedReceiveQueue.label },
    })
  }

  /** @internal */
  postReceives(words: Uint32Array, stride: number, posted: number): void {
    callsOf(this).postReceive(handleOf(this), words, stride, posted)
  }

  protected override get boundObjects(): ReadonlySet<MemoryWindow> {
    return this.windows
  }

  protected override destroy(): void {
    this.#settle()
    // A queue pair that is attached to a group is busy (ibv_destroy_qp(3)).
    const detached: { readonly gid: string; readonly lid: number }[] = []
    try {
      for (const group of [...this.#groups.values()]) if (this.#leave(group)) detached.push(group)
      callsOf(this).destroyQueuePair(handleOf(this))
    } catch (error) {
      this.#rejoin(detached)
      throw error
    }
    internalsOf(this).queuePairs.delete(handleOf(this))
    this.#lose(requestLost('request', this.label))
  }

  #settle(): void {
    for (const queue of new Set([this.sendQueue, this.receiveQueue])) queue.settle()
  }

  #lose(reason: unknown): void {
    for (const queue of new Set([this.sendQueue, this.receiveQueue])) queue.lose(reason, this)
  }

  /** @returns false when the device is gone, and the group with it */
  #leave(group: { readonly gid: string; readonly lid: number }): boolean {
    try {
      this.detachMulticast(group)
      return true
    } catch (error) {
      if (error instanceof PinfoldError && error.code === 'ERR_DEVICE_REMOVED') return false
      throw error
    }
  }

  /** The queue pair stays open, and receives the datagrams of its groups again. */
  #rejoin(groups: readonly { readonly gid: string; readonly lid: number }[]): void {
    for (const group of groups) {
      try {
        this.attachMulticast(group)
      } catch {
        return // the device refuses this, too; the caller gets the first error
      }
    }
  }

  #wrongState(subject: string, needed: string): PinfoldError {
    return new PinfoldError(`${subject}: ${this.label} is in ${this.#state}, and must be in ${needed}`, {
      code: 'ERR_QUEUE_PAIR_STATE',
      values: { object: this.label, state: this.#state },
      hint: this.type === 'UD' ? 'activate()' : 'connect()',
    })
  }
}

function stateOf(number: number): QueuePairState {
  return queuePairStates.all.find((known) => queuePairStates.byName[known] === number) ?? 'UNKNOWN'
}

/** @internal */
export function createQueuePair(domain: ProtectionDomain, options: QueuePairOptions): QueuePair {
  const given = checked('createQueuePair', queuePairOptions, options)
  const { type = 'RC', sendQueue, receiveQueue = sendQueue, sharedReceiveQueue } = given
  const { sendRequests = 64, receiveRequests = 64 } = given
  domain.requireOpen('createQueuePair')
  const others = sharedReceiveQueue === undefined ? [] : [sharedReceiveQueue]
  requireSameDevice('createQueuePair', domain.device, [sendQueue, receiveQueue, ...others])
  const created = callsOf(domain).createQueuePair({
    type: queuePairTypes.byName[type],
    domain: handleOf(domain),
    sendQueue: handleOf(sendQueue),
    receiveQueue: handleOf(receiveQueue),
    sharedReceiveQueue: sharedReceiveQueue === undefined ? 0 : handleOf(sharedReceiveQueue),
    capacity: {
      sendRequests,
      receiveRequests: sharedReceiveQueue === undefined ? receiveRequests : 0,
      sendEntries: given.sendEntries ?? 4,
      receiveEntries: given.receiveEntries ?? 4,
      inlineBytes: given.inlineBytes ?? 0,
    },
    signalAll: given.signalAll ?? false,
  })
  const queuePair = new QueuePair(domain, given, created)
  const expect = (more: 1 | -1) => {
    sendQueue.expected.add(more * sendRequests)
    if (sharedReceiveQueue === undefined) receiveQueue.expected.add(more * receiveRequests)
    else receiveQueue.expected.addShared(sharedReceiveQueue, more)
  }
  expect(1)
  queuePair.onClose(() => expect(-1))
  for (const queue of new Set([sendQueue, receiveQueue])) queue.warnIfTooSmall('createQueuePair')
  return queuePair
}
