import type { Handle, PathAttributes, QueuePairChange, QueuePairRequest } from '../contract/device-calls.js'
import type { CompletionStore } from './completion-store.js'
import type { LoopbackContext } from './context.js'
import type { OutgoingLink } from './network/outgoing-link.js'
import type { RegisteredMemory } from './registered-memory.js'

/** A protection domain. It cannot be freed while objects use it. */
export interface Domain {
  handle: Handle
  uses: number
}

/** A memory window. */
export interface Window {
  readonly isWindow: true
  handle: Handle
  readonly domain: Domain
  readonly type: number
  rkey: number
  /** The memory to which the memory window is bound; undefined while it is not bound. */
  memory: RegisteredMemory | undefined
  /** Start of the memory window in the registration; after it, the two halves of its address for peers. */
  offset: number
  low: number
  high: number
  length: number
  access: number
  /** The registration of the last bind that was posted. */
  named: RegisteredMemory | undefined
  /** The queue pair that bound the memory window. Only this queue pair can use one of type 2. */
  queuePair: QueuePairEndpoint | undefined
}

/** A receive that was posted. */
export interface PostedReceive {
  readonly idLow: number
  readonly idHigh: number
  readonly entries: readonly PostedEntry[]
}

export interface PostedEntry {
  readonly memory: RegisteredMemory
  readonly offset: number
  readonly length: number
}

/** A send that could not be carried out at once. */
export interface PostedSend {
  readonly words: Uint32Array
  /** The bytes of an inline send, as they were when it was posted. */
  readonly inline: Uint8Array | undefined
}

/** A path of datagrams: an address handle. */
export interface Path {
  /** The connection to the thread or process of the path, if it is another one. */
  link: OutgoingLink | undefined
  handle: Handle
  readonly domain: Domain
  readonly attributes: PathAttributes
}

/** A shared receive queue. */
export interface SharedReceives {
  handle: Handle
  readonly domain: Domain
  readonly receives: PostedReceive[]
  capacity: number
  readonly entries: number
  limit: number
  uses: number
  readonly context: LoopbackContext
}

/** The requests of a queue pair whose peer belongs to another thread or process: network/remote-sender.ts. */
export interface RemoteRequests {
  /** The queue pair has come to RTS from RTR. */
  start(): void
  /** Sends requests of `pending`, as far as they can be sent now. */
  transmit(): void
  /** @returns whether requests are under way. An event follows once they have completed */
  drains(): boolean
  /** Forgets what was sent: `pending` was emptied. */
  abandon(): void
  /** Gives up the connection to the peer. */
  close(): void
}

/** What a queue pair has received from a peer of another thread or process: network/remote-responder.ts. */
export interface Inbound {
  /** Sequence numbers of the next packet, and of the first packet of the message that is coming in. */
  expected: number
  first: number
  /** The message that is coming in, and where its next packet starts; undefined between two messages. */
  message: { readonly opcode: number; readonly total: number; readonly next: number } | undefined
  /** The packets of a message that is not whole. */
  parts: Uint8Array[]
}

/** A queue pair, as the wire knows it. */
export interface QueuePairEndpoint {
  handle: Handle
  readonly context: LoopbackContext
  readonly number: number
  readonly domain: Domain
  readonly request: QueuePairRequest
  readonly sendCompletions: CompletionStore
  readonly receiveCompletions: CompletionStore
  readonly shared: SharedReceives | undefined
  state: number
  readonly attributes: Required<Omit<QueuePairChange, 'state' | 'currentState' | 'drainNotify'>>
  readonly receives: PostedReceive[]
  /** Sends that wait for a receive of the peer, for its answer, or for the end of SQD. */
  readonly pending: PostedSend[]
  /** Retries that are left for the first pending send. */
  rnrLeft: number
  retriesLeft: number
  timer: NodeJS.Timeout | undefined
  readonly groups: Set<string>
  /** The windows that it has bound; undefined until it binds the first, which most queue pairs never do. */
  windows: Set<Window> | undefined
  /** Undefined while it has no peer, or a peer of this thread. */
  remote: RemoteRequests | undefined
  inbound: Inbound | undefined
  /** Whether a request of its peer has arrived. */
  isEstablished: boolean
}
