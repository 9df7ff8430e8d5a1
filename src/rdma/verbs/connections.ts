import { constants } from 'node:os'
import { type ErrorCode, isSystemFailure, PinfoldError, type SystemFailure } from '../../errors.js'
import { native } from '../../native.js'
import { type NativeConnectionEvent, parameterWord, parameterWords } from '../../native-connections.js'
import {
  type ConnectionCalls,
  type ConnectionEvent,
  type ConnectionId,
  type ConnectionParameters,
  type ConnectionPlace,
  connectionEventTypes,
  type SocketAddress,
} from '../contract/connection-calls.js'
import { attributeWords, decodeChange, decodeStatus } from './attribute-words.js'
import { onConnectionEvents } from './open-context.js'
import { explainRefusal } from './refusal.js'

const { EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EHOSTUNREACH, ENETUNREACH, ENODEV, ENOENT, EPERM } =
  constants.errno

type Listener = (event: ConnectionEvent) => void

/** The ids of this thread that are not destroyed. Events of others come too late, and are dropped. */
const ids = new Map<number, RdmacmId>()

/** Connections by librdmacm, which is loaded on first use. */
export const rdmacm: ConnectionCalls = {
  create(datagrams) {
    onConnectionEvents(dispatch)
    return new RdmacmId(tried(() => native.connections.createId(datagrams)))
  },
}

/** An `rdma_cm_id`. */
class RdmacmId implements ConnectionId {
  readonly #number: number
  #listener: Listener | undefined

  constructor(number: number) {
    this.#number = number
    ids.set(number, this)
  }

  onEvent(listener: Listener): void {
    this.#listener = listener
  }

