import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { throwIfAborted } from '../abort.js'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsObject, optionsOf, signalOption, sizeOption } from '../options.js'
import { describe, type Size } from '../sizes.js'
import { CompletionChannel } from './completion-channel.js'
import { type CompletionQueue, type CompletionQueueOptions, createCompletionQueue } from './completion-queue.js'
import { connectByAddress } from './connections/connect.js'
import type { Connection } from './connections/connection.js'
import {
  type Announcement,
  type AnnounceOptions,
  announceDatagrams,
  type DatagramPeer,
  type FindPeerOptions,
  findDatagramPeer,
  type JoinMulticastOptions,
  joinGroup,
  type MulticastMembership,
} from './connections/datagrams.js'
import { type Listener, listenByAddress } from './connections/listener.js'
import type { ConnectByAddressOptions, ListenOptions } from './connections/options.js'
import { eventTypes, subjectOf } from './contract/async-events.js'
import type {
  DeviceAttributes,
  DeviceKind,
  ForkStatus,
  GidEntry,
  PortAttributes,
} from './contract/device-attributes.js'
import type { DeviceCalls } from './contract/device-calls.js'
import { type PreferredGid, preferredGid } from './contract/gids.js'
import { count, positiveCount, word16 } from './contract/number-options.js'
import type { DeviceEvent } from './device-event.js'
import { DeviceMemory } from './device-memory.js'
import { type CloseOptions, callsOf, DeviceObject, internalsOf } from './device-object.js'
import { ProtectionDomain } from './protection-domain.js'
import type { QueuePair } from './queue-pair.js'
import { forgetAtReturn, Waiters } from './waiters.js'

const eventOptions = later(() => optionsObject({ signal: z.optional(signalOption) }))
const deviceMemoryOptions = later(() =>
  optionsOf<DeviceMemoryOptions>()({ size: sizeOption, alignment: z.optional(positiveCount) }),
)

/** The options of `allocateDeviceMemory`. */
export interface DeviceMemoryOptions {
  /** Bytes, a number or a text with a unit ('4KiB'). */
  readonly size: Size
  /** The alignment on the device, in bytes, a power of two. Default: 1. */
  readonly alignment?: number | undefined
}

/** Events that are kept for an iterator that does not take them. Older events are dropped. */
const mostEvents = 1024

/** An open RDMA device (ibv_context): a real one, or the loopback. It belongs to one thread, like all its objects. */
export class Device extends DeviceObject {
  readonly name: string
  /** 'verbs' for a real device, 'loopback' for the device in this process. */
  readonly kind: DeviceKind
  /** Its attributes at the time when it was opened. */
  readonly attributes: DeviceAttributes
  readonly #iterators = new Set<DeviceEvent[]>()
  readonly #waiters = new Waiters()
  #ownChannel: CompletionChannel | undefined
  #waiting = 0

  /** Made by `openDevice()`. */
  constructor(name: string, kind: DeviceKind, calls: DeviceCalls) {
    super('device', 0, [], {
      calls,
      queues: new Map(),
      queuePairs: new Map(),
      sharedReceiveQueues: new Map(),
      boundWindows: new Map(),
      connections: new Set(),
    })
    this.name = name
    this.kind = kind
    try {
      this.attributes = calls.query()
    } catch (error) {
      this.leaveParents() // for those who look for leaks: they know of it already
      throw error
    }
    const { queues } = internalsOf(this)
    calls.listen({
      completion: (queue) => queues.get(queue)?.notified(),
      event: (type, element) => this.#happened(type, element),
    })
  }

  override get label(): string {
    return `device ${this.name}`
  }

  /** Asks the device again. @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_DEVICE_REMOVED` */
  query(): DeviceAttributes {
    this.requireOpen('query')
    return callsOf(this).query()
  }

  /** A port as it is now. @param number 1 and up @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_OUT_OF_RANGE` */
  port(number: number): PortAttributes {
    this.#requirePort('port', number)
    return callsOf(this).queryPort(number)
  }

  /** All ports as they are now. @throws PinfoldError `ERR_OBJECT_CLOSED` */
  get ports(): PortAttributes[] {
    return Array.from({ length: this.attributes.ports }, (_, index) => this.port(index + 1))
  }

  /** The GID table as it is now; empty entries are left out. @throws PinfoldError `ERR_OBJECT_CLOSED` */
  get gids(): GidEntry[] {
    this.requireOpen('gids')
    return callsOf(this).queryGids()
  }

