import type { MemoryRange } from '../../memory/region-memory.js'
import type {
  DeviceAttributes,
  DeviceKind,
  DeviceListing,
  ForkStatus,
  GidEntry,
  PortAttributes,
} from './device-attributes.js'

/**
 * Names an object of one open device. 32 bits: the low 20 are its place, the high 12 its generation (1 and up), so that
 * one whose object is gone is refused, though the place is taken again. 0 names nothing.
 */
export type Handle = number

/** What a registration is on its device. Keys are 32-bit numbers. */
export interface RegisteredKeys {
  readonly handle: Handle
  readonly lkey: number
  readonly rkey: number
  /** The IOVA of its first byte: what peers and work requests call it by. */
  readonly address: bigint
}

export interface CompletionQueueRequest {
  readonly entries: number
  /** Handle of a completion channel; 0 for none. */
  readonly channel: Handle
  /** `comp_vector`: which of the device's interrupts. */
  readonly vector: number
  /** An extended queue (ibv_create_cq_ex), with timestamps when `timestamps`. */
  readonly extended: boolean
  readonly timestamps: boolean
}

/** `struct ibv_qp_cap`: asked for, and given, which may be more. */
export interface QueuePairCapacity {
  readonly sendRequests: number
  readonly receiveRequests: number
  readonly sendEntries: number
  readonly receiveEntries: number
  /** Bytes. */
  readonly inlineBytes: number
}

export interface QueuePairRequest {
  /** `enum ibv_qp_type` */
  readonly type: number
  readonly domain: Handle
  readonly sendQueue: Handle
  readonly receiveQueue: Handle
  /** 0 for none. */
  readonly sharedReceiveQueue: Handle
  readonly capacity: QueuePairCapacity
  /** Every request makes a completion (`sq_sig_all`). */
  readonly signalAll: boolean
}

export interface CreatedQueuePair {
  readonly handle: Handle
  /** qp_num */
  readonly number: number
  readonly capacity: QueuePairCapacity
}

/** `struct ibv_ah_attr`, flat. A GID is as in GidEntry; '' for none (no global route header). */
export interface PathAttributes {
  readonly gid: string
  readonly gidIndex: number
  readonly hopLimit: number
  readonly trafficClass: number
  readonly flowLabel: number
  readonly lid: number
  readonly serviceLevel: number
  readonly pathBits: number
  readonly port: number
}

/**
 * Attributes of a queue pair that are to change, in the units of `struct ibv_qp_attr`; only what is there is changed,
 * and that is `attr_mask`.
 */
export interface QueuePairChange {
  readonly state?: number
  readonly currentState?: number
  readonly drainNotify?: boolean
  /** IBV_ACCESS_ bits that peers have through this queue pair. */
  readonly access?: number
  readonly partitionKeyIndex?: number
  readonly port?: number
  readonly queueKey?: number
  readonly path?: PathAttributes
  /** `enum ibv_mtu` */
  readonly mtu?: number
  /** 4.096 µs * 2^timeout; 0 waits for ever. */
  readonly timeout?: number
  readonly retryCount?: number
  /** 7 is for ever. */
  readonly rnrRetry?: number
  readonly receivePsn?: number
  readonly sendPsn?: number
  readonly maxReadsStarted?: number
  readonly maxReadsServed?: number
  /** Code of the delay that an RNR NAK asks for (IBTA 9.7.5.2.8): 1 is 0.01 ms, 0 is 655.36 ms. */
  readonly minRnrTimer?: number
  readonly remoteQueuePair?: number
}

/** What ibv_query_qp(3) tells. */
export type QueuePairStatus = Required<Omit<QueuePairChange, 'currentState' | 'drainNotify' | 'path'>> & {
  readonly capacity: QueuePairCapacity
  readonly path: PathAttributes
}

/** `struct ibv_srq_attr` */
export interface SharedReceiveCapacity {
  readonly requests: number
  readonly entries: number
  /** Below so many posted receives there is an event SRQ_LIMIT_REACHED, once; 0 for none. */
  readonly limit: number
}

/** What a device tells by itself. Each call comes from the event loop, never from inside another call. */
export interface DeviceListener {
  /** A completion channel has an event of this completion queue; it was acknowledged. */
  completion(queue: Handle): void
  /** `type` of `enum ibv_event_type`; `element` is a handle or a port's number, as `subjectOf(type)` says, else 0. */
  event(type: number, element: number): void
}

/**
 * The contract of an open device, call by call, as libibverbs has it: what the classes of this room stand on, and what
 * `verbs/` and `loopback/` keep. Arguments were checked, so that they have the right types and ranges of numbers; what
 * only a device can know (states, keys, rights, limits, stale handles) is the device's to refuse.
 *
 * Calls throw PinfoldError, with `syscall` the verb (`ibv_reg_mr`) and its errno where libibverbs would set one:
 * `ERR_UNSUPPORTED` for what this device or library cannot do, `ERR_DEVICE_REFUSED` for what it refuses (EINVAL, …),
 * `ERR_QUEUE_FULL`, `ERR_OBJECT_BUSY` (EBUSY), `ERR_MEMLOCK_LIMIT`, `ERR_DEVICE_REMOVED` (EIO, ENODEV). A call that
 * throws has changed nothing, but for `post…`, which says in `values.posted` how many requests it took before.
 */
