import { inspect } from 'node:util'
import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { checked, later, optionsObject, optionsOf } from '../options.js'
import { type Access, accessOption } from './contract/access-flags.js'
import { gidOption } from './contract/gids.js'
import { byte, positiveCount, whole, word16, word24, word32 } from './contract/number-options.js'
import { type QueuePairType, queuePairTypes } from './contract/states.js'
import type { Device } from './device.js'
import type { QueuePair } from './queue-pair.js'
import { mtuOption } from './queue-pair-attributes.js'

/** @internal A description that came from outside. */
export const descriptionSchema = later(() =>
  optionsObject({
    pinfold: z._default(z.literal('queue pair'), 'queue pair'),
    type: z.enum(queuePairTypes.all),
    number: word24,
    psn: word24,
    gid: gidOption,
    lid: z._default(word16, 0),
    mtu: mtuOption,
    maxReads: z._default(byte, 1),
    queueKey: z._default(word32, 0),
  }),
)

/**
 * The data with which a peer connects to a queue pair or sends datagrams to it: plain data for JSON. A peer that is not
 * pinfold gives the data that it has; `connect` and `parseQueuePair` fill in the rest.
 */
export interface QueuePairDescription {
  /** The mark of a description by pinfold. A peer may leave it out. */
  readonly pinfold: 'queue pair'
  readonly type: QueuePairType
  /** Its number at its device (qp_num). */
  readonly number: number
  /** The packet sequence number that it sends from, 24 bits. */
  readonly psn: number
  /** The address of its port. A peer may give it in any spelling of `formatGid`. */
  readonly gid: string
  /** Its address within an InfiniBand subnet; 0 for RoCE. A peer may leave it out, which stands for 0. */
  readonly lid: number
  /** The most bytes of payload in a packet of its port. */
  readonly mtu: number
  /**
   * Reads and atomics of the peer that it serves at once. A peer may leave it out, which stands for 1: every RC queue pair
   * that serves reads can do this.
   */
  readonly maxReads: number
  /** UD: the key of datagrams to it, 32 bits; 0 for the other types. A peer may leave it out, which stands for 0. */
  readonly queueKey: number
}

const localOptions = {
  port: z.optional(positiveCount),
  partitionKeyIndex: z.optional(word16),
  access: z.optional(accessOption),
}
/** @internal */
export const connectOptions = later(() =>
  optionsOf<ConnectOptions>()({
    ...localOptions,
    gidIndex: z.optional(byte),
    mtu: z.optional(mtuOption),
    timeout: z.optional(whole(0, 31)),
    retryCount: z.optional(whole(0, 7)),
    rnrRetry: z.optional(whole(0, 7)),
    minRnrTimer: z.optional(whole(0, 31)),
    maxReadsStarted: z.optional(byte),
    maxReadsServed: z.optional(byte),
    trafficClass: z.optional(byte),
    serviceLevel: z.optional(whole(0, 15)),
    hopLimit: z.optional(byte),
  }),
)
const initializeOptions = later(() => optionsOf<InitializeOptions>()(localOptions))
const describeOptions = later(() =>
  optionsOf<DescribeOptions>()({
    port: z.optional(positiveCount),
    gidIndex: z.optional(byte),
    maxReads: z.optional(byte),
  }),
)

/** Options of `initialize`. In `connect`, the default of each is the value of `initialize`, if that was called. */
export interface InitializeOptions {
  /** The port, from 1 on. Default: 1. */
  readonly port?: number | undefined
  /** The index of its partition key in the port's table. Default: 0. */
  readonly partitionKeyIndex?: number | undefined
  /**
   * The rights of peers through this queue pair, on memory that was registered with the same rights: 'remoteWrite',
   * 'remoteRead', 'remoteAtomic'. A queue pair for datagrams takes no `access`. Default: none.
   */
  readonly access?: readonly Access[] | undefined
}

