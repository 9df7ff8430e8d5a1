import { constants } from 'node:os'
import { inspect } from 'node:util'
import { PinfoldError } from '../../errors.js'
import { checked } from '../../options.js'
import type { ConnectionEvent, ConnectionParameters, ConnectionPlace } from '../contract/connection-calls.js'
import { expected } from './connect.js'
import { Connection } from './connection.js'
import { type ConnectionEnd, patience } from './connection-end.js'
import { type AcceptOptions, acceptOptions, defaultTimeout, type RejectOptions, rejectOptions } from './options.js'
import { placeText } from './places.js'
import {
  type ConnectionIdentity,
  type Greeting,
  type IdentityOptions,
  outgoing,
  privateDataLimits,
  remember,
  whyNotPeer,
} from './private-data.js'
import { QueuePairSteps } from './queue-pair-steps.js'

const { EINVAL } = constants.errno

/** A peer that wants to connect. It waits until the program accepts or rejects it. */
export class ConnectionRequest {
  /** Where it came to. */
  readonly local: ConnectionPlace
  /** Where it comes from. */
  readonly remote: ConnectionPlace
  /** The bytes of the peer. Without an identity on both sides, the connection manager may append zeros to them. */
  readonly privateData: Uint8Array
  /** Who the peer is; undefined without an identity on both sides. */
  readonly peer: ConnectionIdentity | undefined
  readonly #end: ConnectionEnd
  readonly #identity: IdentityOptions | undefined
  readonly #parameters: ConnectionParameters | undefined
  #answer: 'none' | 'accepted' | 'rejected' | 'gone' = 'none'
  #onGone = () => {}

  /** Made by a `Listener`. */
  constructor(
    end: ConnectionEnd,
    { privateData, parameters }: ConnectionEvent,
    identity: IdentityOptions | undefined,
    greeting: Greeting | undefined,
  ) {
    const { local, peer } = end.id.route()
    this.local = local
    this.remote = peer
    end.label = `request of ${placeText(peer)}`
    this.privateData = greeting?.data ?? privateData
    this.peer = greeting?.identity
    this.#end = end
    this.#identity = identity
    this.#parameters = parameters
    end.follow(
      () => this.#gone(),
      () => this.#gone(),
    )
  }

  /** Whether it was answered. A peer that has given up is noticed by `accept()`. */
  get ended(): boolean {
    return this.#answer !== 'none'
  }

  /** @internal Calls `listener` when the peer has given up, or the device is closed. */
  onGone(listener: () => void): void {
    this.#onGone = listener
  }

  /**
   * Accepts it with a queue pair, which is then connected.
   *
   * @throws the signal's reason; PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE` (private data), errors of the
   *   queue pair as of `device.connect()`: the request stays as it is. `ERR_CONNECTION_CLOSED` when the peer has given up or
   *   the request was answered before; `ERR_CONNECTION_TIMEOUT`, `ERR_CONNECTION_REFUSED`, `ERR_CONNECTION_IDENTITY` (the
   *   peer refuses our generation, or a newer one of the peer was accepted meanwhile, and this one is rejected); errors of
   *   the device. The queue pair is in RESET then
   */
  async accept(options: AcceptOptions): Promise<Connection> {
    const given = checked('accept', acceptOptions, options)
    const limit = patience('accept', given.timeout ?? defaultTimeout, given.signal)
    const bytes = outgoing('accept', privateDataLimits.accept, given.privateData, this.#identity)
    this.#requireOpen('accept')
    this.#requirePeer()
    const end = this.#end
    const steps = new QueuePairSteps('accept', end.device, given)
    this.#answer = 'accepted'
    try {
      // From now on, events end the wait below.
      end.unfollow()
      const parameters = steps.parameters(this.#parameters)
      steps.initialize(end.id)
      const { path } = steps.makeReady(end.id, parameters)
      if (given.ackTimeout !== undefined) end.id.setAckTimeout(given.ackTimeout)
      end.id.accept(parameters, bytes)
      await expected(end, limit, 'ESTABLISHED', this.#identity !== undefined)
      // A newer instance of the peer may have been accepted while this one was waited for.
      this.#throwIfOld()
      remember(this.peer)
      steps.done()
      const { privateData, peer: peerIdentity } = this
      return new Connection({ end, queuePair: steps.queuePair, path, privateData, peerIdentity })
    } catch (error) {
      end.abandon()
      steps.reset()
      throw this.#isGivenUp(error) ? this.#closed('accept', 'the peer has given up', error) : error
    }
  }

  /**
   * Rejects it: `connect()` of the peer throws `ERR_CONNECTION_REFUSED` with the private data.
   *
   * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`: it stays as it is. `ERR_CONNECTION_CLOSED` when the
   *   peer has given up, or it was answered before
   */
  async reject(options: RejectOptions = {}): Promise<void> {
    const { privateData } = checked('reject', rejectOptions, options)
    const bytes = outgoing('reject', privateDataLimits.reject, privateData, this.#identity)
    this.#requireOpen('reject')
    this.#answer = 'rejected'
    try {
      this.#end.id.reject(bytes)
    } finally {
      this.#end.abandon()
    }
  }

  /** @internal The listener is closed, and nobody has taken it. */
  leave(): void {
    if (this.#answer !== 'none') return
    this.#answer = 'gone'
    try {
      this.#end.id.reject(new Uint8Array())
    } catch {
      // The peer has given up meanwhile.
    }
    this.#end.abandon()
  }

  [inspect.custom](): string {
    return `ConnectionRequest ${placeText(this.remote)} (${this.#answer === 'none' ? 'waits' : this.#answer})`
  }

  #gone(): void {
    if (this.#answer !== 'none') return
    this.#answer = 'gone'
    this.#end.abandon()
    this.#onGone()
  }

  /** A newer instance of the peer was accepted while the request waited: this one learns why it is rejected. */
  #requirePeer(): void {
    try {
      this.#throwIfOld()
    } catch (error) {
      this.#answer = 'rejected'
      try {
        this.#end.id.reject(outgoing('accept', privateDataLimits.reject, undefined, this.#identity, true))
      } catch {
        // The peer has given up meanwhile.
      }
      this.#end.abandon()
      throw error
    }
  }

  #throwIfOld(): void {
    const refusal = this.#identity === undefined ? undefined : whyNotPeer(this.peer, this.#identity)
    if (refusal !== undefined) throw refusal
  }

  /** The kernel tells nothing of a peer that gives up before accept(): some step of the answer then fails. */
  #isGivenUp(error: unknown): boolean {
    if (!(error instanceof PinfoldError)) return false
    // The loopback cannot reach the device of a peer that is dead.
    if (error.code === 'ERR_DEVICE_REFUSED' && error.values.why === 'nobody') return true
    return error.code === 'ERR_CONNECTION_REFUSED' || (error.errno === EINVAL && /^rdma_/.test(error.syscall ?? ''))
  }

  #requireOpen(subject: string): void {
    if (this.#answer === 'none') return
    throw this.#closed(
      subject,
      this.#answer === 'gone' ? 'its listener or device was closed' : `it was ${this.#answer}`,
    )
  }

  #closed(subject: string, why: string, cause?: unknown): PinfoldError {
    return new PinfoldError(`${subject}: the request of ${placeText(this.remote)} has ended: ${why}`, {
      code: 'ERR_CONNECTION_CLOSED',
      values: { peer: this.remote, answer: this.#answer },
      cause,
    })
  }
}
