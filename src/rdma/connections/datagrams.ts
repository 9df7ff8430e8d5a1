import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { onAbort, throwIfAborted } from '../../abort.js'
import { PinfoldError } from '../../errors.js'
import { checked, later, optionsOf, signalOption } from '../../options.js'
import type { ConnectionEvent, ConnectionPlace, DatagramPeerAttributes } from '../contract/connection-calls.js'
import { isMapped } from '../contract/gids.js'
import type { Device } from '../device.js'
import { requireSameDevice } from '../device-object.js'
import { deviceObject } from '../object-checks.js'
import type { ProtectionDomain } from '../protection-domain.js'
import type { QueuePair } from '../queue-pair.js'
import type { DatagramReceiver } from '../send-request.js'
import { expected, resolved } from './connect.js'
import { ConnectionEnd, openEnd, patience } from './connection-end.js'
import { defaultTimeout, type PlaceOptions, placeFields, type WaitOptions, waitFields } from './options.js'
import { isAddress, listeningPlace, placeText, remotePlace } from './places.js'
import { outgoing, privateDataLimits, privateDataOption } from './private-data.js'
import { requireDevice } from './refusals.js'

/**
 * The queue key of queue pairs for datagrams that peers find by an address, and of groups that are joined by one
 * (rdma_cma.h, RDMA_UDP_QKEY): `createQueuePair({ type: 'UD', queueKey: connectionQueueKey, … })`.
 */
export const connectionQueueKey = 0x0123_4567

/** Options of `device.announce()`. */
export interface AnnounceOptions extends PlaceOptions {
  /** Of type UD, activated, with the queue key {@link connectionQueueKey}. It stays the program's. */
  readonly queuePair: QueuePair
  /** Bytes for each peer, up to 136. Default: none. */
  readonly privateData?: Uint8Array | undefined
  /** Ends the announcement. */
  readonly signal?: AbortSignal | undefined
}

/** Options of `device.findPeer()`. */
export interface FindPeerOptions extends PlaceOptions, WaitOptions {
  /** The domain of the queue pair that will send. */
  readonly domain: ProtectionDomain
  /** Our own address. Default: as the routes of the system say. */
  readonly source?: string | undefined
  /** Bytes for the peer, up to 180. Default: none. */
  readonly privateData?: Uint8Array | undefined
}

/** Options of `device.joinMulticast()`. */
export interface JoinMulticastOptions extends WaitOptions {
  /** The IP address of the group: '239.1.2.3', 'ff0e::1'. */
  readonly group: string
  /** Of type UD, in INIT or later, with the queue key {@link connectionQueueKey}. It receives what is sent to the group. */
  readonly queuePair: QueuePair
  /** Our own address, which chooses the network. Default: the IPv4 address of the best GID. */
  readonly source?: string | undefined
}

const announceOptions = later(() =>
  optionsOf<AnnounceOptions>()({
    ...placeFields,
    queuePair: deviceObject('queue pair'),
    privateData: z.optional(privateDataOption),
    signal: z.optional(signalOption),
  }),
)
const addressText = later(() =>
  z.string().check(z.maxLength(255, { abort: true }), z.refine(isAddress, { error: 'expected an IP address' })),
)
const findPeerOptions = later(() =>
  optionsOf<FindPeerOptions>()({
    ...placeFields,
    ...waitFields,
    domain: deviceObject('domain'),
    source: z.optional(addressText),
    privateData: z.optional(privateDataOption),
  }),
)
const joinOptions = later(() =>
  optionsOf<JoinMulticastOptions>()({
    ...waitFields,
    group: addressText,
    queuePair: deviceObject('queue pair'),
    source: z.optional(addressText),
  }),
)

/** A peer of datagrams. Its address handle belongs to it. */
export class DatagramPeer {
  /** For requests: `queuePair.post({ operation: 'send', memory, to: peer.receiver })`. */
  readonly receiver: DatagramReceiver
  /** The bytes that the peer has sent. The connection manager may append zeros. */
  readonly privateData: Uint8Array

