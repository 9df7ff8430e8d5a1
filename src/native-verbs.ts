// The addon's verbs functions, one for each function of libibverbs (native/addon/verbs_*.cc). A failed verb is thrown
// as a `SystemFailure` (errors.ts) whose syscall is the verb's name.
//
// `context` names an open device. Handles name all its other objects (src/rdma/contract/device-calls.ts). Native code
// fills arrays in before a call returns, and never uses them later.

/**
 * The kinds of objects that events belong to: `dispatch(context, kind, element, type)` (native/verbs/event_thread.h).
 * `connection` belongs to no device: `take` (native-connections.ts) has events.
 */
export const eventKind = { completion: 0, async: 1, connection: 2 } as const

/** The number of words in `keys`: handle, lkey, rkey, and the IOVA of the first byte, low word first. */
export const keyWords = 5

/** The type of a GID if the library is too old to tell it. All other types are those of `enum ibv_gid_type`. */
export const unknownGidType = 3

export interface NativeListing {
  readonly name: string
  readonly guid: bigint
  readonly nodeType: number
  readonly transport: number
}

export interface NativeGid {
  readonly port: number
  readonly index: number
  readonly type: number
  readonly high: bigint
  readonly low: bigint
  /** '' for none. */
  readonly interface: string
}

/** `PortAttributes` (src/rdma/contract/device-attributes.ts) in numbers. */
export interface NativePort {
  readonly state: number
  readonly linkLayer: number
  readonly activeMtu: number
  readonly maxMtu: number
  readonly maxMessageSize: number
  readonly gids: number
  readonly partitionKeys: number
  readonly lid: number
  readonly subnetManagerLid: number
  readonly lidMaskControl: number
  readonly capabilityFlags: number
  readonly activeWidth: number
  readonly activeSpeed: number
  readonly physicalState: number
}

/** `DeviceAttributes` in numbers. */
export interface NativeDevice {
  readonly firmware: string
  readonly nodeGuid: bigint
  readonly systemImageGuid: bigint
  readonly vendorId: number
  readonly vendorPart: number
  readonly hardwareVersion: number
  readonly ports: number
  readonly capabilities: bigint
  readonly atomics: number
  readonly maxRegistrationSize: bigint
  readonly pageSizes: bigint
  readonly maxQueuePairs: number
  readonly maxRequests: number
  readonly maxEntries: number
  readonly maxReadEntries: number
  readonly maxCompletionQueues: number
  readonly maxCompletions: number
  readonly maxRegistrations: number
  readonly maxDomains: number
  readonly maxWindows: number
  readonly maxAddressHandles: number
  readonly maxReadsServed: number
  readonly maxReadsStarted: number
  readonly maxSharedReceiveQueues: number
  readonly maxSharedRequests: number
  readonly maxSharedEntries: number
  readonly maxMulticastGroups: number
  readonly maxMulticastQueuePairs: number
  readonly maxPartitionKeys: number
  readonly deviceMemory: bigint
  readonly onDemand: bigint
  readonly onDemandRc: number
  readonly onDemandUc: number
  readonly onDemandUd: number
  readonly timestampMask: bigint
  readonly clockKilohertz: bigint
}

export interface NativeVerbs {
  list(): NativeListing[]
  /**
   * `dispatch` is called from the event loop for each event of each device of this thread. Only the `dispatch` of the
   * thread's first call is used.
   */
  open(name: string, dispatch: (context: number, kind: number, element: number, type: number) => void): number
  close(context: number): void
  keepAlive(context: number, wanted: boolean): void
  query(context: number): NativeDevice
  queryPort(context: number, port: number): NativePort
  queryGids(context: number): NativeGid[]
  queryPartitionKey(context: number, port: number, index: number): number
  /** `enum ibv_fork_status`; -1 when the library is too old to tell. */
  forkStatus(): number

  allocateDomain(context: number): number
  freeDomain(context: number, domain: number): void
  /** `region`, `offset`, `length`: a range of a live region. `keys`: `keyWords` words, filled in. */
  register(
    context: number,
    domain: number,
    region: number,
    offset: number,
    length: number,
    address: bigint | undefined,
    access: number,
    keys: Uint32Array,
  ): void
  registerAsync(
    context: number,
    domain: number,
    region: number,
    offset: number,
    length: number,
    address: bigint | undefined,
    access: number,
    settle: (error: Error | null, keys?: Uint32Array) => void,
  ): void
  reregister(
    context: number,
    registration: number,
    domain: number | undefined,
    region: number | undefined,
    offset: number,
    length: number,
    access: number | undefined,
    keys: Uint32Array,
  ): void
  registerImplicit(context: number, domain: number, access: number, keys: Uint32Array): void
  cover(context: number, implicit: number, region: number, offset: number, length: number, keys: Uint32Array): void
  registerNull(context: number, domain: number, keys: Uint32Array): void
  registerDmabuf(
    context: number,
    domain: number,
    descriptor: number,
    offset: bigint,
    length: number,
    address: bigint,
    access: number,
    keys: Uint32Array,
  ): void
  registerDeviceMemory(
    context: number,
    domain: number,
    memory: number,
    offset: number,
    length: number,
    access: number,
    keys: Uint32Array,
  ): void
  deregister(context: number, registration: number): void
  /** `ranges`: registration, offset and length of each range. */
  advise(context: number, domain: number, advice: number, flush: boolean, ranges: Float64Array): void

