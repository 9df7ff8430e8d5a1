import { PinfoldError } from '../../errors.js'
import { accessFlags } from '../contract/access-flags.js'
import type { ConnectionId, ConnectionParameters } from '../contract/connection-calls.js'
import type { QueuePairChange } from '../contract/device-calls.js'
import { bitsOf } from '../contract/enum-names.js'
import { mtus, queuePairStates } from '../contract/states.js'
import type { Device } from '../device.js'
import { requireSameDevice } from '../device-object.js'
import type { QueuePair } from '../queue-pair.js'
import type { TransportOptions } from './options.js'

const { INIT, RTR, RTS } = queuePairStates.byName

/** The queue pairs that a connection has, or is about to have. */
const taken = new WeakSet<QueuePair>()

/**
 * Brings a queue pair of the program from RESET or INIT to RTS, with the attributes of a connection id. It has the queue pair
 * for itself, until `release` or `reset`.
 */
export class QueuePairSteps {
  readonly queuePair: QueuePair
  readonly #given: TransportOptions
  readonly #letGo: () => void

  /**
   * @throws PinfoldError `ERR_OBJECT_CLOSED`, `ERR_DOMAIN_MISMATCH`, `ERR_INVALID_ARGUMENT` (not RC),
   *   `ERR_QUEUE_PAIR_STATE` (it is not in RESET or INIT, or has a connection)
   */
  constructor(subject: string, device: Device, given: TransportOptions) {
    const { queuePair } = given
    requireSameDevice(subject, device, [queuePair])
    requireFree(subject, queuePair)
    this.queuePair = queuePair
    this.#given = given
    taken.add(queuePair)
    this.#letGo = queuePair.underWay(subject)
  }

  /** Our parameters. `peer`: those of the peer, which has told them first. */
  parameters(peer?: ConnectionParameters): ConnectionParameters {
    const { queuePair } = this
    const { maxReadsServed, maxReadsStarted } = queuePair.device.attributes
    const given = this.#given
    return {
      queuePairNumber: queuePair.queuePairNumber,
      maxReadsServed: Math.min(given.maxReadsServed ?? Math.min(maxReadsServed, 16), peer?.maxReadsStarted ?? 255),
      maxReadsStarted: Math.min(given.maxReadsStarted ?? Math.min(maxReadsStarted, 16), peer?.maxReadsServed ?? 255),
      retryCount: given.retryCount ?? 7,
      rnrRetry: given.rnrRetry ?? 7,
      sharedReceives: queuePair.sharedReceiveQueue !== undefined,
    }
  }

  /** RESET or INIT → INIT. Law 7: the connection manager would give the peer rights; here the program names them. */
  initialize(id: ConnectionId): void {
    const { access } = this.#given
    const { access: _, ...change } = id.attributes(INIT)
    const rights = access === undefined && this.queuePair.state === 'INIT' ? {} : { access: access ?? [] }
    this.queuePair.change({
      ...change,
      ...(rights.access === undefined ? {} : { access: bitsOf(accessFlags, rights.access) }),
    })
  }

  /** INIT → RTR → RTS. @returns the attributes of RTR, which have the path */
  makeReady(id: ConnectionId, { maxReadsServed, maxReadsStarted }: ConnectionParameters): QueuePairChange {
    const given = this.#given
    const ready = id.attributes(RTR)
    this.queuePair.change({
      ...ready,
      maxReadsServed,
      minRnrTimer: given.minRnrTimer ?? 12,
      ...(given.mtu === undefined ? {} : { mtu: mtus.get(given.mtu) ?? 0 }),
    })
    this.queuePair.change({
      ...id.attributes(RTS),
      maxReadsStarted,
      // The connection manager has no setting of its own for the accepted side.
      timeout: given.ackTimeout ?? 14,
      retryCount: given.retryCount ?? 7,
      rnrRetry: given.rnrRetry ?? 7,
    })
    return ready
  }

  /** The connection is there: the queue pair may be closed now. */
  done(): void {
    this.#letGo()
  }

  /** The attempt has failed: the queue pair is in RESET then, and free for another one. */
  reset(): void {
    this.#letGo()
    taken.delete(this.queuePair)
    try {
      if (this.queuePair.state !== 'RESET') this.queuePair.modify({ state: 'RESET' })
    } catch {
      // The device refuses this, too. The caller gets the first error.
    }
  }
}

/** The connection of a queue pair has ended: another one may have it. */
export function release(queuePair: QueuePair): void {
  taken.delete(queuePair)
}

/** Flushes the outstanding requests of a queue pair, whose connection ends. */
export function flush(queuePair: QueuePair): void {
  if (queuePair.closed) return
  try {
    queuePair.modify({ state: 'ERR' })
  } catch {
    // A device that is gone has flushed them.
  }
}

function requireFree(subject: string, queuePair: QueuePair): void {
  const { label, type, state } = queuePair
  if (type !== 'RC') {
    throw new PinfoldError(`${subject}: ${label} is of type ${type}, not RC`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { type },
    })
  }
  const isFree = state === 'RESET' || state === 'INIT'
  if (isFree && !taken.has(queuePair)) return
  const why = isFree ? 'has a connection already' : `is in ${state}, and must be in RESET or INIT`
  throw new PinfoldError(`${subject}: ${label} ${why}`, {
    code: 'ERR_QUEUE_PAIR_STATE',
    values: { object: label, state },
    hint: "after a connection: queuePair.modify({ state: 'RESET' })",
  })
}
