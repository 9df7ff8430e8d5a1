import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { throwIfAborted } from '../../abort.js'
import { PinfoldError } from '../../errors.js'
import { checked, later, optionsObject, optionsOf, signalOption } from '../../options.js'
import type { ConnectionEvent, ConnectionEventType, ConnectionPlace } from '../contract/connection-calls.js'
import type { PathAttributes } from '../contract/device-calls.js'
import { formatGid } from '../contract/gids.js'
import type { Device } from '../device.js'
import type { QueuePair } from '../queue-pair.js'
import { forgetAtReturn, Waiters } from '../waiters.js'
import { type ConnectionEnd, patience, within } from './connection-end.js'
import { defaultTimeout, type WaitOptions, waitFields } from './options.js'
import { placeText } from './places.js'
import type { ConnectionIdentity } from './private-data.js'
import { flush, release } from './queue-pair-steps.js'

const disconnectOptions = later(() => optionsOf<WaitOptions>()(waitFields))
const eventOptions = later(() => optionsObject({ signal: z.optional(signalOption) }))
const mostEvents = 64

/** The GID of our side, with the reason for it. */
export interface ChosenGid {
  /** In the short spelling of `formatGid`. */
  readonly gid: string
  readonly index: number
  /** As in `device.gids`: 'RoCE v2', … */
  readonly type: string
  readonly reason: string
}

/** Why a connection has ended. */
export interface ConnectionEnding {
  /** 'us': `disconnect()`, or its queue pair or device was closed. 'peer': the peer. 'device': it was removed. */
  readonly by: 'us' | 'peer' | 'device'
  readonly reason: string
}

/** An event of a connection. */
export interface ConnectionHappening {
  readonly type: ConnectionEventType | `${number}`
  /** 0, or a negative errno. */
  readonly status: number
}

/** How a connection came to be. */
export interface ConnectionStart {
  readonly end: ConnectionEnd
  readonly queuePair: QueuePair
  readonly path: PathAttributes | undefined
  readonly privateData: Uint8Array
  readonly peerIdentity: ConnectionIdentity | undefined
}

/** A connection of a queue pair. It ends by `disconnect()`, with its queue pair or device, or because the peer ends it. */
export class Connection {
  readonly queuePair: QueuePair
  /** Our side: an address and a port, or a name. */
  readonly local: ConnectionPlace
  readonly remote: ConnectionPlace
  /** The bytes that the peer has sent. Without an identity on both sides, the connection manager may append zeros. */
  readonly privateData: Uint8Array
  /** Who the peer is; undefined without an identity on both sides. */
  readonly peer: ConnectionIdentity | undefined
  readonly gid: ChosenGid
  /** Resolves when it has ended, and never rejects. */
  readonly closed: Promise<ConnectionEnding>
  readonly #end: ConnectionEnd
  readonly #iterators = new Set<ConnectionHappening[]>()
  readonly #waiters = new Waiters()
  /** The queue pair may have many connections, one after the other. */
  readonly #forget: () => void
  #resolve: (ending: ConnectionEnding) => void = () => {}
  #ending: ConnectionEnding | undefined
  #isLeaving = false