  allocateDeviceMemory(context: number, length: number, alignmentLog2: number): number
  freeDeviceMemory(context: number, memory: number): void
  writeDeviceMemory(context: number, memory: number, offset: number, bytes: Uint8Array): void
  readDeviceMemory(context: number, memory: number, offset: number, bytes: Uint8Array): void

  allocateWindow(context: number, domain: number, type: number): number
  windowKey(context: number, window: number): number
  freeWindow(context: number, window: number): void

  createChannel(context: number): number
  destroyChannel(context: number, channel: number): void
  createCompletionQueue(
    context: number,
    entries: number,
    channel: number,
    vector: number,
    extended: boolean,
    timestamps: boolean,
  ): number
  completionQueueEntries(context: number, queue: number): number
  resizeCompletionQueue(context: number, queue: number, entries: number): void
  /** `count` and `microseconds`: 16 bits. */
  moderateCompletionQueue(context: number, queue: number, count: number, microseconds: number): void
  requestNotification(context: number, queue: number, solicitedOnly: boolean): void
  /** `words`: the buffer of a Uint32Array that begins at its start, as for `postSend`, `postReceive`, `postSharedReceive`. */
  poll(context: number, queue: number, words: ArrayBufferLike, most: number): number
  destroyCompletionQueue(context: number, queue: number): void

  /** `capacity`: requests, entries, limit. The granted values are filled in. */
  createSharedReceiveQueue(context: number, domain: number, capacity: Uint32Array): number
  modifySharedReceiveQueue(
    context: number,
    queue: number,
    requests: number | undefined,
    limit: number | undefined,
  ): void
  querySharedReceiveQueue(context: number, queue: number, capacity: Uint32Array): void
  destroySharedReceiveQueue(context: number, queue: number): void
  postSharedReceive(context: number, queue: number, words: ArrayBufferLike, stride: number, count: number): void

  /**
   * `request`: the words of `queuePairWord` (src/rdma/verbs/attribute-words.ts). The granted capacity and the queue
   * pair's number are filled in.
   */
  createQueuePair(context: number, request: Uint32Array): number
  /** `attributes`: src/rdma/verbs/attribute-words.ts. */
  modifyQueuePair(context: number, queuePair: number, attributes: Uint32Array): void
  queryQueuePair(context: number, queuePair: number, attributes: Uint32Array): void
  destroyQueuePair(context: number, queuePair: number): void
  postSend(context: number, queuePair: number, words: ArrayBufferLike, stride: number, count: number): void
  postReceive(context: number, queuePair: number, words: ArrayBufferLike, stride: number, count: number): void
  /** `group`: a path, of which only GID and LID are used. */
  attachMulticast(context: number, queuePair: number, group: Uint32Array): void
  detachMulticast(context: number, queuePair: number, group: Uint32Array): void
  createAddressHandle(context: number, domain: number, path: Uint32Array): number
  destroyAddressHandle(context: number, handle: number): void

  readonly test: NativeVerbsTest
}

/** For tests (native/verbs/chosen_library.h). A choice applies to all threads, and to devices that are opened later. */
export interface NativeVerbsTest {
  /**
   * With `noOp`, the only device is 'noop0', which does nothing. With `faults`, calls can be made to fail, and are
   * counted.
   */
  choose(noOp: boolean, faults: boolean): void
  /**
   * Makes the `nth` call of a function from now on fail, once. '' means any function except those that fetch events.
   */
  inject(functionName: string, nth: number, errno: number): void
  /** Stops injecting errors, and counts calls from 0 again. */
  clear(): void
  /** Pulls the device out: 'noop0' reports that as an event, and every call fails with EIO until `clear`. */
  remove(): void
  /** Makes 'noop0' report an event of itself or of its port. */
  happen(type: number, port: number): void
  calls(): Readonly<Record<string, number>>
  /** The number of objects that were made and not destroyed, including open devices. */
  live(): number
}
