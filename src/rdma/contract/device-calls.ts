import type { MemoryRange } from '../../memory/region-memory.js'
import type { ConnectionCalls } from './connection-calls.js'
import type {
  DeviceAttributes,
  DeviceKind,
  DeviceListing,
  ForkStatus,
  GidEntry,
  PortAttributes,
} from './device-attributes.js'

/**
 * Names an object of one open device, in 32 bits: the low 20 are its place, the high 12 the generation of that place (from
 * 1 on). So a handle of an object that is gone is refused, also when another object has its place. 0 names nothing.
 */
export type Handle = number

/** A registration as the device knows it. Keys are 32-bit numbers. */
export interface RegisteredKeys {
  readonly handle: Handle
  readonly lkey: number
  readonly rkey: number
  /** The IOVA of its first byte: the address that peers and work requests use. */
  readonly address: bigint
}

export interface CompletionQueueRequest {
  readonly entries: number
  /** Handle of a completion channel; 0 for none. */
  readonly channel: Handle
  /** `comp_vector`: the number of the device's interrupt. */
  readonly vector: number
  /** An extended queue (ibv_create_cq_ex), with timestamps when `timestamps`. */
  readonly extended: boolean
  readonly timestamps: boolean
}

/** `struct ibv_qp_cap`: as requested, or as granted. A device may grant more than was requested. */
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
 * Attributes of a queue pair that are to be changed, in the units of `struct ibv_qp_attr`. An attribute that is left out
 * stays as it is; those that are present make up the `attr_mask`.
 */
export interface QueuePairChange {
  readonly state?: number
  readonly currentState?: number
  readonly drainNotify?: boolean
  /** IBV_ACCESS_ bits: the rights of the peer of this queue pair. */
  readonly access?: number
  readonly partitionKeyIndex?: number
  readonly port?: number
  readonly queueKey?: number
  readonly path?: PathAttributes
  /** `enum ibv_mtu` */
  readonly mtu?: number
  /** 4.096 µs * 2^timeout; 0 waits without a limit. */
  readonly timeout?: number
  readonly retryCount?: number
  /** 7 retries without a limit. */
  readonly rnrRetry?: number
  readonly receivePsn?: number
  readonly sendPsn?: number
  readonly maxReadsStarted?: number
  readonly maxReadsServed?: number
  /** Code of the delay that an RNR NAK asks for (IBTA 9.7.5.2.8): 1 is 0.01 ms, 0 is 655.36 ms. */
  readonly minRnrTimer?: number
  readonly remoteQueuePair?: number
}

/** The result of ibv_query_qp(3). */
export type QueuePairStatus = Required<Omit<QueuePairChange, 'currentState' | 'drainNotify' | 'path'>> & {
  readonly capacity: QueuePairCapacity
  readonly path: PathAttributes
}

/** `struct ibv_srq_attr` */
export interface SharedReceiveCapacity {
  readonly requests: number
  readonly entries: number
  /** An event SRQ_LIMIT_REACHED comes once when fewer receives than this are posted; 0 for no event. */
  readonly limit: number
}

/** Receives the events of a device. Each call comes from the event loop, never from inside another call. */
export interface DeviceListener {
  /** A completion channel has an event of this completion queue; it was acknowledged. */
  completion(queue: Handle): void
  /** `type` of `enum ibv_event_type`; `element` is a handle or a port's number, as `subjectOf(type)` says, else 0. */
  event(type: number, element: number): void
}

/**
 * The contract of an open device, one call for each verb of libibverbs. `verbs/` and `loopback/` implement it; the classes
 * of src/rdma use it. The caller has checked the types of all arguments and the ranges of numbers. The device refuses
 * whatever only a device can know: states, keys, rights, limits, stale handles.
 *
 * A call throws PinfoldError. Its `syscall` is the verb (`ibv_reg_mr`), and its `errno` is that of libibverbs, if any. The
 * codes are `ERR_UNSUPPORTED` (this device or library cannot do it), `ERR_DEVICE_REFUSED` (EINVAL, …), `ERR_QUEUE_FULL`,
 * `ERR_OBJECT_BUSY` (EBUSY), `ERR_MEMLOCK_LIMIT` and `ERR_DEVICE_REMOVED` (EIO, ENODEV). A call that throws has changed
 * nothing. Only `post…` may have posted requests before: `values.posted` counts them.
 */
export interface DeviceCalls {
  query(): DeviceAttributes
  /** @param port 1 and up */
  queryPort(port: number): PortAttributes
  queryGids(): GidEntry[]
  /** In host order. */
  queryPartitionKey(port: number, index: number): number
  forkStatus(): ForkStatus

  /** Sets the listener of events. */
  listen(listener: DeviceListener): void
  /** Whether waiting for events keeps the process alive. At first it does not. */
  keepAlive(wanted: boolean): void
  /** Closes the context, and before it all objects that are still open on it, in the closing order (closing-order.ts). */
  close(): void

  allocateDomain(): Handle
  freeDomain(domain: Handle): void

  /** Byte-exact. `address` chooses the IOVA; undefined makes it the virtual address (or 0 when zero based). */
  register(domain: Handle, memory: MemoryRange, address: bigint | undefined, access: number): RegisteredKeys
  /** As `register`, on another thread. The memory stays open meanwhile; if this thread ends first, the result is undone. */
  registerAsync(
    domain: Handle,
    memory: MemoryRange,
    address: bigint | undefined,
    access: number,
  ): Promise<RegisteredKeys>
  /** ibv_rereg_mr(3). Whatever is undefined stays as it is. */
  reregister(
    registration: Handle,
    change: { readonly domain?: Handle; readonly memory?: MemoryRange; readonly access?: number },
  ): RegisteredKeys
  /** A registration of the whole address space, on demand. Scatter entries reach memory through `cover` alone. */
  registerImplicit(domain: Handle, access: number): RegisteredKeys
  /** A range of a region under keys of its own, by the rights of an implicit registration. `deregister` ends it. */
  cover(implicit: Handle, memory: MemoryRange): RegisteredKeys
  /** ibv_alloc_null_mr: reads give zeros, writes are dropped. It has no length limit. */
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
  /** The current key: a window of type 1 gets a new one with each bind. */
  windowKey(window: Handle): number
  freeWindow(window: Handle): void

  createChannel(): Handle
  destroyChannel(channel: Handle): void
  /** The result may have more `entries` than requested. */
  createCompletionQueue(request: CompletionQueueRequest): { readonly handle: Handle; readonly entries: number }
  resizeCompletionQueue(queue: Handle, entries: number): number
  /** An event comes after `count` completions, or `microseconds` after the first of them. 16 bits each; 0 moderates nothing. */
  moderateCompletionQueue(queue: Handle, count: number, microseconds: number): void
  /** The next completion (with `solicitedOnly`: solicited or failed) makes one event on the queue's channel. */
  requestNotification(queue: Handle, solicitedOnly: boolean): void
  /** Writes up to `most` completions to the start of `words`. @returns how many */
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

  /** Connections by address. */
  readonly connections: ConnectionCalls
}

/** A source of devices. */
export interface DeviceProvider {
  readonly kind: DeviceKind
  /** Lists its devices. @throws PinfoldError when it cannot know them (library missing, …) */
  list(): DeviceListing[]
  /** @throws PinfoldError `ERR_DEVICE_UNKNOWN`, `ERR_PERMISSION`, … */
  open(name: string): DeviceCalls
}