  told(event: ConnectionEvent): void {
    if (this.#listener === undefined) event.request?.destroy()
    else this.#listener(event)
  }

  bind(place: ConnectionPlace): void {
    const { address, port } = socketAddress(place)
    tried(() => native.connections.bindAddress(this.#number, address, port))
  }

  listen(backlog: number): void {
    tried(() => native.connections.listen(this.#number, backlog))
  }

  resolveAddress(source: string | undefined, place: ConnectionPlace, milliseconds: number): void {
    const { address, port } = socketAddress(place)
    tried(() => native.connections.resolveAddress(this.#number, source, address, port, milliseconds))
  }

  resolveRoute(milliseconds: number): void {
    tried(() => native.connections.resolveRoute(this.#number, milliseconds))
  }

  connect(parameters: ConnectionParameters, privateData: Uint8Array): void {
    tried(() => native.connections.connect(this.#number, encodeParameters(parameters), privateData))
  }

  accept(parameters: ConnectionParameters, privateData: Uint8Array): void {
    tried(() => native.connections.accept(this.#number, encodeParameters(parameters), privateData))
  }

  reject(privateData: Uint8Array): void {
    tried(() => native.connections.reject(this.#number, privateData))
  }

  establish(): void {
    tried(() => native.connections.establish(this.#number))
  }

  disconnect(): void {
    tried(() => native.connections.disconnect(this.#number))
  }

  setAckTimeout(timeout: number): void {
    tried(() => native.connections.setAckTimeout(this.#number, timeout))
  }

  joinMulticast(group: string): void {
    tried(() => native.connections.joinMulticast(this.#number, group))
  }

  leaveMulticast(group: string): void {
    tried(() => native.connections.leaveMulticast(this.#number, group))
  }

  attributes(state: number) {
    const words = new Uint32Array(attributeWords)
    tried(() => native.connections.attributes(this.#number, state, words))
    return decodeChange(words)
  }

  route() {
    return tried(() => native.connections.describe(this.#number))
  }

  destroy(): void {
    if (!ids.delete(this.#number)) return
    tried(() => native.connections.destroyId(this.#number))
  }
}

function dispatch(): void {
  for (const event of native.connections.take()) {
    const request = event.request === 0 ? undefined : new RdmacmId(event.request)
    const id = ids.get(event.id)
    if (id === undefined) request?.destroy()
    else id.told(decodeEvent(event, request))
  }
}

function decodeEvent(event: NativeConnectionEvent, request: ConnectionId | undefined): ConnectionEvent {
  const { type, status, privateData, parameters, datagramPeer } = event
  const decoded = { type: connectionEventTypes.nameOf(type), status, privateData, request }
  if (parameters !== undefined) return { ...decoded, parameters: decodeParameters(parameters) }
  if (datagramPeer === undefined) return decoded
  const { path, remoteQueuePair, queueKey } = decodeStatus(datagramPeer)
  return { ...decoded, datagramPeer: { path, queuePairNumber: remoteQueuePair, queueKey } }
}

function encodeParameters(parameters: ConnectionParameters): Uint32Array {
  const words = new Uint32Array(parameterWords)
  words[parameterWord.queuePairNumber] = parameters.queuePairNumber
  words[parameterWord.responderResources] = parameters.maxReadsServed
  words[parameterWord.initiatorDepth] = parameters.maxReadsStarted
  words[parameterWord.retryCount] = parameters.retryCount
  words[parameterWord.rnrRetryCount] = parameters.rnrRetry
  words[parameterWord.sharedReceives] = parameters.sharedReceives ? 1 : 0
  return words
}

function decodeParameters(words: Uint32Array): ConnectionParameters {
  const at = (word: number) => words[word] ?? 0
  return {
    queuePairNumber: at(parameterWord.queuePairNumber),
    maxReadsServed: at(parameterWord.responderResources),
    maxReadsStarted: at(parameterWord.initiatorDepth),
    retryCount: at(parameterWord.retryCount),
    rnrRetry: at(parameterWord.rnrRetryCount),
    sharedReceives: at(parameterWord.sharedReceives) !== 0,
  }
}

function socketAddress(place: ConnectionPlace): SocketAddress {
  if ('address' in place) return place
  throw new PinfoldError(`a real device connects by address, not by the name '${place.name}'`, {
    code: 'ERR_UNSUPPORTED',
    values: { name: place.name },
    hint: 'give an address and a port, or open the loopback: openDevice({ loopback: true })',
  })
}

/** Runs a call of native code. An error of that call becomes the error of the contract. */
function tried<Result>(call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    throw explained(error)
  }
}

function explained(error: unknown): PinfoldError {
  if (error instanceof PinfoldError || !isSystemFailure(error)) return explainRefusal(error, {})
  const { syscall, errno, values } = error
  const [code, message, hint] = meaningOf(error)
  return new PinfoldError(message, { code, syscall, errno, values, hint, cause: error })
}

function meaningOf(failure: SystemFailure): [code: ErrorCode, message: string, hint?: string] {
  const { errno, syscall, subject, message } = failure
  if (syscall === 'dlopen') {
    const hint = 'install librdmacm (Debian: sudo apt-get install -y librdmacm1)'
    return ['ERR_CONNECTION_LIBRARY', `librdmacm cannot be loaded: ${subject ?? message}`, hint]
  }
  if (syscall === 'dlvsym') return ['ERR_CONNECTION_LIBRARY', `${subject ?? message}: a newer rdma-core has it`]
  if (syscall === 'getaddrinfo') return ['ERR_INVALID_ARGUMENT', `'${subject ?? ''}' is no IP address`]
  if (syscall === 'rdma_create_event_channel') {
    if (errno === EACCES || errno === EPERM) {
      const hint = 'sudo chmod a+rw /dev/infiniband/rdma_cm'
      return ['ERR_DEVICE_PERMISSION', 'this user may not open /dev/infiniband/rdma_cm', hint]
    }
    if (errno === ENOENT || errno === ENODEV) {
      const hint = 'sudo modprobe rdma_ucm'
      return ['ERR_UNSUPPORTED', 'there is no /dev/infiniband/rdma_cm here: the kernel has no connection manager', hint]
    }
  }
  if (errno === EADDRINUSE) return ['ERR_ADDRESS_IN_USE', message]
  if (syscall === 'rdma_bind_addr' && (errno === ENODEV || errno === EADDRNOTAVAIL)) {
    return ['ERR_ADDRESS_UNREACHABLE', `${message}: no RDMA device has this address`]
  }
  if (errno === EADDRNOTAVAIL || errno === ENETUNREACH || errno === EHOSTUNREACH || errno === EAFNOSUPPORT) {
    return ['ERR_ADDRESS_UNREACHABLE', message]
  }
  if (syscall === 'rdma_resolve_addr' && errno === ENODEV) {
    return ['ERR_ADDRESS_UNREACHABLE', `${message}: no RDMA device leads to this address`]
  }
  return [errno === ENODEV ? 'ERR_DEVICE_REMOVED' : 'ERR_DEVICE_REFUSED', message]
}
