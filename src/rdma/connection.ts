import { inspect } from 'node:util'
import * as z from 'zod'
import { PinfoldError } from '../errors.js'
import { checked, optionsObject } from '../options.js'
import { type Access, accessOption } from './access.js'
import { gidOption } from './gids.js'
import { byte, positiveCount, whole, word16, word24, word32 } from './numbers.js'
import type { QueuePair } from './queue-pair.js'
import { mtuOption } from './queue-pair-attributes.js'
import { queuePairTypes } from './states.js'

const descriptionSchema = z.lazy(() =>
  optionsObject({
    pinfold: z.literal('queue pair'),
    type: z.enum(queuePairTypes.all),
    number: word24,
    psn: word24,
    gid: gidOption,
    lid: word16,
    mtu: mtuOption,
    maxReads: byte,
    queueKey: word32,
  }),
)

/**
 * What a peer needs to connect to a queue pair, or to send datagrams to it: plain data for JSON.
 *
 * - `type`: 'RC', 'UC', 'UD'; `number`: qp_num; `psn`: the packet sequence number that it sends from.
 * - `gid`, `lid`: where its port is. `mtu`: the most bytes of payload that its port carries.
 * - `maxReads`: reads and atomics of the peer that it serves at once.
 * - `queueKey`: UD: the key that datagrams to it must have; 0 otherwise.
 */
export type QueuePairDescription = Readonly<z.infer<typeof descriptionSchema>>

const localOptions = {
  port: positiveCount.optional(),
  gidIndex: byte.optional(),
  partitionKeyIndex: word16.optional(),
}
const connectOptions = z.lazy(() =>
  optionsObject({
    ...localOptions,
    access: accessOption.optional(),
    mtu: mtuOption.optional(),
    timeout: whole(0, 31).optional(),
    retryCount: whole(0, 7).optional(),
    rnrRetry: whole(0, 7).optional(),
    minRnrTimer: whole(0, 31).optional(),
    trafficClass: byte.optional(),
    serviceLevel: whole(0, 15).optional(),
    hopLimit: byte.optional(),
  }),
)
const initializeOptions = z.lazy(() => optionsObject({ ...localOptions, access: accessOption.optional() }))

/**
 * How a queue pair is prepared: `port` (1 by default), `partitionKeyIndex` (0), and what peers may do through it: `access`,
 * of 'remoteWrite', 'remoteRead', 'remoteAtomic'; none by default.
 */
export interface InitializeOptions {
  readonly port?: number | undefined
  readonly gidIndex?: number | undefined
  readonly partitionKeyIndex?: number | undefined
  readonly access?: readonly Access[] | undefined
}

/**
 * How a connection is made; all may be left out.
 *
 * - `access`: what the peer may do through this queue pair, where memory is registered for it: none by default.
 * - `gidIndex`: the best by default: RoCE v2 with an IPv4 address, else RoCE v2, else the first.
 * - `mtu`: the lower of both ports' by default.
 * - `timeout` 14 (67 ms), `retryCount` 7, `rnrRetry` 7 (for ever), `minRnrTimer` 12 (0.64 ms): as in QueuePairAttributes.
 */
export type ConnectOptions = InitializeOptions & Readonly<Omit<z.input<typeof connectOptions>, 'access'>>

/** The description, which inspection and logs may show: it holds no key but a datagram's. */
export function describeQueuePair(queuePair: QueuePair, options: InitializeOptions): QueuePairDescription {
  const { port = 1, gidIndex } = checked('describe', initializeOptions, options)
  const { device } = queuePair
  const { activeMtu, lid } = device.port(port)
  const { gid } = gidIndex === undefined ? device.bestGid(port) : device.gid(port, gidIndex)
  const description: QueuePairDescription = {
    pinfold: 'queue pair',
    type: queuePair.type,
    number: queuePair.queuePairNumber,
    psn: queuePair.psn,
    gid,
    lid,
    mtu: activeMtu,
    maxReads: Math.min(device.attributes.maxReadsServed, 16),
    queueKey: queuePair.queueKey,
  }
  Object.defineProperty(description, inspect.custom, {
    value: () => ({ ...description, ...(description.queueKey === 0 ? {} : { queueKey: '(hidden)' }) }),
  })
  return description
}

