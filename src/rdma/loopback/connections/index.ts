import type { ConnectionCalls } from '../../contract/connection-calls.js'
import { LoopbackId } from './connection-id.js'

/** Connections by an address or a name between the threads and processes of one user on this machine. */
export const loopbackConnections: ConnectionCalls = {
  create: (datagrams) => new LoopbackId(datagrams),
}
