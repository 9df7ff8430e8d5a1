// Work requests and completions as they cross from JavaScript to a device, in 32-bit words of this machine's byte order.
// The same numbers and names stand in native/verbs/work_layout.h; a test compares them. Memory and objects are named by
// handle, never by pointer. 64-bit values take two words, the low one first.

/** Words of a send request before its scatter entries. */
export const sendWord = {
  id: 0, // 2 words
  opcode: 2,
  flags: 3,
  entries: 4,
  /** Immediate data in host order, or the rkey to invalidate. */
  immediate: 5,
  rkey: 6,
  remoteAddress: 7, // 2 words
  /** The value that is compared with, or that is added. 2 words. */
  compareAdd: 9,
  swap: 11, // 2 words
  /** UD: handle of the address handle, then the peer's queue pair and its key. */
  addressHandle: 13,
  remoteQueuePair: 14,
  remoteKey: 15,
  /** Bind: handle of the window, and the range of a registration that it opens. Length 0 closes a window of type 1. */
  window: 16,
  bindRegistration: 17,
  bindOffset: 18, // 2 words, from the start of the registration
  bindLength: 20, // 2 words
  bindAccess: 22,
  /** The rkey that a window of type 2 gets: the window keeps its high 24 bits, the program chooses the low 8. */
  bindKey: 23,
} as const
export const sendHeaderWords = 24

/** Words of a receive request before its scatter entries. */
export const receiveWord = { id: 0, entries: 2 } as const
export const receiveHeaderWords = 4

/** Words of a scatter entry: a range of a registration. The offset counts from the start of what was registered. */
export const entryWord = { registration: 0, length: 1, offset: 2 } as const // offset: 2 words
export const entryWords = 4

/** Words of a completion. */
export const completionWord = {
  id: 0, // 2 words
  status: 2,
  opcode: 3,
  vendorError: 4,
  /** Bytes that were received or read. */
  bytes: 5,
  /** Number of the queue pair (qp_num). */
  queuePair: 6,
  /** UD: number of the sender's queue pair. */
  sourceQueuePair: 7,
  flags: 8,
  /** Immediate data in host order, or the rkey that the peer had invalidated. */
  immediate: 9,
  partitionKeyIndex: 10,
  sourceLid: 11,
  serviceLevel: 12,
  destinationPathBits: 13,
  /** Device time of an extended completion queue with timestamps, else 0. */
  timestamp: 14, // 2 words
} as const
export const completionWords = 16

/** Words that a send request with room for `entries` scatter entries takes in a batch. */
export function sendStride(entries: number): number {
  return sendHeaderWords + entries * entryWords
}

/** Words that a receive request with room for `entries` scatter entries takes in a batch. */
export function receiveStride(entries: number): number {
  return receiveHeaderWords + entries * entryWords
}
