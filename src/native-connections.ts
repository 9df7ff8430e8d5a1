// The addon's functions for connections, one for each function of librdmacm (native/addon/connections_binding.cc). A
// failed call is thrown as a `SystemFailure` (errors.ts) whose syscall is the function's name.
//
// An id is a number that is never given again. Its events come through `take`, when `dispatch` of native-verbs.ts has
// told that there are some.

/** Words of the parameters of a connection (`struct rdma_conn_param`). */
export const parameterWord = {
  queuePairNumber: 0,
  responderResources: 1,
  initiatorDepth: 2,
  retryCount: 3,
  rnrRetryCount: 4,
  sharedReceives: 5,
} as const
export const parameterWords = 6

export interface NativeEndpoint {
  /** '' for none. */
  readonly address: string
  readonly port: number
}

export interface NativeConnectionEvent {
  /** The id that the event belongs to; of a request to connect, the listening id. */
  readonly id: number
  /** The id of a request to connect, which must be destroyed like any other; 0 for none. */
  readonly request: number
  /** `enum rdma_cm_event_type` */
  readonly type: number
  /** A negative error number, or the reason of a rejection. */
  readonly status: number
  readonly privateData: Uint8Array
  /** `parameterWords` words. Absent if the event tells a datagram peer. */
  readonly parameters?: Uint32Array
  /** Attributes (src/rdma/verbs/attribute-words.ts) of which the path, the number and the queue key are set. */
  readonly datagramPeer?: Uint32Array
}

export interface NativeConnections {
  createId(datagrams: boolean): number
  destroyId(id: number): void
  bindAddress(id: number, address: string, port: number): void
  resolveAddress(id: number, source: string | undefined, address: string, port: number, milliseconds: number): void
  resolveRoute(id: number, milliseconds: number): void
  listen(id: number, backlog: number): void
  connect(id: number, parameters: Uint32Array, privateData: Uint8Array): void
  accept(id: number, parameters: Uint32Array, privateData: Uint8Array): void
  reject(id: number, privateData: Uint8Array): void
  establish(id: number): void
  disconnect(id: number): void
  /** The code of the time that both sides wait for an acknowledgement: 4.096 µs * 2^timeout. */
  setAckTimeout(id: number, timeout: number): void
  joinMulticast(id: number, address: string): void
  leaveMulticast(id: number, address: string): void
  /** Fills in the attributes for a change to `state`, with their mask: src/rdma/verbs/attribute-words.ts. */
  attributes(id: number, state: number, attributes: Uint32Array): void
  describe(id: number): {
    /** '' before an address has chosen it. */
    readonly device: string
    readonly port: number
    readonly local: NativeEndpoint
    readonly peer: NativeEndpoint
  }
  /** The events since the last call. */
  take(): NativeConnectionEvent[]
}
