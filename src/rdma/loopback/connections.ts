import type { ConnectionCalls } from '../contract/connection-calls.js'
import { unsupported } from './refusal.js'

export const loopbackConnections: ConnectionCalls = {
  create() {
    throw unsupported('rdma_create_id', 'not yet')
  },
}
