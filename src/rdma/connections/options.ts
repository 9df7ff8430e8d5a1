import * as z from 'zod/mini'
import { later, optionsOf, signalOption, text } from '../../options.js'
import { type Access, accessOption } from '../contract/access-flags.js'
import type { ConnectionPlace } from '../contract/connection-calls.js'
import { byte, whole, word16 } from '../contract/number-options.js'
import { deviceObject } from '../object-checks.js'
import type { QueuePair } from '../queue-pair.js'
import { mtuOption } from '../queue-pair-attributes.js'
import { type IdentityOptions, identityOption, placeName, privateDataOption } from './private-data.js'

/** A host name (RFC 1035: 255), or an address with a zone. */
const addressOption = later(() => text(255).check(z.minLength(1, { error: 'expected an address or a host name' })))
export const timeoutOption = later(() => whole(1, 2 ** 31 - 1))

/** The default of `timeout`, in ms. */
export const defaultTimeout = 10_000

/** Options that every wait has. */
export interface WaitOptions {
  /** Stops the call; it then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** The time limit of the whole call in ms, 1 to 2^31 - 1. Default: 10,000. */
  readonly timeout?: number | undefined
}

export const waitFields = { signal: z.optional(signalOption), timeout: z.optional(timeoutOption) }

/** What a connection does with a queue pair. */
export interface TransportOptions {
  /** Of type RC, in RESET or INIT, without a connection. It stays the program's. */
  readonly queuePair: QueuePair
  /** The rights of the peer through this queue pair. Default: none, or those of `initialize()`. */
  readonly access?: readonly Access[] | undefined
  /** The most bytes of payload in a packet. Default: as the connection manager chooses. */
  readonly mtu?: number | undefined
  /** How long the queue pair waits for an acknowledgement: 4.096 µs * 2^ackTimeout, 0 to 31. Default: 14 (67 ms). */
  readonly ackTimeout?: number | undefined
  /** As in `queuePair.connect()`. Default: 7. */
  readonly retryCount?: number | undefined
  /** As in `queuePair.connect()`. Default: 7, which is without a limit. */
  readonly rnrRetry?: number | undefined
  /** As in `queuePair.connect()`. Default: 12 (0.64 ms). */
  readonly minRnrTimer?: number | undefined
  /** Reads and atomics that we start at once. The peer may allow fewer. Default: as many as the device can, up to 16. */
  readonly maxReadsStarted?: number | undefined
  /** Reads and atomics of the peer that we serve at once. Default: as many as the device can, up to 16. */
  readonly maxReadsServed?: number | undefined
}

export const transportFields = {
  queuePair: deviceObject('queue pair'),
  access: z.optional(accessOption),
  mtu: z.optional(mtuOption),
  ackTimeout: z.optional(whole(0, 31)),
  retryCount: z.optional(whole(0, 7)),
  rnrRetry: z.optional(whole(0, 7)),
  minRnrTimer: z.optional(whole(0, 31)),
  maxReadsStarted: z.optional(byte),
  maxReadsServed: z.optional(byte),
}

/** Where a listener is, or will be. One of the two: `address` and `port`, or a `name` on the loopback. */
export interface PlaceOptions {
  /** An IPv4 or IPv6 address. To connect: also a host name, which is looked up. */
  readonly address?: string | undefined
  /** 0 to 65535. To listen, 0 lets the system choose. */
  readonly port?: number | undefined
  /** The loopback: a name of this user on this machine, up to 255 characters. */
  readonly name?: string | undefined
}

export const placeFields = {
  address: z.optional(addressOption),
  port: z.optional(word16),
  name: z.optional(placeName),
}

/** Options of `device.connect()`. */
export interface ConnectByAddressOptions extends PlaceOptions, TransportOptions, WaitOptions {
  /** Our own address, which chooses the device and the GID. Default: as the routes of the system say. */
  readonly source?: string | undefined
  /** Bytes for the peer before it accepts: up to 56, of which an identity takes 14 and its name. Default: none. */
  readonly privateData?: Uint8Array | undefined
  /** Who we are, and whom we expect. Both sides need it. Default: no identity is sent or expected. */
  readonly identity?: IdentityOptions | undefined
}

export const connectByAddressOptions = later(() =>
  optionsOf<ConnectByAddressOptions>()({
    ...placeFields,
    ...transportFields,
    ...waitFields,
    source: z.optional(addressOption),
    privateData: z.optional(privateDataOption),
    identity: z.optional(identityOption),
  }),
)

/** Options of `device.listen()`. */
export interface ListenOptions extends PlaceOptions {
  /** Requests that wait for the program; a request beyond them is rejected. 1 to 65535. Default: 128. */
  readonly backlog?: number | undefined
  /** Who we are, and whom we expect, as in {@link ConnectByAddressOptions}. */
  readonly identity?: IdentityOptions | undefined
  /** Closes the listener; whoever waits for a request gets the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export const listenOptions = later(() =>
  optionsOf<ListenOptions>()({
    ...placeFields,
    backlog: z.optional(whole(1, 2 ** 16 - 1)),
    identity: z.optional(identityOption),
    signal: z.optional(signalOption),
  }),
)

/** Options of `request.accept()`. */
export interface AcceptOptions extends TransportOptions, WaitOptions {
  /** Bytes for the peer: up to 196, of which an identity takes 14 and its name. Default: none. */
  readonly privateData?: Uint8Array | undefined
}

export const acceptOptions = later(() =>
  optionsOf<AcceptOptions>()({ ...transportFields, ...waitFields, privateData: z.optional(privateDataOption) }),
)

/** Options of `request.reject()`. */
export interface RejectOptions {
  /** Bytes for the peer: up to 148. Default: none. */
  readonly privateData?: Uint8Array | undefined
}

export const rejectOptions = later(() => optionsOf<RejectOptions>()({ privateData: z.optional(privateDataOption) }))

export type { ConnectionPlace }
