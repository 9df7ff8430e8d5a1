import * as z from 'zod/mini'
import { checked, later, optionsObject, optionsOf } from '../options.js'
import type { Handle, SharedReceiveCapacity } from './contract/device-calls.js'
import { count, positiveCount } from './contract/number-options.js'
import type { Device } from './device.js'
import { callsOf, DeviceObject, handleOf, internalsOf } from './device-object.js'
import type { ProtectionDomain } from './protection-domain.js'
import { ReceiveBatch, type ReceiveRequest } from './receive-batch.js'
import { listOf } from './request-list.js'

const sharedOptions = later(() =>
  optionsOf<SharedReceiveQueueOptions>()({
    requests: z.optional(positiveCount),
    entries: z.optional(positiveCount),
    limit: z.optional(count),
  }),
)
const modifyOptions = later(() => optionsObject({ requests: z.optional(positiveCount), limit: z.optional(count) }))

/** A shared receive queue's options. */
export interface SharedReceiveQueueOptions {
  /** Receives that may be outstanding. Default: 64. */
  readonly requests?: number | undefined
  /** Scatter entries of a receive. Default: 4. */
  readonly entries?: number | undefined
  /**
   * When fewer receives than this are posted, the device reports SRQ_LIMIT_REACHED, once. `modify` sets it, too: a device
   * may ignore it when the queue is created (ibv_create_srq(3)). Default: 0, which never reports.
   */
  readonly limit?: number | undefined
}

/** A queue of receives for several queue pairs (ibv_srq). */
export class SharedReceiveQueue extends DeviceObject {
  readonly domain: ProtectionDomain
  #requests: number
  #capacity: SharedReceiveCapacity
  #receives: ReceiveBatch | undefined

  /** Made by `domain.createSharedReceiveQueue()`. */
  constructor(domain: ProtectionDomain, handle: Handle, requests: number, capacity: SharedReceiveCapacity) {
    super('shared receive queue', handle, [domain])
    this.domain = domain
    this.#requests = requests
    this.#capacity = capacity
    internalsOf(this).sharedReceiveQueues.set(handle, this)
  }

  get device(): Device {
    return this.domain.device
  }

  /** @internal The number of receives that the program has requested. */
  get requests(): number {
    return this.#requests
  }

  /** Its capacity. The device may grant more than was requested. */
  get capacity(): SharedReceiveCapacity {
    return this.#capacity
  }

  /** A batch of receives: for many receives, without an object for each. Its `post()` posts them. */
  get receives(): ReceiveBatch {
    this.#receives ??= new ReceiveBatch(this, this.#capacity.requests, this.#capacity.entries)
    return this.#receives
  }

  /** Posts receives, in order, as one batch. @throws PinfoldError as `queuePair.postReceive` */
  postReceive(requests: ReceiveRequest | readonly ReceiveRequest[]): number {
    const list = listOf('postReceive', requests)
    const batch = new ReceiveBatch(this, list.length, this.#capacity.entries)
    for (const request of list) batch.add(request)
    return batch.post()
  }

  /** Arms the limit, or changes the number of receives. @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, … */
  modify(options: { readonly requests?: number | undefined; readonly limit?: number | undefined }): void {
    const { requests, limit } = checked('modify', modifyOptions, options)
    this.requireOpen('modify')
    callsOf(this).modifySharedReceiveQueue(handleOf(this), {
      ...(requests === undefined ? {} : { requests }),
      ...(limit === undefined ? {} : { limit }),
    })
    if (requests === undefined) return
    this.#requests = requests
    this.#capacity = this.query()
    this.#receives = undefined
  }

  /** Queries the device. @throws PinfoldError `ERR_OBJECT_CLOSED`; errors of the device */
  query(): SharedReceiveCapacity {
    this.requireOpen('query')
    return callsOf(this).querySharedReceiveQueue(handleOf(this))
  }

  /** @internal */
  requireReceiving(subject: string): void {
    this.requireOpen(subject)
  }

  /** @internal */
  postReceives(words: Uint32Array, stride: number, posted: number): void {
    callsOf(this).postSharedReceive(handleOf(this), words, stride, posted)
  }

  protected override destroy(): void {
    callsOf(this).destroySharedReceiveQueue(handleOf(this))
    internalsOf(this).sharedReceiveQueues.delete(handleOf(this))
  }
}

/** @internal */
export function createSharedReceiveQueue(
  domain: ProtectionDomain,
  options: SharedReceiveQueueOptions,
): SharedReceiveQueue {
  const { requests = 64, entries = 4, limit = 0 } = checked('createSharedReceiveQueue', sharedOptions, options)
  domain.requireOpen('createSharedReceiveQueue')
  const { handle, capacity } = callsOf(domain).createSharedReceiveQueue(handleOf(domain), { requests, entries, limit })
  return new SharedReceiveQueue(domain, handle, requests, capacity)
}
