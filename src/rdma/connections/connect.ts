import { PinfoldError } from '../../errors.js'
import { checked } from '../../options.js'
import type { ConnectionEvent, ConnectionEventType, ConnectionPlace } from '../contract/connection-calls.js'
import type { Device } from '../device.js'
import { Connection } from './connection.js'
import { type ConnectionEnd, left, openEnd, type Patience, patience } from './connection-end.js'
import { type ConnectByAddressOptions, connectByAddressOptions, defaultTimeout } from './options.js'
import { placesOf, remotePlace } from './places.js'
import {
  type IdentityOptions,
  outgoing,
  privateDataLimits,
  readGreeting,
  remember,
  whyNotPeer,
} from './private-data.js'
import { QueuePairSteps } from './queue-pair-steps.js'
import { failureOf, requireDevice } from './refusals.js'

/** Connects a queue pair to a listener: `device.connect()`. */
export async function connectByAddress(device: Device, options: ConnectByAddressOptions): Promise<Connection> {
  const given = checked('connect', connectByAddressOptions, options)
  const limit = patience('connect', given.timeout ?? defaultTimeout, given.signal)
  const place = remotePlace('connect', given)
  device.requireOpen('connect')
  const bytes = outgoing('connect', privateDataLimits.connect, given.privateData, given.identity)
  const steps = new QueuePairSteps('connect', device, given)
  let end: ConnectionEnd | undefined
  try {
    end = await resolved(device, limit, false, place, given)
    steps.initialize(end.id)
    end.id.connect(steps.parameters(), bytes)
    const answer = await expected(end, limit, 'CONNECT_RESPONSE', given.identity !== undefined)
    const greeting = given.identity === undefined ? undefined : acceptable(end, answer, given.identity)
    const path = steps.makeReady(end.id, steps.parameters(answer.parameters)).path
    end.id.establish()
    remember(greeting?.identity)
    steps.done()
    return new Connection({
      end,
      queuePair: steps.queuePair,
      path,
      privateData: greeting?.data ?? answer.privateData,
      peerIdentity: greeting?.identity,
    })
  } catch (error) {
    end?.abandon()
    steps.reset()
    throw error
  }
}

/** The greeting of the peer's answer. A peer that is not accepted learns why. @throws `ERR_CONNECTION_IDENTITY` */
function acceptable(end: ConnectionEnd, { privateData }: ConnectionEvent, identity: IdentityOptions) {
  const greeting = readGreeting(privateData)
  const refusal = whyNotPeer(greeting?.identity, identity)
  if (refusal === undefined) return greeting
  end.id.reject(outgoing('connect', privateDataLimits.reject, undefined, identity, true))
  throw refusal
}

/** Waits for one event. Every other ends the attempt. @throws PinfoldError */
export async function expected(
  end: ConnectionEnd,
  limit: Patience,
  type: ConnectionEventType,
  withIdentity = false,
): Promise<ConnectionEvent> {
  const event = await end.next(limit)
  if (event.type === type) return event
  throw failureOf(limit, event, withIdentity)
}

/** How to go there. */
interface Way {
  /** Our own address. */
  readonly source?: string | undefined
  readonly ackTimeout?: number | undefined
}

/** An end with an address and a route: of a host's addresses, the first that has one. */
export async function resolved(
  device: Device,
  limit: Patience,
  datagrams: boolean,
  destination: ConnectionPlace,
  way: Way,
): Promise<ConnectionEnd> {
  const places = await placesOf(device, limit, destination)
  let first: unknown
  for (const place of places) {
    const end = openEnd(device, datagrams)
    try {
      return await routed(end, limit, way, place)
    } catch (error) {
      end.abandon()
      if (!(error instanceof PinfoldError) || error.code !== 'ERR_ADDRESS_UNREACHABLE') throw error
      first ??= error
    }
  }
  throw first
}

async function routed(
  end: ConnectionEnd,
  limit: Patience,
  { source, ackTimeout }: Way,
  place: ConnectionPlace,
): Promise<ConnectionEnd> {
  const milliseconds = Math.max(1, left(limit))
  end.id.resolveAddress(source, place, milliseconds)
  await expected(end, limit, 'ADDR_RESOLVED')
  requireDevice(limit.subject, end.device, end.id.route().device)
  // The route contains it, and the peer takes it from there.
  if (ackTimeout !== undefined) end.id.setAckTimeout(ackTimeout)
  end.id.resolveRoute(Math.max(1, left(limit)))
  await expected(end, limit, 'ROUTE_RESOLVED')
  return end
}