/** Options of `describe`. */
export interface DescribeOptions {
  /** The port of the address for peers. Default: the port that it was initialized with, or port 1 before that. */
  readonly port?: number | undefined
  /** The index of the GID for peers. Default: the best GID of the port, as in {@link ConnectOptions}. */
  readonly gidIndex?: number | undefined
  /**
   * Reads and atomics that the peer may start at once. It must not be more than the `maxReadsServed` of `connect()`.
   * Default: as many as the device serves, up to 16.
   */
  readonly maxReads?: number | undefined
}

/** Options of `connect`. */
export interface ConnectOptions extends InitializeOptions {
  /** The index of our GID that sends. Default: the best GID, as `device.bestGid` chooses it. */
  readonly gidIndex?: number | undefined
  /** The most bytes of payload in a packet. Default: the lower MTU of the two ports. */
  readonly mtu?: number | undefined
  /** RC: as in {@link QueuePairAttributes}. Default: 14 (67 ms). */
  readonly timeout?: number | undefined
  /** RC: as in {@link QueuePairAttributes}. Default: 7. */
  readonly retryCount?: number | undefined
  /** RC: as in {@link QueuePairAttributes}. Default: 7, which is without a limit. */
  readonly rnrRetry?: number | undefined
  /** RC: as in {@link QueuePairAttributes}. Default: 12 (0.64 ms). */
  readonly minRnrTimer?: number | undefined
  /**
   * RC: reads and atomics that we start at once (max_rd_atomic). Default: as many as the description of the peer allows.
   */
  readonly maxReadsStarted?: number | undefined
  /**
   * RC: reads and atomics of the peer that we serve at once (max_dest_rd_atomic). Default: as many as the device serves,
   * up to 16; `describe()` tells the peer this number.
   */
  readonly maxReadsServed?: number | undefined
  /** As in {@link PathOptions}. Default: 0. */
  readonly trafficClass?: number | undefined
  /** As in {@link PathOptions}. Default: 0. */
  readonly serviceLevel?: number | undefined
  /** As in {@link PathOptions}. Default: 64. */
  readonly hopLimit?: number | undefined
}

/** The description of a queue pair. Inspections and logs may show it: it contains no key but that of datagrams. */
export function describeQueuePair(queuePair: QueuePair, options: DescribeOptions): QueuePairDescription {
  const { device } = queuePair
  const given = checked('describe', describeOptions, options)
  const { port = portOf(queuePair), gidIndex, maxReads = readsServed(device) } = given
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
    maxReads,
    queueKey: queuePair.queueKey,
  }
  Object.defineProperty(description, inspect.custom, {
    value: () => ({ ...description, ...(description.queueKey === 0 ? {} : { queueKey: '(hidden)' }) }),
  })
  return description
}

/** The port that it was initialized with; before that, the default port. */
function portOf(queuePair: QueuePair): number {
  return queuePair.state === 'RESET' ? 1 : queuePair.query().port
}

/** Reads and atomics of a peer that are served by default. */
function readsServed(device: Device): number {
  return Math.min(device.attributes.maxReadsServed, 16)
}

/**
 * Checks a description that came from outside, fills in what it may leave out, and gives its GID the full spelling.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`
 */
export function parseQueuePair(description: unknown): QueuePairDescription {
  return checked('parseQueuePair', descriptionSchema, description)
}

/** RESET → INIT. */
export function initialize(queuePair: QueuePair, options: InitializeOptions): void {
  const given = checked('initialize', initializeOptions, options)
  requireNoAccess('initialize', queuePair, given)
  prepare(queuePair, given)
}

/** RESET or INIT → RTR → RTS of a queue pair for datagrams, which has no peer. */
export function activate(queuePair: QueuePair, options: InitializeOptions): void {
  const given = checked('activate', initializeOptions, options)
  requireType('activate', queuePair, queuePair.type === 'UD', 'UD: it is connected')
  requireNoAccess('activate', queuePair, given)
  orReset(queuePair, () => {
    prepare(queuePair, given)
    queuePair.modify({ state: 'RTR' })
    queuePair.modify({ state: 'RTS', sendPsn: queuePair.psn })
  })
}