export interface DeviceCalls {
  query(): DeviceAttributes
  /** @param port 1 and up */
  queryPort(port: number): PortAttributes
  queryGids(): GidEntry[]
  /** In host order. */
  queryPartitionKey(port: number, index: number): number
  forkStatus(): ForkStatus

  /** Who is told of events from now on. */
  listen(listener: DeviceListener): void
  /** Whether waiting for events keeps the process alive. At first it does not. */
  keepAlive(wanted: boolean): void
  /** Closes the context; whatever is still open on it goes before, in the order that the objects depend on each other. */
  close(): void

  allocateDomain(): Handle
  freeDomain(domain: Handle): void

  /** Byte-exact. `address` chooses the IOVA; undefined makes it the virtual address (or 0 when zero based). */
  register(domain: Handle, memory: MemoryRange, address: bigint | undefined, access: number): RegisteredKeys
  /** As `register`, beside the event loop. The memory is kept, and the result undone if the thread ends first. */
  registerAsync(
    domain: Handle,
    memory: MemoryRange,
    address: bigint | undefined,
    access: number,
  ): Promise<RegisteredKeys>
  /** ibv_rereg_mr(3); what is undefined stays. */
  reregister(
    registration: Handle,
    change: { readonly domain?: Handle; readonly memory?: MemoryRange; readonly access?: number },
  ): RegisteredKeys
  /** A registration of the whole address space, on demand. Scatter entries reach memory through `cover` alone. */
  registerImplicit(domain: Handle, access: number): RegisteredKeys
  /** A range of a region under the key of an implicit registration; to be given back by `deregister`. */
  cover(implicit: Handle, memory: MemoryRange): RegisteredKeys
  /** ibv_alloc_null_mr: reads zeros, drops writes. Its length is without limit. */
  registerNull(domain: Handle): RegisteredKeys
  registerDmabuf(
    domain: Handle,
    descriptor: number,
    offset: bigint,
    length: number,
    address: bigint,
    access: number,
  ): RegisteredKeys
  deregister(registration: Handle): void
  /** ibv_advise_mr: prefetches ranges of on-demand registrations. `advice` of `enum ibv_advise_mr_advice`. */
  advise(
    domain: Handle,
    advice: number,
    flush: boolean,
    ranges: readonly { readonly registration: Handle; readonly offset: number; readonly length: number }[],
  ): void

  allocateDeviceMemory(length: number, alignmentLog2: number): Handle
  freeDeviceMemory(memory: Handle): void
  writeDeviceMemory(memory: Handle, offset: number, bytes: Uint8Array): void
  readDeviceMemory(memory: Handle, offset: number, bytes: Uint8Array): void
  registerDeviceMemory(domain: Handle, memory: Handle, offset: number, length: number, access: number): RegisteredKeys

  /** `type` 1 or 2. */
  allocateWindow(domain: Handle, type: number): { readonly handle: Handle; readonly rkey: number }
  /** The key that it has now: a window of type 1 gets a new one with each bind. */
  windowKey(window: Handle): number
  freeWindow(window: Handle): void

  createChannel(): Handle
  destroyChannel(channel: Handle): void
  /** `entries` of the result may be more than was asked for. */
  createCompletionQueue(request: CompletionQueueRequest): { readonly handle: Handle; readonly entries: number }
  resizeCompletionQueue(queue: Handle, entries: number): number
  /** The next completion (with `solicitedOnly`: solicited or failed) makes one event on the queue's channel. */
  requestNotification(queue: Handle, solicitedOnly: boolean): void
  /** Fills in up to `most` completions from the start of `words`; how many. */
  poll(queue: Handle, words: Uint32Array, most: number): number
  destroyCompletionQueue(queue: Handle): void

  createSharedReceiveQueue(
    domain: Handle,
    capacity: SharedReceiveCapacity,
  ): { readonly handle: Handle; readonly capacity: SharedReceiveCapacity }
  modifySharedReceiveQueue(queue: Handle, change: { readonly requests?: number; readonly limit?: number }): void
  querySharedReceiveQueue(queue: Handle): SharedReceiveCapacity
  destroySharedReceiveQueue(queue: Handle): void
  /** `count` requests of `stride` words each, from the start of `words`. */
  postSharedReceive(queue: Handle, words: Uint32Array, stride: number, count: number): void

  createQueuePair(request: QueuePairRequest): CreatedQueuePair
  modifyQueuePair(queuePair: Handle, change: QueuePairChange): void
  queryQueuePair(queuePair: Handle): QueuePairStatus
  destroyQueuePair(queuePair: Handle): void
  postSend(queuePair: Handle, words: Uint32Array, stride: number, count: number): void
  postReceive(queuePair: Handle, words: Uint32Array, stride: number, count: number): void
  attachMulticast(queuePair: Handle, gid: string, lid: number): void
  detachMulticast(queuePair: Handle, gid: string, lid: number): void

  createAddressHandle(domain: Handle, path: PathAttributes): Handle
  destroyAddressHandle(handle: Handle): void
}

/** Where devices come from. */
export interface DeviceProvider {
  readonly kind: DeviceKind
  /** The devices there are. @throws PinfoldError when there is no telling (library missing, …) */
  list(): DeviceListing[]
  /** @throws PinfoldError `ERR_DEVICE_UNKNOWN`, `ERR_PERMISSION`, … */
  open(name: string): DeviceCalls
}
