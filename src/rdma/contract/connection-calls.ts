import type { PathAttributes, QueuePairChange } from './device-calls.js'
import { names } from './enum-names.js'

/** `enum rdma_cm_event_type` */
export const connectionEventTypes = names({
  ADDR_RESOLVED: 0,
  ADDR_ERROR: 1,
  ROUTE_RESOLVED: 2,
  ROUTE_ERROR: 3,
  CONNECT_REQUEST: 4,
  CONNECT_RESPONSE: 5,
  CONNECT_ERROR: 6,
  UNREACHABLE: 7,
  REJECTED: 8,
  ESTABLISHED: 9,
  DISCONNECTED: 10,
  DEVICE_REMOVAL: 11,
  MULTICAST_JOIN: 12,
  MULTICAST_ERROR: 13,
  ADDR_CHANGE: 14,
  TIMEWAIT_EXIT: 15,
})

/** The type of an event of a connection (rdma_get_cm_event(3)). */
export type ConnectionEventType = keyof typeof connectionEventTypes.byName

/** Reasons of a rejection by the connection manager (IBTA 12.6.7.2), of which programs see most often these. */
export const rejectionReasons = names({
  NO_QUEUE_PAIR: 1,
  NO_RESOURCES: 3,
  TIMEOUT: 4,
  INVALID_SERVICE_ID: 8,
  STALE_CONNECTION: 10,
  CONSUMER_DEFINED: 28,
})

/** An address and a port of IP. A link-local address has its zone: 'fe80::1%eth0'. */
export interface SocketAddress {
  readonly address: string
  /** 0 to 65535. */
  readonly port: number
}

/** Where a listener is: an address, or a name on this machine, which the loopback alone knows. */
export type ConnectionPlace = SocketAddress | { readonly name: string }

/** `struct rdma_conn_param` */
export interface ConnectionParameters {
  readonly queuePairNumber: number
  /** responder_resources */
  readonly maxReadsServed: number
  /** initiator_depth */
  readonly maxReadsStarted: number
  readonly retryCount: number
  readonly rnrRetry: number
  readonly sharedReceives: boolean
}

/** A peer of datagrams (`struct rdma_ud_param`). */
export interface DatagramPeerAttributes {
  readonly path: PathAttributes
  readonly queuePairNumber: number
  readonly queueKey: number
}

export interface ConnectionEvent {
  readonly type: ConnectionEventType | `${number}`
  /** 0, a negative errno, or of REJECTED the reason. */
  readonly status: number
  readonly privateData: Uint8Array
  readonly parameters?: ConnectionParameters | undefined
  readonly datagramPeer?: DatagramPeerAttributes | undefined
  /** Of CONNECT_REQUEST: the id for the new connection. The receiver of the event owns it. */
  readonly request?: ConnectionId | undefined
}

/** What is known of an id. */
export interface ConnectionRoute {
  /** The name of the device; '' before an address has chosen it. */
  readonly device: string
  /** The port of the device. */
  readonly port: number
  readonly local: ConnectionPlace
  readonly peer: ConnectionPlace
}

/**
 * One end of a connection, or a listener (`struct rdma_cm_id`), one call for each function of librdmacm. Queue pairs are
 * not made by it: `attributes` says how to change one, and `establish` tells the peer that this was done.
 *
 * A call throws PinfoldError, with the codes of `DeviceCalls` and `ERR_ADDRESS_UNREACHABLE`, `ERR_ADDRESS_IN_USE`.
 */
export interface ConnectionId {
  /** Sets the listener of its events. Each call comes from the event loop, never from inside another call. */
  onEvent(listener: (event: ConnectionEvent) => void): void
  bind(place: ConnectionPlace): void
  listen(backlog: number): void
  /** Ends with ADDR_RESOLVED or ADDR_ERROR. */
  resolveAddress(source: string | undefined, place: ConnectionPlace, milliseconds: number): void
  /** Ends with ROUTE_RESOLVED or ROUTE_ERROR. */
  resolveRoute(milliseconds: number): void
  /** Ends with CONNECT_RESPONSE (of datagrams: ESTABLISHED), REJECTED, UNREACHABLE or CONNECT_ERROR. */
  connect(parameters: ConnectionParameters, privateData: Uint8Array): void
  /** Ends with ESTABLISHED, REJECTED, UNREACHABLE or CONNECT_ERROR; of datagrams without an event. */
  accept(parameters: ConnectionParameters, privateData: Uint8Array): void
  reject(privateData: Uint8Array): void
  establish(): void
  /** Ends with DISCONNECTED. */
  disconnect(): void
  /** 4.096 µs * 2^timeout. */
  setAckTimeout(timeout: number): void
  /** Ends with MULTICAST_JOIN or MULTICAST_ERROR. */
  joinMulticast(group: string): void
  leaveMulticast(group: string): void
  /** The change of the queue pair to `state` of `enum ibv_qp_state`. */
  attributes(state: number): QueuePairChange
  route(): ConnectionRoute
  /** Ends it, and whatever it is doing. The peer of a connection learns of it. A second call does nothing. */
  destroy(): void
}

/** The connections of a device. */
export interface ConnectionCalls {
  /** @throws PinfoldError `ERR_CONNECTION_LIBRARY`, `ERR_UNSUPPORTED` (the kernel lacks rdma_ucm), … */
  create(datagrams: boolean): ConnectionId
}
