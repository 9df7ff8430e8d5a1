import * as z from 'zod/mini'
import { checked, later, optionsOf } from '../options.js'
import { type PathOptions, pathAttributes } from './address-handle.js'
import { type Access, accessFlags, accessOption } from './contract/access-flags.js'
import type { PathAttributes, QueuePairCapacity, QueuePairChange, QueuePairStatus } from './contract/device-calls.js'
import { bitNames, bitsOf } from './contract/enum-names.js'
import { positiveCount, whole, word16, word24, word32 } from './contract/number-options.js'
import { mtuBytes, mtus, type QueuePairState, queuePairStates } from './contract/states.js'
import type { Device } from './device.js'

const settable = queuePairStates.all.filter((state) => state !== 'UNKNOWN')
const stateOption = later(() => z.enum(settable, { error: `expected one of ${settable.join(', ')}` }))

export const mtuOption = later(() =>
  z
    .number({ error: `expected ${[...mtus.keys()].join(', ')}` })
    .check(z.refine((value) => mtus.has(value), { error: `expected ${[...mtus.keys()].join(', ')}` })),
)

const modifyOptions = later(() =>
  optionsOf<QueuePairAttributes>()({
    state: z.optional(stateOption),
    currentState: z.optional(stateOption),
    drainNotify: z.optional(z.boolean()),
    access: z.optional(accessOption),
    partitionKeyIndex: z.optional(word16),
    port: z.optional(positiveCount),
    queueKey: z.optional(word32),
    path: z.optional(
      z.custom<PathOptions>((value) => typeof value === 'object' && value !== null, { error: 'expected an object' }),
    ),
    mtu: z.optional(mtuOption),
    timeout: z.optional(whole(0, 31)),
    retryCount: z.optional(whole(0, 7)),
    rnrRetry: z.optional(whole(0, 7)),
    receivePsn: z.optional(word24),
    sendPsn: z.optional(word24),
    maxReadsStarted: z.optional(whole(0, 255)),
    maxReadsServed: z.optional(whole(0, 255)),
    minRnrTimer: z.optional(whole(0, 31)),
    remoteQueuePair: z.optional(word24),
  }),
)

/**
 * Attributes of a queue pair (`struct ibv_qp_attr`). An attribute that is left out is not changed. ibv_modify_qp(3) lists the
 * attributes that each change of state needs and allows.
 */
export interface QueuePairAttributes {
  /** The state that it goes to. */
  readonly state?: Exclude<QueuePairState, 'UNKNOWN'> | undefined
  /** The state to assume as the present one (cur_qp_state). Default: the state that the device knows. */
  readonly currentState?: Exclude<QueuePairState, 'UNKNOWN'> | undefined
  /** Whether the device reports SQ_DRAINED when the queue pair, on its way to SQD, has finished its requests. */
  readonly drainNotify?: boolean | undefined
  /** The rights of peers through this queue pair: 'remoteWrite', 'remoteRead', 'remoteAtomic'. */
  readonly access?: readonly Access[] | undefined
  /** The index of its partition key in the port's table, 16 bits. */
  readonly partitionKeyIndex?: number | undefined
  /** The port, from 1 on. */
  readonly port?: number | undefined
  /** UD: the key of datagrams to it, 32 bits. */
  readonly queueKey?: number | undefined
  /** The path to the peer. */
  readonly path?: PathOptions | undefined
  /** The most bytes of payload in a packet: 256, 512, 1024, 2048 or 4096. */
  readonly mtu?: number | undefined
  /** RC: how long it waits for an acknowledgement: 4.096 µs * 2^timeout, 0 to 31. 0 is without a limit. */
  readonly timeout?: number | undefined
  /** RC: how often it sends again when there is no acknowledgement, 0 to 7. */
  readonly retryCount?: number | undefined
  /** RC: how often it sends again when the peer has posted no receive, 0 to 7. 7 is without a limit. */
  readonly rnrRetry?: number | undefined
  /** The packet sequence number that the peer sends from, 24 bits. */
  readonly receivePsn?: number | undefined
  /** The packet sequence number that this queue pair sends from, 24 bits. */
  readonly sendPsn?: number | undefined
  /** RC: reads and atomics that it starts at once (max_rd_atomic), 0 to 255. */
  readonly maxReadsStarted?: number | undefined
  /** RC: reads and atomics of the peer that it serves at once (max_dest_rd_atomic), 0 to 255. */
  readonly maxReadsServed?: number | undefined
  /** RC: the code of the delay that it asks of a peer for which it has posted no receive, 0 to 31. */
  readonly minRnrTimer?: number | undefined
  /** The number of the peer's queue pair, 24 bits. */
  readonly remoteQueuePair?: number | undefined
}

/** The attributes as the device takes them. @throws PinfoldError `ERR_INVALID_ARGUMENT` */
export function queuePairChange(device: Device, attributes: QueuePairAttributes): QueuePairChange {
  const { state, currentState, access, path, mtu, ...numbers } = checked('modify', modifyOptions, attributes)
  const given = Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined))
  return {
    ...given,
    ...(state === undefined ? {} : { state: queuePairStates.byName[state] }),
    ...(currentState === undefined ? {} : { currentState: queuePairStates.byName[currentState] }),
    ...(access === undefined ? {} : { access: bitsOf(accessFlags, access) }),
    ...(path === undefined ? {} : { path: pathAttributes('modify: path', device, path) }),
    ...(mtu === undefined ? {} : { mtu: mtus.get(mtu) ?? 0 }),
  }
}

/** The attributes of a queue pair as the device tells them: ibv_query_qp(3). An attribute that is not set yet is 0. */
export interface QueuePairInformation {
  readonly state: QueuePairState | `${number}`
  readonly capacity: QueuePairCapacity
  readonly access: readonly Access[]
  readonly path: PathAttributes
  /** Bytes. */
  readonly mtu: number
  readonly port: number
  readonly partitionKeyIndex: number
  readonly queueKey: number
  readonly timeout: number
  readonly retryCount: number
  readonly rnrRetry: number
  readonly receivePsn: number
  readonly sendPsn: number
  readonly maxReadsStarted: number
  readonly maxReadsServed: number
  readonly minRnrTimer: number
  readonly remoteQueuePair: number
}

export function queuePairInformation(status: QueuePairStatus): QueuePairInformation {
  return {
    ...status,
    state: queuePairStates.nameOf(status.state),
    access: bitNames(accessFlags, status.access),
    mtu: mtuBytes(status.mtu),
  }
}