/** A description that came from outside. @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function parseQueuePair(description: QueuePairDescription): QueuePairDescription {
  return checked('parseQueuePair', descriptionSchema, description)
}

/** RESET → INIT. */
export function initialize(queuePair: QueuePair, options: InitializeOptions): void {
  const { port = 1, partitionKeyIndex = 0, access = [] } = checked('initialize', initializeOptions, options)
  queuePair.modify({
    state: 'INIT',
    port,
    partitionKeyIndex,
    ...(queuePair.type === 'UD' ? { queueKey: queuePair.queueKey } : { access }),
  })
}

/** INIT → RTR → RTS of a queue pair for datagrams, which has no peer. */
export function activate(queuePair: QueuePair, options: InitializeOptions): void {
  requireType('activate', queuePair, queuePair.type === 'UD', 'UD: it is connected')
  if (queuePair.state === 'RESET') initialize(queuePair, options)
  queuePair.modify({ state: 'RTR' })
  queuePair.modify({ state: 'RTS', sendPsn: queuePair.psn })
}

/** RESET or INIT → RTR → RTS. What fails leaves the queue pair in RESET. */
export function connect(queuePair: QueuePair, remote: QueuePairDescription, options: ConnectOptions): void {
  const peer = checked('connect: remote', descriptionSchema, remote)
  const given = checked('connect', connectOptions, options)
  requireType('connect', queuePair, queuePair.type !== 'UD', 'RC or UC: datagrams need activate()')
  if (peer.type !== queuePair.type) {
    throw new PinfoldError(
      `connect: the peer is of type ${peer.type}, and ${queuePair.label} of type ${queuePair.type}`,
      {
        code: 'ERR_INVALID_ARGUMENT',
        values: { remote: peer.type, local: queuePair.type },
      },
    )
  }
  const before = queuePair.state
  try {
    const { port = 1, gidIndex, partitionKeyIndex = 0, access = [] } = given
    if (before === 'RESET') initialize(queuePair, { port, partitionKeyIndex, access })
    makeReady(queuePair, peer, { ...given, port, gidIndex })
  } catch (error) {
    if (before === 'RESET' && queuePair.state !== 'RESET') queuePair.modify({ state: 'RESET' })
    throw error
  }
}

function makeReady(
  queuePair: QueuePair,
  peer: QueuePairDescription,
  given: z.output<typeof connectOptions> & { readonly port: number },
): void {
  const { device } = queuePair
  const { port } = given
  const { activeMtu, linkLayer } = device.port(port)
  const isReliable = queuePair.type === 'RC'
  const reads = Math.min(device.attributes.maxReadsServed, 16)
  queuePair.modify({
    state: 'RTR',
    mtu: given.mtu ?? Math.min(activeMtu, peer.mtu),
    remoteQueuePair: peer.number,
    receivePsn: peer.psn,
    path: {
      port,
      lid: peer.lid,
      ...(linkLayer === 'InfiniBand' && given.gidIndex === undefined ? {} : { gid: peer.gid }),
      ...(given.gidIndex === undefined ? {} : { gidIndex: given.gidIndex }),
      ...(given.trafficClass === undefined ? {} : { trafficClass: given.trafficClass }),
      ...(given.serviceLevel === undefined ? {} : { serviceLevel: given.serviceLevel }),
      ...(given.hopLimit === undefined ? {} : { hopLimit: given.hopLimit }),
    },
    ...(isReliable ? { maxReadsServed: reads, minRnrTimer: given.minRnrTimer ?? 12 } : {}),
  })
  queuePair.modify({
    state: 'RTS',
    sendPsn: queuePair.psn,
    ...(isReliable
      ? {
          timeout: given.timeout ?? 14,
          retryCount: given.retryCount ?? 7,
          rnrRetry: given.rnrRetry ?? 7,
          maxReadsStarted: Math.min(peer.maxReads, device.attributes.maxReadsStarted),
        }
      : {}),
  })
}

function requireType(subject: string, queuePair: QueuePair, fits: boolean, expected: string): void {
  if (fits) return
  throw new PinfoldError(`${subject}: ${queuePair.label} is of type ${queuePair.type}, not ${expected}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { type: queuePair.type },
  })
}