/** RESET or INIT → RTR → RTS. */
export function connect(queuePair: QueuePair, remote: unknown, options: ConnectOptions): void {
  const peer = checked('connect: remote', descriptionSchema, remote)
  const given = checked('connect', connectOptions, options)
  requireType('connect', queuePair, queuePair.type !== 'UD', 'RC or UC: datagrams need activate()')
  requireSameType('connect', queuePair, peer)
  orReset(queuePair, () => {
    prepare(queuePair, given)
    makeReady(queuePair, peer, given)
  })
}

/** @internal @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function requireSameType(subject: string, queuePair: QueuePair, peer: QueuePairDescription): void {
  if (peer.type === queuePair.type) return
  throw new PinfoldError(
    `${subject}: the peer is of type ${peer.type}, and ${queuePair.label} of type ${queuePair.type}`,
    { code: 'ERR_INVALID_ARGUMENT', values: { remote: peer.type, local: queuePair.type } },
  )
}

/**
 * Brings a queue pair to INIT with the given values. If it is in INIT already, this changes only the given values:
 * ibv_modify_qp(3) allows port, partition key and access there.
 */
function prepare(queuePair: QueuePair, { port, partitionKeyIndex, access }: InitializeOptions): void {
  if (queuePair.state === 'INIT') {
    const isChanged = port !== undefined || partitionKeyIndex !== undefined || access !== undefined
    if (isChanged) queuePair.modify({ state: 'INIT', port, partitionKeyIndex, access })
    return
  }
  const rights = queuePair.type === 'UD' ? { queueKey: queuePair.queueKey } : { access: access ?? [] }
  queuePair.modify({ state: 'INIT', port: port ?? 1, partitionKeyIndex: partitionKeyIndex ?? 0, ...rights })
}

/** Runs the steps from RESET or INIT to RTS. After a failure the queue pair is in RESET. */
function orReset(queuePair: QueuePair, way: () => void): void {
  const isIdle = queuePair.state === 'RESET' || queuePair.state === 'INIT'
  try {
    way()
  } catch (error) {
    if (isIdle && queuePair.state !== 'RESET') reset(queuePair)
    throw error
  }
}

function reset(queuePair: QueuePair): void {
  try {
    queuePair.modify({ state: 'RESET' })
  } catch {
    // The device refuses this, too. The caller gets the first error, which says why it could not be connected.
  }
}

function makeReady(queuePair: QueuePair, peer: QueuePairDescription, given: z.output<typeof connectOptions>): void {
  const { device } = queuePair
  const port = portOf(queuePair)
  const { activeMtu, linkLayer } = device.port(port)
  const isReliable = queuePair.type === 'RC'
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
    ...(isReliable
      ? { maxReadsServed: given.maxReadsServed ?? readsServed(device), minRnrTimer: given.minRnrTimer ?? 12 }
      : {}),
  })
  queuePair.modify({
    state: 'RTS',
    sendPsn: queuePair.psn,
    ...(isReliable
      ? {
          timeout: given.timeout ?? 14,
          retryCount: given.retryCount ?? 7,
          rnrRetry: given.rnrRetry ?? 7,
          maxReadsStarted: given.maxReadsStarted ?? Math.min(peer.maxReads, device.attributes.maxReadsStarted),
        }
      : {}),
  })
}

/** A queue pair for datagrams gives access to nobody, and its verb would refuse the attribute. */
function requireNoAccess(subject: string, queuePair: QueuePair, { access }: InitializeOptions): void {
  requireType(subject, queuePair, queuePair.type !== 'UD' || access === undefined, 'RC or UC: it has no access rights')
}

function requireType(subject: string, queuePair: QueuePair, fits: boolean, expected: string): void {
  if (fits) return
  throw new PinfoldError(`${subject}: ${queuePair.label} is of type ${queuePair.type}, not ${expected}`, {
    code: 'ERR_INVALID_ARGUMENT',
    values: { type: queuePair.type },
  })
}
