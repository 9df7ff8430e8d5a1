import { names } from './enum-names.js'

/** `enum ibv_qp_state` */
export const queuePairStates = names({ RESET: 0, INIT: 1, RTR: 2, RTS: 3, SQD: 4, SQE: 5, ERR: 6, UNKNOWN: 7 })

/**
 * The state of a queue pair (ibv_modify_qp(3)): RESET → INIT (receives may be posted) → RTR, ready to receive → RTS, ready
 * to send. SQD: the send queue is drained. SQE: the send queue has stopped after an error (UC, UD). ERR: all requests are
 * flushed.
 */
export type QueuePairState = keyof typeof queuePairStates.byName

/** `enum ibv_qp_type` */
export const queuePairTypes = names({ RC: 2, UC: 3, UD: 4 })

/** Reliable connection, unreliable connection, unreliable datagram. */
export type QueuePairType = keyof typeof queuePairTypes.byName

/** `enum ibv_port_state` */
export const portStates = names({ NOP: 0, DOWN: 1, INIT: 2, ARMED: 3, ACTIVE: 4, ACTIVE_DEFER: 5 })

/** The state of a port: 'ACTIVE' is ready. A number without a name in the headers stands for itself. */
export type PortState = keyof typeof portStates.byName | `${number}`

/** `enum ibv_mtu`: the number for each payload size in bytes. */
export const mtus = new Map([
  [256, 1],
  [512, 2],
  [1024, 3],
  [2048, 4],
  [4096, 5],
])

/** Bytes of an `enum ibv_mtu`; 0 for a number that is not one of them. */
export function mtuBytes(mtu: number): number {
  return mtu >= 1 && mtu <= 5 ? 128 << mtu : 0
}