  /** An entry of the GID table. @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_OUT_OF_RANGE` when it is empty */
  gid(port: number, index: number): GidEntry {
    this.#requirePort('gid', port)
    checked('gid: index', count, index)
    const found = this.gids.find((entry) => entry.port === port && entry.index === index)
    if (found !== undefined) return found
    throw new PinfoldError(`gid: entry ${index} of port ${port} of ${this.name} is empty`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { device: this.name, port, index },
    })
  }

  /**
   * The GID that connections use by default, with the reason for it: RoCE v2 with an IPv4 address, else RoCE v2 with a global
   * IPv6 address, else RoCE v2 that is link-local, else the first.
   *
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_OUT_OF_RANGE` when the port has none (is its network interface down?)
   */
  bestGid(port: number): PreferredGid {
    this.#requirePort('bestGid', port)
    const best = preferredGid(this.gids.filter((entry) => entry.port === port))
    if (best !== undefined) return best
    throw new PinfoldError(`bestGid: port ${port} of ${this.name} has no GID`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { device: this.name, port },
      hint: 'bring its network interface up: ip link set … up',
    })
  }

  /** A partition key, in host order. @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_OUT_OF_RANGE`, `ERR_DEVICE_REFUSED` */
  partitionKey(port: number, index: number): number {
    this.#requirePort('partitionKey', port)
    return callsOf(this).queryPartitionKey(port, checked('partitionKey: index', word16, index))
  }

  /** Whether registered memory survives a fork of this process (ibv_is_fork_initialized(3)). Regions are never forked. */
  get forkStatus(): ForkStatus {
    this.requireOpen('forkStatus')
    return callsOf(this).forkStatus()
  }

  /** @throws PinfoldError `ERR_OBJECT_CLOSED`; errors of the device */
  createDomain(): ProtectionDomain {
    this.requireOpen('createDomain')
    return new ProtectionDomain(this, callsOf(this).allocateDomain())
  }

  /** @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`; errors of the device */
  createCompletionQueue(options: CompletionQueueOptions): CompletionQueue {
    return createCompletionQueue(this, options)
  }

  /** @throws PinfoldError `ERR_OBJECT_CLOSED` */
  createCompletionChannel(): CompletionChannel {
    this.requireOpen('createCompletionChannel')
    return new CompletionChannel(this, callsOf(this).createChannel())
  }

  /** @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_UNSUPPORTED` */
  allocateDeviceMemory(options: DeviceMemoryOptions): DeviceMemory {
    const { size, alignment = 1 } = checked('allocateDeviceMemory', deviceMemoryOptions, options)
    const log2 = Math.log2(alignment)
    if (!Number.isInteger(log2)) {
      throw new PinfoldError(
        `allocateDeviceMemory: alignment: expected a power of two, received ${describe(alignment)}`,
        {
          code: 'ERR_INVALID_ARGUMENT',
          values: { alignment },
        },
      )
    }
    this.requireOpen('allocateDeviceMemory')
    return new DeviceMemory(this, callsOf(this).allocateDeviceMemory(size, log2), size)
  }

  /**
   * Listens for peers that connect by address: `for await (const request of device.listen({ port: 7471 }))`. It needs
   * librdmacm, but on the loopback.
   *
   * @throws the signal's reason; PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`; `ERR_ADDRESS_IN_USE`;
   *   `ERR_ADDRESS_UNREACHABLE` when no device has the address; `ERR_DOMAIN_MISMATCH` when another device has it;
   *   `ERR_CONNECTION_LIBRARY`, `ERR_UNSUPPORTED`; `ERR_DESCRIPTORS_SHORT`; errors of the device
   */
  listen(options: ListenOptions): Listener {
    return listenByAddress(this, options)
  }

  /**
   * Connects a queue pair to a listener. The queue pair stays the program's; its state changes to RTS.
   *
   * @throws the signal's reason; PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` (private
   *   data), `ERR_QUEUE_PAIR_STATE`: nothing is changed then. `ERR_ADDRESS_UNREACHABLE`, `ERR_CONNECTION_REFUSED` with the
   *   peer's private data, `ERR_CONNECTION_TIMEOUT`, `ERR_CONNECTION_IDENTITY`; `ERR_DOMAIN_MISMATCH` when the address
   *   belongs to another device; `ERR_CONNECTION_LIBRARY`, `ERR_UNSUPPORTED`; `ERR_DESCRIPTORS_SHORT`; errors of the
   *   device. The queue pair is in RESET then
   */
  async connect(options: ConnectByAddressOptions): Promise<Connection> {
    return await connectByAddress(this, options)
  }

  /**
   * Tells peers, by an address, of a queue pair for datagrams. `findPeer()` of a peer gets its path, number and queue key.
   *
   * @throws the signal's reason; PinfoldError as `listen`; `ERR_OUT_OF_RANGE` for private data that is too long
   */
  announce(options: AnnounceOptions): Announcement {
    return announceDatagrams(this, options)
  }

  /**
   * Finds a queue pair for datagrams that a peer has announced.
   *
   * @throws the signal's reason; PinfoldError as `connect`
   */
  async findPeer(options: FindPeerOptions): Promise<DatagramPeer> {
    return await findDatagramPeer(this, options)
  }

  /**
   * Makes a queue pair receive the datagrams of a group, which is named by its IP address.
   *
   * @throws the signal's reason; PinfoldError as `connect`
   */
  async joinMulticast(options: JoinMulticastOptions): Promise<MulticastMembership> {
    return await joinGroup(this, options)
  }

  /**
   * The events of the device from now on: `for await (const event of device.events())`. The process stays alive while the
   * program waits for an event. The iteration ends when the device is closed. The last 1,024 events are kept for it.
   *
   * @throws the signal's reason when it is aborted; PinfoldError `ERR_OBJECT_CLOSED`, `ERR_INVALID_ARGUMENT`
   */
  events(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<DeviceEvent, void> {
    const { signal } = checked('events', eventOptions, options)
    this.requireOpen('events')
    // Events are kept from now on, not only from the first call of next() on.
    const kept: DeviceEvent[] = []
    this.#iterators.add(kept)
    return forgetAtReturn(this.#iterate(kept, signal), () => this.#iterators.delete(kept))
  }

  /**
   * Closes it. @throws PinfoldError `ERR_OBJECT_BUSY` that lists the objects on it, unless `force` closes them, too
   */
  override close(options?: CloseOptions): void {
    // This object owns its channel, so nobody else closes it.
    if (this.#ownChannel?.children.length === 0) this.#ownChannel.close()
    super.close(options)
  }

  /** @internal The channel of queues that were created without one. It goes with the last of them. */
  ownChannel(): CompletionChannel {
    if (this.#ownChannel === undefined || this.#ownChannel.closed) this.#ownChannel = this.createCompletionChannel()
    return this.#ownChannel
  }

  /** @internal A queue was closed, or not made: its channel goes, if it was made for such queues and has no other. */
  leaveChannel(channel: CompletionChannel): void {
    if (channel !== this.#ownChannel || channel.children.length > 0) return
    try {
      channel.close()
    } catch {
      // The next queue uses it, or the device closes it.
    }
  }

  /** @internal Keeps the process alive until the returned function is called. Calling it again does nothing. */
  stayAlive(): () => void {
    this.#waiting += 1
    if (this.#waiting === 1) callsOf(this).keepAlive(true)
    let isKept = true
    return () => {
      if (!isKept) return
      isKept = false
      this.#waiting -= 1
      if (this.#waiting === 0 && !this.closed) callsOf(this).keepAlive(false)
    }
  }

  protected override destroy(): void {
    for (const connection of [...internalsOf(this).connections]) connection.deviceCloses()
    callsOf(this).close()
    // After this turn, when `closed` is true.
    queueMicrotask(() => this.#waiters.wake())
  }

  override [inspect.custom](): string {
    return `Device '${this.name}' { ${this.closed ? 'closed' : this.kind} }`
  }

  async *#iterate(kept: DeviceEvent[], signal: AbortSignal | undefined): AsyncGenerator<DeviceEvent, void> {
    try {
      for (;;) {
        throwIfAborted(signal)
        const event = kept.shift()
        if (event !== undefined) yield event
        else if (this.closed) return
        else await this.#waiters.next(signal, this).promise
      }
    } finally {
      this.#iterators.delete(kept)
    }
  }

  #happened(type: number, element: number): void {
    const { queues, queuePairs, sharedReceiveQueues } = internalsOf(this)
    if (type === eventTypes.byName.CQ_ERR) queues.get(element)?.overran()
    const subject = subjectOf(type)
    this.#tell({
      type: eventTypes.nameOf(type),
      subject,
      port: subject === 'port' ? element : undefined,
      queuePair: subject === 'queuePair' ? queuePairs.get(element) : undefined,
      completionQueue: subject === 'completionQueue' ? queues.get(element) : undefined,
      sharedReceiveQueue: subject === 'sharedReceiveQueue' ? sharedReceiveQueues.get(element) : undefined,
    })
  }

  /** @internal A request of the queue pair has stalled. */
  tellStall(queuePair: QueuePair): void {
    const none = { port: undefined, completionQueue: undefined, sharedReceiveQueue: undefined }
    this.#tell({ type: 'REQUEST_STALLED', subject: 'queuePair', queuePair, ...none })
  }

  #tell(event: DeviceEvent): void {
    for (const kept of this.#iterators) {
      kept.push(event)
      if (kept.length > mostEvents) kept.shift()
    }
    this.#waiters.wake()
  }

  #requirePort(subject: string, number: number): void {
    this.requireOpen(subject)
    if (Number.isInteger(number) && number >= 1 && number <= this.attributes.ports) return
    const { ports } = this.attributes
    throw new PinfoldError(`${subject}: expected a port of ${this.name}, 1 to ${ports}, received ${describe(number)}`, {
      code: 'ERR_OUT_OF_RANGE',
      values: { device: this.name, port: number },
    })
  }
}
