import { closeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { min, randomInt } from '../../../builtins.js'
import { isSystemFailure, PinfoldError } from '../../../errors.js'
import { native } from '../../../native.js'
import {
  type ConnectionEvent,
  type ConnectionEventType,
  type ConnectionId,
  type ConnectionParameters,
  type ConnectionPlace,
  rejectionReasons,
} from '../../contract/connection-calls.js'
import type { QueuePairChange } from '../../contract/device-calls.js'
import { mtus, queuePairStates } from '../../contract/states.js'
import { portMtu } from '../datagrams.js'
import { listen } from '../network/listener.js'
import { refusal, socketError } from '../refusal.js'
import { loopbackGid } from '../wire.js'
import { groupEvent } from './groups.js'
import { type Message, MessageLink, type PeerFacts, withVersion } from './messages.js'
import { abstractName, requireHere } from './place-names.js'
import { type FirstMessage, serve } from './server.js'

const { EADDRINUSE, EADDRNOTAVAIL, EAGAIN, ECONNREFUSED } = constants.errno
const { INIT, RTR, RTS } = queuePairStates.byName
const ownMtu = mtus.get(portMtu) ?? 1
/** The key of datagrams between queue pairs of the connection manager (rdma_cma.h, RDMA_UDP_QKEY). */
const queueKey = 0x0123_4567
/** As long as RoCE carries them: rdma_connect(3), "may be larger than that requested". */
const padded = { request: 56, response: 196, reject: 148, datagramRequest: 180, datagramResponse: 136 } as const

type Listener = (event: ConnectionEvent) => void
type State =
  | 'idle'
  | 'bound'
  | 'listening'
  | 'resolved'
  | 'routed'
  | 'waiting'
  | 'asked'
  | 'answered'
  | 'open'
  | 'ended'

/** As `rdma_cm_id` of RoCE, over a unix-domain socket with an abstract name. */
export class LoopbackId implements ConnectionId {
  readonly #datagrams: boolean
  readonly #psn = randomInt(0, 2 ** 24)
  #state: State = 'idle'
  #listener: Listener | undefined
  #local: ConnectionPlace | undefined
  #remote: ConnectionPlace | undefined
  #peer: PeerFacts | undefined
  #ours: ConnectionParameters | undefined
  #link: MessageLink | undefined
  #server: { close(): void } | undefined
  #descriptor: number | undefined
  #isLeaving = false

  constructor(datagrams: boolean) {
    this.#datagrams = datagrams
  }

  onEvent(listener: Listener): void {
    this.#listener = listener
  }

  bind(place: ConnectionPlace): void {
    this.#require('rdma_bind_addr', 'idle')
    requireHere('rdma_bind_addr', place, true)
    this.#local = place
    this.#state = 'bound'
    if ('address' in place && place.port === 0) this.#chooseName(place.address)
    else this.#takeName(place)
  }

  listen(_backlog: number): void {
    this.#require('rdma_listen', 'bound')
    const fd = this.#descriptor
    if (fd === undefined) throw refusal('rdma_listen', 'it is not bound')
    this.#descriptor = undefined
    this.#state = 'listening'
    this.#server = serve(fd, (first) => {
      const request = new LoopbackId(this.#datagrams)
      return request.#arrive(first, this.#local, (event) => this.#tell({ ...event, request }))
    })
  }

  resolveAddress(_source: string | undefined, place: ConnectionPlace, _milliseconds: number): void {
    this.#require('rdma_resolve_addr', 'idle')
    requireHere('rdma_resolve_addr', place, false)
    this.#remote = place
    this.#local = 'name' in place ? place : { address: place.address, port: randomInt(32_768, 61_000) }
    this.#state = 'resolved'
    this.#later('ADDR_RESOLVED')
  }

  resolveRoute(_milliseconds: number): void {
    this.#require('rdma_resolve_route', 'resolved')
    this.#state = 'routed'
    this.#later('ROUTE_RESOLVED')
  }

  connect(parameters: ConnectionParameters, privateData: Uint8Array): void {
    this.#require('rdma_connect', 'routed')
    const { placed: from, remote } = this.#places()
    this.#ours = parameters
    this.#state = 'waiting'
    const fd = this.#dial(remote)
    if (fd === undefined) return
    const { Socket } = process.getBuiltinModule('node:net')
    const link = this.#connected(new Socket({ fd, readable: true, writable: true }))
    const data = zeroPadded(privateData, this.#datagrams ? padded.datagramRequest : padded.request)
    link.send({ type: 'request', datagrams: this.#datagrams, from, ...this.#facts(parameters, data) })
  }

  accept(parameters: ConnectionParameters, privateData: Uint8Array): void {
    this.#require('rdma_accept', 'asked')
    this.#ours = parameters
    this.#state = this.#datagrams ? 'open' : 'answered'
    const data = zeroPadded(privateData, this.#datagrams ? padded.datagramResponse : padded.response)
    this.#link?.send({ type: 'response', ...this.#facts(parameters, data) })
  }

  reject(privateData: Uint8Array): void {
    if (this.#state !== 'asked' && this.#state !== 'waiting') this.#require('rdma_reject', 'asked')
    this.#state = 'ended'
    const data = zeroPadded(privateData, padded.reject)
    this.#link?.send({ type: 'reject', reason: rejectionReasons.byName.CONSUMER_DEFINED, privateData: data })
    this.#link?.close()
  }

  establish(): void {
    this.#require('rdma_establish', 'waiting')
    this.#state = 'open'
    this.#link?.send({ type: 'establish' })
  }

  disconnect(): void {
    this.#require('rdma_disconnect', 'open')
    this.#isLeaving = true
    this.#link?.send({ type: 'disconnect' })
  }

  setAckTimeout(_timeout: number): void {
    // A queue pair has its own, which the program's options have set.
  }

  joinMulticast(group: string): void {
    this.#later('MULTICAST_JOIN', 0, groupEvent(group, queueKey))
  }

  leaveMulticast(_group: string): void {
    // Nothing was kept: the queue pair itself is attached.
  }

  attributes(state: number): QueuePairChange {
    const peer = this.#peer
    const ours = this.#ours
    if (this.#state === 'ended') throw refusal('rdma_init_qp_attr', 'the peer has given up')
    if (state === INIT) {
      const rights = this.#datagrams ? { queueKey } : { access: 0 }
      return { state, port: 1, partitionKeyIndex: 0, ...rights }
    }
    if (peer === undefined) throw refusal('rdma_init_qp_attr', 'there is no peer yet')
    if (state === RTR) {
      return {
        state,
        mtu: min(ownMtu, peer.mtu),
        remoteQueuePair: peer.queuePairNumber,
        receivePsn: peer.psn,
        path: pathTo(peer.gid),
        maxReadsServed: ours?.maxReadsServed ?? peer.maxReadsStarted,
        minRnrTimer: 0,
      }
    }
    if (state !== RTS) throw refusal('rdma_init_qp_attr', 'expected INIT, RTR or RTS', { state })
    return {
      state,
      sendPsn: this.#psn,
      timeout: 14,
      retryCount: ours?.retryCount ?? 7,
      rnrRetry: ours?.rnrRetry ?? peer.rnrRetry,
      maxReadsStarted: min(ours?.maxReadsStarted ?? 255, peer.maxReadsServed),
    }
  }

  route() {
    const nowhere = { address: '', port: 0 }
    return { device: 'loopback0', port: 1, local: this.#local ?? nowhere, peer: this.#remote ?? nowhere }
  }

  destroy(): void {
    this.#listener = undefined
    this.#state = 'ended'
    this.#server?.close()
    this.#server = undefined
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
    this.#link?.close()
  }

  /** A request to connect has come over a socket. @returns false for one that is not understood */
  #arrive({ message, socket }: FirstMessage, local: ConnectionPlace | undefined, tell: Listener): boolean {
    if (message.type !== 'request' || message.datagrams !== this.#datagrams) return false
    this.#local = local
    this.#remote = message.from
    this.#peer = message
    this.#state = 'asked'
    this.#connected(socket)
    tell({ type: 'CONNECT_REQUEST', status: 0, privateData: message.privateData, parameters: message })
    return true
  }

  #connected(socket: Socket): MessageLink {
    const link = new MessageLink(
      socket,
      (message) => this.#received(message),
      () => this.#lost(),
    )
    this.#link = link
    return link
  }

  #received(message: Message): void {
    if (message.type === 'response' && this.#state === 'waiting') this.#responded(message)
    else if (message.type === 'reject') this.#rejected(message.reason, message.privateData)
    else if (message.type === 'establish' && this.#state === 'answered') {
      this.#state = 'open'
      this.#tell(plain('ESTABLISHED'))
    } else if (message.type === 'disconnect' && (this.#state === 'open' || this.#state === 'answered')) {
      this.#tell(plain('DISCONNECTED'))
      if (this.#isLeaving) this.#state = 'ended'
    } else this.#lost()
  }

  #responded(peer: PeerFacts): void {
    this.#peer = peer
    const { privateData } = peer
    if (!this.#datagrams) {
      this.#tell({ type: 'CONNECT_RESPONSE', status: 0, privateData, parameters: peer })
      return
    }
    const { queuePairNumber } = peer
    const datagramPeer = { path: pathTo(peer.gid), queuePairNumber, queueKey: peer.queueKey }
    this.#tell({ type: 'ESTABLISHED', status: 0, privateData, datagramPeer })
  }

  /** The kernel tells nothing of a peer that gives up before it was answered (ucma.c, ucma_event_handler). */
  #rejected(reason: number, privateData: Uint8Array): void {
    const isUnanswered = this.#state === 'asked'
    this.#state = 'ended'
    if (!isUnanswered) this.#tell({ ...plain('REJECTED', reason), privateData })
  }

  /** The peer is gone, or it has sent nonsense. The kernel rejects or disconnects in the place of a dead process. */
  #lost(): void {
    const { CONSUMER_DEFINED } = rejectionReasons.byName
    if (this.#state === 'open') {
      this.#state = 'ended'
      if (!this.#datagrams) this.#tell(plain('DISCONNECTED'))
    } else if (this.#state !== 'ended') this.#rejected(CONSUMER_DEFINED, new Uint8Array(padded.reject))
    this.#link?.close()
  }

  /** A connected socket; undefined if nobody listens there, which the peer's machine would tell by an event. */
  #dial(remote: ConnectionPlace): number | undefined {
    try {
      return native.connectAbstract(abstractName(remote))
    } catch (error) {
      if (!isSystemFailure(error)) throw error
      const { INVALID_SERVICE_ID, NO_RESOURCES } = rejectionReasons.byName
      if (this.#datagrams && (error.errno === ECONNREFUSED || error.errno === EAGAIN)) this.#later('UNREACHABLE', 1)
      else if (error.errno === ECONNREFUSED) this.#later('REJECTED', INVALID_SERVICE_ID)
      else if (error.errno === EAGAIN) this.#later('REJECTED', NO_RESOURCES)
      else throw socketError(error)
      return undefined
    }
  }

  #takeName(place: ConnectionPlace): void {
    try {
      this.#descriptor = native.listenAbstract(abstractName(place))
    } catch (error) {
      if (!isSystemFailure(error) || error.errno !== EADDRINUSE) throw socketError(error)
      const what = 'name' in place ? `the name '${place.name}'` : `port ${place.port}`
      throw new PinfoldError(`rdma_bind_addr: ${what} is in use on the loopback`, {
        code: 'ERR_ADDRESS_IN_USE',
        syscall: 'rdma_bind_addr',
        errno: EADDRINUSE,
        values: { place },
      })
    }
  }

  /** One of the ports that Linux chooses from (ip_local_port_range). */
  #chooseName(address: string): void {
    for (let tries = 0; tries < 256; tries++) {
      const place = { address, port: randomInt(32_768, 61_000) }
      try {
        this.#takeName(place)
        this.#local = place
        return
      } catch (error) {
        if (!(error instanceof PinfoldError) || error.code !== 'ERR_ADDRESS_IN_USE') throw error
      }
    }
    throw refusal('rdma_bind_addr', 'no port is free', {}, 'ERR_ADDRESS_IN_USE', EADDRNOTAVAIL)
  }

  #places(): { readonly placed: ConnectionPlace; readonly remote: ConnectionPlace } {
    if (this.#local === undefined || this.#remote === undefined) throw refusal('rdma_connect', 'it has no address')
    return { placed: this.#local, remote: this.#remote }
  }

  #facts(parameters: ConnectionParameters, privateData: Uint8Array) {
    try {
      listen() // the peer's requests come by a connection of its own, to the GID that it learns here
    } catch (error) {
      throw socketError(error)
    }
    const { queuePairNumber, maxReadsServed, maxReadsStarted, retryCount, rnrRetry, sharedReceives } = parameters
    return withVersion({
      queuePairNumber,
      maxReadsServed,
      maxReadsStarted,
      retryCount,
      rnrRetry,
      sharedReceives,
      psn: this.#psn,
      gid: loopbackGid(),
      mtu: ownMtu,
      queueKey: this.#datagrams ? queueKey : 0,
      privateData,
    })
  }

  #tell(event: ConnectionEvent): void {
    if (this.#listener === undefined) event.request?.destroy()
    else this.#listener(event)
  }

  #later(type: ConnectionEventType, status = 0, more: Partial<ConnectionEvent> = {}): void {
    setImmediate(() => this.#tell({ ...plain(type, status), ...more }))
  }

  #require(call: string, state: State): void {
    if (this.#state === state) return
    throw refusal(call, `the id is ${this.#state}, and must be ${state}`, { state: this.#state })
  }
}

function plain(type: ConnectionEventType, status = 0): ConnectionEvent {
  return { type, status, privateData: new Uint8Array() }
}

function zeroPadded(bytes: Uint8Array, length: number): Uint8Array {
  const made = new Uint8Array(length)
  made.set(bytes.subarray(0, length))
  return made
}

function pathTo(gid: string) {
  return {
    gid,
    gidIndex: 0,
    hopLimit: 64,
    trafficClass: 0,
    flowLabel: 0,
    lid: 0,
    serviceLevel: 0,
    pathBits: 0,
    port: 1,
  }
}