  /** Made by `device.connect()` and `request.accept()`. */
  constructor({ end, queuePair, path, privateData, peerIdentity }: ConnectionStart) {
    const { local, peer, port } = end.id.route()
    this.queuePair = queuePair
    this.local = local
    this.remote = peer
    end.label = `connection ${placeText(local)} → ${placeText(peer)}`
    this.privateData = privateData
    this.peer = peerIdentity
    this.gid = chosenGid(end.device, port, path?.gidIndex ?? 0, local)
    this.#end = end
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve
    })
    this.#forget = queuePair.onClose(() => this.#finish({ by: 'us', reason: `${queuePair.label} was closed` }))
    end.follow(
      (event) => this.#told(event),
      ({ message }) => this.#finish({ by: 'us', reason: message }),
    )
  }

  /** Why it has ended; undefined while it is open. */
  get ending(): ConnectionEnding | undefined {
    return this.#ending
  }

  /**
   * The events from now on: DISCONNECTED, ADDR_CHANGE, DEVICE_REMOVAL, … The iteration ends with the connection. The last 64
   * events are kept for it.
   *
   * @throws the signal's reason when it is aborted; PinfoldError `ERR_INVALID_ARGUMENT`
   */
  events(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<ConnectionHappening, void> {
    const { signal } = checked('events', eventOptions, options)
    const kept: ConnectionHappening[] = []
    this.#iterators.add(kept)
    return forgetAtReturn(this.#iterate(kept, signal), () => this.#iterators.delete(kept))
  }

  /**
   * Ends it. The queue pair goes to ERR, which flushes its outstanding requests, and the peer learns of it. A second call
   * waits for the same end.
   *
   * @throws the signal's reason; PinfoldError `ERR_INVALID_ARGUMENT`; `ERR_CONNECTION_TIMEOUT` when the peer does not
   *   answer. In each case it has ended
   */
  async disconnect(options: WaitOptions = {}): Promise<void> {
    const { signal, timeout = defaultTimeout } = checked('disconnect', disconnectOptions, options)
    const limit = patience('disconnect', timeout, signal)
    if (this.#ending !== undefined) return
    if (!this.#isLeaving) this.#leave()
    try {
      await within(this.#end.device, limit, this.closed)
    } catch (error) {
      this.#finish({ by: 'us', reason: 'disconnect() was stopped before the peer answered' })
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect()
  }

  [inspect.custom](): string {
    const { local, remote } = this
    return `Connection ${placeText(local)} → ${placeText(remote)}${this.#ending === undefined ? '' : ' (closed)'}`
  }

  #leave(): void {
    this.#isLeaving = true
    flush(this.queuePair)
    try {
      this.#end.id.disconnect()
    } catch (error) {
      // The connection manager knows no connection any more: the peer, or the device, was faster.
      this.#finish({ by: 'us', reason: error instanceof Error ? error.message : String(error) })
    }
  }

  #told(event: ConnectionEvent): void {
    const { type, status } = event
    for (const kept of this.#iterators) {
      kept.push({ type, status })
      if (kept.length > mostEvents) kept.shift()
    }
    if (type === 'DISCONNECTED') this.#disconnected()
    else if (type === 'DEVICE_REMOVAL') this.#finish({ by: 'device', reason: 'the device was removed' })
    else this.#waiters.wake()
  }

  #disconnected(): void {
    if (this.#isLeaving) {
      this.#finish({ by: 'us', reason: 'disconnect()' })
      return
    }
    try {
      this.#end.id.disconnect() // the answer to the peer
    } catch {
      // The connection manager has answered by itself, or the peer no longer waits.
    }
    this.#finish({ by: 'peer', reason: 'the peer has disconnected' })
  }

  #finish(ending: ConnectionEnding): void {
    if (this.#ending !== undefined) return
    this.#ending = ending
    this.#forget()
    // disconnect() has flushed it already. Since then the program may have reset it.
    if (!this.#isLeaving) flush(this.queuePair)
    release(this.queuePair)
    this.#end.abandon()
    this.#resolve(ending)
    this.#iterators.clear() // each iteration has its own events
    this.#waiters.wake()
  }

  async *#iterate(
    kept: ConnectionHappening[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<ConnectionHappening, void> {
    try {
      for (;;) {
        throwIfAborted(signal)
        const event = kept.shift()
        if (event !== undefined) yield event
        else if (this.#ending !== undefined) return
        else await this.#waiters.next(signal, this.#end.device).promise
      }
    } finally {
      this.#iterators.delete(kept)
    }
  }
}

/** The connection manager takes the GID of our address. With RoCE, one address has a GID for each version. */
function chosenGid(device: Device, port: number, index: number, local: ConnectionPlace): ChosenGid {
  try {
    const { gid, type } = device.gid(port, index)
    const reason = `it is the GID of ${placeText(local)}, with the version that the device uses by default (${type})`
    return { gid: formatGid(gid), index, type, reason }
  } catch (error) {
    if (!(error instanceof PinfoldError)) throw error
    return { gid: '', index, type: '', reason: `its entry of the GID table is gone: ${error.message}` }
  }
}
