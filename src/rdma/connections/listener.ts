import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { abortReason, onAbort, throwIfAborted } from '../../abort.js'
import { PinfoldError } from '../../errors.js'
import { checked, later, optionsObject, signalOption } from '../../options.js'
import type { ConnectionEvent, ConnectionId, ConnectionPlace } from '../contract/connection-calls.js'
import type { Device } from '../device.js'
import { Waiters } from '../waiters.js'
import { ConnectionEnd, openEnd } from './connection-end.js'
import { ConnectionRequest } from './connection-request.js'
import { type ListenOptions, listenOptions } from './options.js'
import { listeningPlace, placeText } from './places.js'
import { type IdentityOptions, outgoing, privateDataLimits, readGreeting, whyNotPeer } from './private-data.js'
import { requireDevice } from './refusals.js'

const nextOptions = later(() => optionsObject({ signal: z.optional(signalOption) }))

/** Listens on an address: `device.listen()`. */
export function listenByAddress(device: Device, options: ListenOptions): Listener {
  const { backlog = 128, identity, signal, ...place } = checked('listen', listenOptions, options)
  const where = listeningPlace('listen', place)
  throwIfAborted(signal)
  device.requireOpen('listen')
  const end = openEnd(device, false)
  try {
    end.id.bind(where)
    requireDevice('listen', device, end.id.route().device)
    end.id.listen(backlog)
    return new Listener(end, backlog, identity, signal)
  } catch (error) {
    end.abandon()
    throw error
  }
}

/** Counts of a listener. */
export interface ListenerStats {
  /** Requests that have arrived. */
  readonly arrived: number
  /** Of these: rejected because `backlog` requests were waiting. */
  readonly overflowed: number
  /** Of these: rejected because of their identity. */
  readonly strangers: number
  /** Of these: rejected because they came to another device of this machine. */
  readonly misdirected: number
}

/** Waits for peers that connect. It ends by `close()`, by its signal, or with its device. */
export class Listener {
  /** Where it listens, with the port that the system has chosen. */
  readonly place: ConnectionPlace
  readonly #end: ConnectionEnd
  readonly #backlog: number
  readonly #identity: IdentityOptions | undefined
  readonly #pending = new Set<ConnectionRequest>()
  readonly #waiters = new Waiters()
  readonly #stats = { arrived: 0, overflowed: 0, strangers: 0, misdirected: 0 }
  readonly #deafen: () => void
  #why: { readonly reason: unknown } | undefined

  /** Made by `device.listen()`. */
  constructor(
    end: ConnectionEnd,
    backlog: number,
    identity: IdentityOptions | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#end = end
    this.#backlog = backlog
    this.#identity = identity
    this.place = end.id.route().local
    end.label = `listener ${placeText(this.place)}`
    end.follow(
      (event) => this.#told(event),
      (reason) => this.#finish(reason),
    )
    this.#deafen = onAbort(signal, () => this.#finish(abortReason(signal)))
  }

  get device(): Device {
    return this.#end.device
  }

  get closed(): boolean {
    return this.#why !== undefined
  }

  /** Requests that nobody has taken. */
  get pending(): number {
    return this.#pending.size
  }

  get stats(): ListenerStats {
    return { ...this.#stats }
  }

  /**
   * Waits for the next request.
   *
   * @throws the signal's reason, of this call or of `listen()`; PinfoldError `ERR_INVALID_ARGUMENT`;
   *   `ERR_CONNECTION_CLOSED` when the listener is closed, `ERR_OBJECT_CLOSED` when its device is
   */
  async next(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<ConnectionRequest> {
    const { signal } = checked('next', nextOptions, options)
    for (;;) {
      throwIfAborted(signal)
      for (const request of this.#pending) {
        this.#pending.delete(request)
        return request
      }
      if (this.#why !== undefined) throw this.#why.reason
      await this.#waiters.next(signal, this.#end.device).promise
    }
  }

  /** The requests, until it is closed. The signal of `listen()` ends the iteration with its reason. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConnectionRequest, void> {
    for (;;) {
      try {
        yield await this.next()
      } catch (error) {
        if (error instanceof PinfoldError && this.#why?.reason === error) return
        throw error
      }
    }
  }

  /** Ends it, and rejects the requests that nobody has taken. A second call does nothing. */
  async close(): Promise<void> {
    this.#finish(
      new PinfoldError(`listener ${placeText(this.place)} was closed`, {
        code: 'ERR_CONNECTION_CLOSED',
        values: { place: this.place },
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  [inspect.custom](): string {
    return `Listener ${placeText(this.place)}${this.closed ? ' (closed)' : ''}`
  }

  #told({ type, request, ...event }: ConnectionEvent): void {
    if (request !== undefined) this.#arrived(request, { type, ...event })
    else if (type === 'DEVICE_REMOVAL') {
      const message = `listener ${placeText(this.place)}: the device was removed`
      this.#finish(new PinfoldError(message, { code: 'ERR_DEVICE_REMOVED', values: { place: this.place } }))
    }
  }

  #arrived(id: ConnectionId, event: ConnectionEvent): void {
    this.#stats.arrived += 1
    const { device } = this.#end
    const identity = this.#identity
    const greeting = identity === undefined ? undefined : readGreeting(event.privateData)
    if (id.route().device !== device.name) {
      this.#stats.misdirected += 1
      refuse(id, new Uint8Array())
    } else if (identity !== undefined && whyNotPeer(greeting?.identity, identity) !== undefined) {
      this.#stats.strangers += 1
      refuse(id, outgoing('reject', privateDataLimits.reject, undefined, identity, true))
    } else if (this.#pending.size >= this.#backlog) {
      this.#stats.overflowed += 1
      refuse(id, new Uint8Array())
    } else {
      const request = new ConnectionRequest(new ConnectionEnd(device, id), event, identity, greeting)
      request.onGone(() => this.#pending.delete(request))
      this.#pending.add(request)
      this.#waiters.wake()
    }
  }

  #finish(reason: unknown): void {
    if (this.#why !== undefined) return
    this.#why = { reason }
    this.#deafen()
    this.#end.abandon()
    for (const request of this.#pending) request.leave()
    this.#pending.clear()
    this.#waiters.wake()
  }
}

/** Rejects a request that the program does not see. */
function refuse(id: ConnectionId, bytes: Uint8Array): void {
  try {
    id.reject(bytes)
  } catch {
    // The peer has given up meanwhile.
  }
  try {
    id.destroy()
  } catch {
    // An id that cannot be destroyed ends with the thread.
  }
}