  /** Made by `device.findPeer()`. */
  constructor(receiver: DatagramReceiver, privateData: Uint8Array) {
    this.receiver = receiver
    this.privateData = privateData
  }

  /** Closes the address handle. A second call does nothing. */
  close(): void {
    this.receiver.addressHandle.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Tells peers, by an address, of a queue pair for datagrams: until `close()`, its signal, or the end of its device. */
export class Announcement {
  /** With the port that the system has chosen. */
  readonly place: ConnectionPlace
  readonly #end: ConnectionEnd
  readonly #deafen: () => void
  readonly #forget: () => void
  #answered = 0
  #closed = false

  /** Made by `device.announce()`. */
  constructor(end: ConnectionEnd, queuePair: QueuePair, bytes: Uint8Array, signal: AbortSignal | undefined) {
    this.#end = end
    this.place = end.id.route().local
    end.label = `announcement ${placeText(this.place)}`
    end.follow(
      (event) => this.#told(event, queuePair, bytes),
      () => this.close(),
    )
    this.#deafen = onAbort(signal, () => this.close())
    this.#forget = queuePair.onClose(() => this.close())
  }

  /** How many peers were answered. */
  get answered(): number {
    return this.#answered
  }

  get closed(): boolean {
    return this.#closed
  }

  /** A second call does nothing. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#deafen()
    this.#forget()
    this.#end.abandon()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [inspect.custom](): string {
    return `Announcement ${placeText(this.place)}${this.#closed ? ' (closed)' : ''}`
  }

  #told({ request }: ConnectionEvent, queuePair: QueuePair, bytes: Uint8Array): void {
    if (request === undefined) return
    const end = new ConnectionEnd(this.#end.device, request)
    try {
      requireDevice('announce', end.device, request.route().device)
      request.accept({ ...datagramParameters, queuePairNumber: queuePair.queuePairNumber }, bytes)
      this.#answered += 1
    } catch {
      // The peer has given up, or came to another device. It gets no answer.
    }
    end.abandon()
  }
}

/** A group that a queue pair receives from. */
export class MulticastMembership {
  readonly queuePair: QueuePair
  /** For requests to the group. */
  readonly receiver: DatagramReceiver
  /** The GID of the group. */
  readonly gid: string
  readonly #end: ConnectionEnd
  readonly #group: string
  readonly #lid: number
  #left = false

  /** Made by `device.joinMulticast()`. */
  constructor(
    end: ConnectionEnd,
    group: string,
    queuePair: QueuePair,
    receiver: DatagramReceiver,
    { gid, lid }: { readonly gid: string; readonly lid: number },
  ) {
    this.queuePair = queuePair
    end.label = `membership of group ${group}`
    this.receiver = receiver
    this.gid = gid
    this.#end = end
    this.#group = group
    this.#lid = lid
  }

  /** The queue pair receives no more from the group. A second call does nothing. */
  leave(): void {
    if (this.#left) return
    this.#left = true
    try {
      if (!this.queuePair.closed) this.queuePair.detachMulticast({ gid: this.gid, lid: this.#lid })
    } finally {
      this.#release()
    }
  }

  [Symbol.dispose](): void {
    this.leave()
  }

  /** What is left of it, whatever fails before. */
  #release(): void {
    try {
      this.receiver.addressHandle.close()
      if (!this.#end.ended) this.#end.id.leaveMulticast(this.#group)
    } finally {
      this.#end.abandon()
    }
  }
}

const datagramParameters = {
  queuePairNumber: 0,
  maxReadsServed: 0,
  maxReadsStarted: 0,
  retryCount: 0,
  rnrRetry: 0,
  sharedReceives: false,
}

export function announceDatagrams(device: Device, options: AnnounceOptions): Announcement {
  const { queuePair, privateData, signal, ...place } = checked('announce', announceOptions, options)
  const where = listeningPlace('announce', place)
  const bytes = outgoing('announce', privateDataLimits.acceptDatagrams, privateData)
  throwIfAborted(signal)
  requireDatagrams('announce', device, queuePair)
  const end = openEnd(device, true)
  try {
    end.id.bind(where)
    requireDevice('announce', device, end.id.route().device)
    end.id.listen(128)
    return new Announcement(end, queuePair, bytes, signal)
  } catch (error) {
    end.abandon()
    throw error
  }
}

export async function findDatagramPeer(device: Device, options: FindPeerOptions): Promise<DatagramPeer> {
  const given = checked('findPeer', findPeerOptions, options)
  const limit = patience('findPeer', given.timeout ?? defaultTimeout, given.signal)
  const place = remotePlace('findPeer', given)
  const bytes = outgoing('findPeer', privateDataLimits.connectDatagrams, given.privateData)
  requireSameDevice('findPeer', device, [given.domain])
  const letGo = given.domain.underWay('findPeer')
  try {
    const end = await resolved(device, limit, true, place, given)
    try {
      end.id.connect(datagramParameters, bytes)
      const event = await expected(end, limit, 'ESTABLISHED')
      return new DatagramPeer(receiverOf('findPeer', given.domain, event.datagramPeer), event.privateData)
    } finally {
      end.abandon()
    }
  } finally {
    letGo()
  }
}

export async function joinGroup(device: Device, options: JoinMulticastOptions): Promise<MulticastMembership> {
  const given = checked('joinMulticast', joinOptions, options)
  const limit = patience('joinMulticast', given.timeout ?? defaultTimeout, given.signal)
  const { queuePair, group } = given
  throwIfAborted(given.signal)
  requireDatagrams('joinMulticast', device, queuePair)
  const letGo = queuePair.underWay('joinMulticast')
  let end: ConnectionEnd | undefined
  try {
    end = openEnd(device, true)
    end.id.bind({ address: given.source ?? ownAddress(device), port: 0 })
    requireDevice('joinMulticast', device, end.id.route().device)
    end.id.joinMulticast(group)
    const { datagramPeer } = await expected(end, limit, 'MULTICAST_JOIN')
    const receiver = receiverOf('joinMulticast', queuePair.domain, datagramPeer)
    try {
      const path = { gid: datagramPeer?.path.gid ?? '', lid: datagramPeer?.path.lid ?? 0 }
      queuePair.attachMulticast(path)
      end.follow(
        () => {},
        () => {},
      )
      return new MulticastMembership(end, group, queuePair, receiver, path)
    } catch (error) {
      receiver.addressHandle.close()
      throw error
    }
  } catch (error) {
    end?.abandon()
    throw error
  } finally {
    letGo()
  }
}

function receiverOf(
  subject: string,
  domain: ProtectionDomain,
  peer: DatagramPeerAttributes | undefined,
): DatagramReceiver {
  if (peer === undefined) {
    throw new PinfoldError(`${subject}: the answer names no queue pair`, { code: 'ERR_CONNECTION_CLOSED' })
  }
  const { path, queuePairNumber, queueKey } = peer
  return { addressHandle: domain.createAddressHandle(path), queuePair: queuePairNumber, queueKey }
}

function requireDatagrams(subject: string, device: Device, queuePair: QueuePair): void {
  requireSameDevice(subject, device, [queuePair])
  const { label, type, queueKey } = queuePair
  if (type === 'UD' && queueKey === connectionQueueKey) return
  const why = type === 'UD' ? 'has another queue key than connectionQueueKey' : `is of type ${type}, not UD`
  throw new PinfoldError(`${subject}: ${label} ${why}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { type },
    hint: "createQueuePair({ type: 'UD', queueKey: connectionQueueKey, … })",
  })
}

/** The IPv4 address of the best GID, which names the network. */
function ownAddress(device: Device): string {
  if (device.kind === 'loopback') return '127.0.0.1'
  const { gid } = device.bestGid(1)
  if (!isMapped(gid)) return gid
  const [high = '', low = ''] = gid.split(':').slice(6)
  return [high.slice(0, 2), high.slice(2), low.slice(0, 2), low.slice(2)]
    .map((byte) => Number.parseInt(byte, 16))
    .join('.')
}
