// The public part of this room. The classes are made by each other (`device.createDomain()`), so programs need their types
// alone; what they make themselves is exported as a value.

export type { AddressHandle, PathOptions } from './address-handle.js'
export type { Advice, AdvisedRange } from './advice.js'
export type { Burst, BurstOutcome } from './burst.js'
export { type Completion, Completions } from './completion.js'
export type { CompletionChannel } from './completion-channel.js'
export type { CompletionQueue, CompletionQueueOptions } from './completion-queue.js'
export type { CompletionStreamOptions } from './completion-stream.js'
export {
  type ConnectOptions,
  type DescribeOptions,
  type InitializeOptions,
  parseQueuePair,
  type QueuePairDescription,
} from './connection.js'
export type {
  ChosenGid,
  Connection,
  ConnectionEnding,
  ConnectionHappening,
} from './connections/connection.js'
export type { ConnectionRequest } from './connections/connection-request.js'
export {
  type Announcement,
  type AnnounceOptions,
  connectionQueueKey,
  type DatagramPeer,
  type FindPeerOptions,
  type JoinMulticastOptions,
  type MulticastMembership,
} from './connections/datagrams.js'
export type { Listener, ListenerStats } from './connections/listener.js'
export type {
  AcceptOptions,
  ConnectByAddressOptions,
  ListenOptions,
  PlaceOptions,
  RejectOptions,
  TransportOptions,
  WaitOptions,
} from './connections/options.js'
export type { ConnectionIdentity, IdentityOptions } from './connections/private-data.js'
export {
  createReconnectPolicy,
  type ReconnectOptions,
  type ReconnectPolicy,
  type ReconnectStats,
} from './connections/reconnect.js'
export type { Access } from './contract/access-flags.js'
export type { EventSubject, EventType } from './contract/async-events.js'
export type { ObjectKind } from './contract/closing-order.js'
export { type CompletionStatus, explainStatus } from './contract/completion-status.js'
export type { ConnectionEventType, ConnectionPlace, SocketAddress } from './contract/connection-calls.js'
export type {
  DeviceAttributes,
  DeviceCapability,
  DeviceKind,
  DeviceListing,
  ForkStatus,
  GidEntry,
  OnDemandCapabilities,
  OnDemandOperation,
  PortAttributes,
} from './contract/device-attributes.js'
export type { PathAttributes, QueuePairCapacity, SharedReceiveCapacity } from './contract/device-calls.js'
export { formatGid, type GidSpelling, type PreferredGid } from './contract/gids.js'
export { explainVendorError } from './contract/loopback-vendor-errors.js'
export { type CompletionOperation, type RequestOperation, sendFlags } from './contract/operations.js'
export type { PortState, QueuePairState, QueuePairType } from './contract/states.js'
export type { Device, DeviceMemoryOptions } from './device.js'
export type { DeviceEvent } from './device-event.js'
export type { DeviceMemory } from './device-memory.js'
export type { CloseOptions, DeviceObject } from './device-object.js'
export { type Exchanged, type ExchangeOptions, exchange } from './exchange.js'
export type { ImplicitRegistration } from './implicit-registration.js'
export type { MemoryWindow } from './memory-window.js'
export type { DmabufOptions, ProtectionDomain } from './protection-domain.js'
export type { QueuePair, QueuePairOptions } from './queue-pair.js'
export type { QueuePairAttributes, QueuePairInformation } from './queue-pair-attributes.js'
export type { ReceiveBatch, ReceiveRequest, ReceiveRing } from './receive-batch.js'
export type { RegisterOptions } from './register.js'
export type { Registration, ReregisterOptions } from './registration.js'
export type { RegistrationSlice, WorkMemory } from './registration-slice.js'
export {
  parseRemoteMemory,
  type RemoteMemory,
  type RemoteMemoryDescription,
  type RemoteSlice,
} from './remote-memory.js'
export type { SendBatch, SendBatchOptions, SendRing } from './send-batch.js'
export type {
  DatagramReceiver,
  MessageRequest,
  OneSidedRequest,
  RequestFlags,
  SendRequest,
} from './send-request.js'
export type { Series } from './series.js'
export type { SharedReceiveQueue, SharedReceiveQueueOptions } from './shared-receive-queue.js'
export type { StallAfter } from './stall-limit.js'
export type { RequestOptions } from './tracked-request.js'
