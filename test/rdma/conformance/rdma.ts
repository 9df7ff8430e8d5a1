// The exports of the package that the suite uses. Its bundle for the lab and its run on the host both import them here.

export { PinfoldError } from '../../../src/errors.js'
export type { AddressHandle } from '../../../src/rdma/address-handle.js'
export { type Completion, Completions } from '../../../src/rdma/completion.js'
export type { CompletionChannel } from '../../../src/rdma/completion-channel.js'
export type { CompletionQueue, CompletionQueueOptions } from '../../../src/rdma/completion-queue.js'
export { type ConnectOptions, parseQueuePair, type QueuePairDescription } from '../../../src/rdma/connection.js'
export type { Connection } from '../../../src/rdma/connections/connection.js'
export { connectionQueueKey } from '../../../src/rdma/connections/datagrams.js'
export type { Listener } from '../../../src/rdma/connections/listener.js'
export type { Access } from '../../../src/rdma/contract/access-flags.js'
export type { SocketAddress } from '../../../src/rdma/contract/connection-calls.js'
export { formatGid } from '../../../src/rdma/contract/gids.js'
export { type QueuePairState, queuePairStates } from '../../../src/rdma/contract/states.js'
export type { Device } from '../../../src/rdma/device.js'
export type { DeviceEvent } from '../../../src/rdma/device-event.js'
export type { DeviceObject } from '../../../src/rdma/device-object.js'
export type { MemoryWindow } from '../../../src/rdma/memory-window.js'
export type { ProtectionDomain } from '../../../src/rdma/protection-domain.js'
export type { QueuePair, QueuePairOptions } from '../../../src/rdma/queue-pair.js'
export type { QueuePairAttributes } from '../../../src/rdma/queue-pair-attributes.js'
export type { Registration } from '../../../src/rdma/registration.js'
export type { RegistrationSlice, WorkMemory } from '../../../src/rdma/registration-slice.js'
export {
  parseRemoteMemory,
  type RemoteMemory,
  type RemoteMemoryDescription,
  type RemoteSlice,
} from '../../../src/rdma/remote-memory.js'
export type { SendRequest } from '../../../src/rdma/send-request.js'
export type { SharedReceiveQueue } from '../../../src/rdma/shared-receive-queue.js'
export type { MemoryRegistry } from '../../../src/registry/memory-registry.js'
export { openRegistrySync } from '../../../src/registry/open-registry.js'
export type { Region } from '../../../src/registry/region.js'
