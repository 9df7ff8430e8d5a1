import type {
  PathAttributes,
  QueuePairCapacity,
  QueuePairChange,
  QueuePairRequest,
  QueuePairStatus,
} from '../contract/device-calls.js'

// Attributes in the form that native code takes. native/verbs/attribute_words.cc contains the same numbers and names,
// and native/addon/verbs_queue_binding.cc contains those of a request for a queue pair. A test compares them.

/** Words of a path. */
export const pathWord = {
  /** 1 if the path has a GID. */
  global: 0,
  gidIndex: 1,
  hopLimit: 2,
  trafficClass: 3,
  flowLabel: 4,
  lid: 5,
  serviceLevel: 6,
  pathBits: 7,
  port: 8,
  gid: 9, // 4 words
} as const
export const pathWords = 13

/** Words of a queue pair's attributes. */
export const attributeWord = {
  /** The bits of `attributeMask` for the attributes that are to be changed. */
  mask: 0,
  state: 1,
  currentState: 2,
  drainNotify: 3,
  access: 4,
  partitionKeyIndex: 5,
  port: 6,
  queueKey: 7,
  mtu: 8,
  timeout: 9,
  retryCount: 10,
  rnrRetry: 11,
  receivePsn: 12,
  sendPsn: 13,
  maxReadsStarted: 14,
  maxReadsServed: 15,
  minRnrTimer: 16,
  remoteQueuePair: 17,
  path: 18, // `pathWords` words
  /** Only in the answer to a query: 5 words, in the order of `queuePairWord`. */
  capacity: 31,
} as const
export const attributeWords = 36

/** Words of a request for a queue pair. Native code writes the granted capacity and the number into them. */
export const queuePairWord = {
  type: 0,
  domain: 1,
  sendQueue: 2,
  receiveQueue: 3,
  sharedReceiveQueue: 4,
  sendRequests: 5,
  receiveRequests: 6,
  sendEntries: 7,
  receiveEntries: 8,
  inlineBytes: 9,
  signalAll: 10,
  number: 11,
} as const
export const queuePairWords = 12

/** `enum ibv_qp_attr_mask` */
const attributeMask = {
  state: 1 << 0,
  currentState: 1 << 1,
  drainNotify: 1 << 2,
  access: 1 << 3,
  partitionKeyIndex: 1 << 4,
  port: 1 << 5,
  queueKey: 1 << 6,
  path: 1 << 7,
  mtu: 1 << 8,
  timeout: 1 << 9,
  retryCount: 1 << 10,
  rnrRetry: 1 << 11,
  receivePsn: 1 << 12,
  maxReadsStarted: 1 << 13,
  minRnrTimer: 1 << 15,
  sendPsn: 1 << 16,
  maxReadsServed: 1 << 17,
  remoteQueuePair: 1 << 20,
} as const

/** The attributes that are a number of one word. */
const numbers = [
  'state',
  'currentState',
  'access',
  'partitionKeyIndex',
  'port',
  'queueKey',
  'mtu',
  'timeout',
  'retryCount',
  'rnrRetry',
  'receivePsn',
  'sendPsn',
  'maxReadsStarted',
  'maxReadsServed',
  'minRnrTimer',
  'remoteQueuePair',
] as const

/** Encodes a change, with its mask. */
export function encodeChange(change: QueuePairChange): Uint32Array {
  const words = new Uint32Array(attributeWords)
  let mask = 0
  for (const name of numbers) {
    const value = change[name]
    if (value === undefined) continue
    words[attributeWord[name]] = value
    mask |= attributeMask[name]
  }
  if (change.drainNotify !== undefined) {
    words[attributeWord.drainNotify] = change.drainNotify ? 1 : 0
    mask |= attributeMask.drainNotify
  }
  if (change.path !== undefined) {
    words.set(encodePath(change.path), attributeWord.path)
    mask |= attributeMask.path
  }
  words[attributeWord.mask] = mask
  return words
}

/** Decodes a change: the attributes in its mask. */
export function decodeChange(words: Uint32Array): QueuePairChange {
  const mask = words[attributeWord.mask] ?? 0
  const { path, ...status } = decodeStatus(words)
  const wanted = numbers.filter((name) => name !== 'currentState' && (mask & attributeMask[name]) !== 0)
  return {
    ...Object.fromEntries(wanted.map((name) => [name, name === 'currentState' ? 0 : status[name]])),
    ...((mask & attributeMask.path) === 0 ? {} : { path }),
  }
}

export function decodeStatus(words: Uint32Array): QueuePairStatus {
  const at = (word: number) => words[word] ?? 0
  const of = (name: (typeof numbers)[number]) => at(attributeWord[name])
  return {
    state: of('state'),
    access: of('access'),
    partitionKeyIndex: of('partitionKeyIndex'),
    port: of('port'),
    queueKey: of('queueKey'),
    mtu: of('mtu'),
    timeout: of('timeout'),
    retryCount: of('retryCount'),
    rnrRetry: of('rnrRetry'),
    receivePsn: of('receivePsn'),
    sendPsn: of('sendPsn'),
    maxReadsStarted: of('maxReadsStarted'),
    maxReadsServed: of('maxReadsServed'),
    minRnrTimer: of('minRnrTimer'),
    remoteQueuePair: of('remoteQueuePair'),
    path: decodePath(words.subarray(attributeWord.path, attributeWord.path + pathWords)),
    capacity: decodeCapacity(words.subarray(attributeWord.capacity)),
  }
}

/** Encodes a request for a queue pair. */
export function encodeRequest({ capacity, signalAll, ...request }: QueuePairRequest): Uint32Array {
  const words = new Uint32Array(queuePairWords)
  words[queuePairWord.type] = request.type
  words[queuePairWord.domain] = request.domain
  words[queuePairWord.sendQueue] = request.sendQueue
  words[queuePairWord.receiveQueue] = request.receiveQueue
  words[queuePairWord.sharedReceiveQueue] = request.sharedReceiveQueue
  words[queuePairWord.sendRequests] = capacity.sendRequests
  words[queuePairWord.receiveRequests] = capacity.receiveRequests
  words[queuePairWord.sendEntries] = capacity.sendEntries
  words[queuePairWord.receiveEntries] = capacity.receiveEntries
  words[queuePairWord.inlineBytes] = capacity.inlineBytes
  words[queuePairWord.signalAll] = signalAll ? 1 : 0
  return words
}

/** Decodes the number and the capacity that native code has written into a request. */
export function decodeGrant(words: Uint32Array): { readonly number: number; readonly capacity: QueuePairCapacity } {
  const capacity = decodeCapacity(words.subarray(queuePairWord.sendRequests))
  return { number: words[queuePairWord.number] ?? 0, capacity }
}

function decodeCapacity([
  sendRequests = 0,
  receiveRequests = 0,
  sendEntries = 0,
  receiveEntries = 0,
  inlineBytes = 0,
]: Uint32Array): QueuePairCapacity {
  return { sendRequests, receiveRequests, sendEntries, receiveEntries, inlineBytes }
}

export function encodePath(given: PathAttributes): Uint32Array {
  const words = encodeGroup(given.gid, given.lid)
  words[pathWord.gidIndex] = given.gidIndex
  words[pathWord.hopLimit] = given.hopLimit
  words[pathWord.trafficClass] = given.trafficClass
  words[pathWord.flowLabel] = given.flowLabel
  words[pathWord.serviceLevel] = given.serviceLevel
  words[pathWord.pathBits] = given.pathBits
  words[pathWord.port] = given.port
  return words
}

/** Encodes a path that has only a GID and a LID. */
export function encodeGroup(gid: string, lid: number): Uint32Array {
  const words = new Uint32Array(pathWords)
  words[pathWord.lid] = lid
  if (gid === '') return words
  words[pathWord.global] = 1
  const groups = gid.split(':').map((group) => Number.parseInt(group, 16))
  for (let index = 0; index < 4; index++) {
    words[pathWord.gid + index] = (groups[2 * index] ?? 0) * 2 ** 16 + (groups[2 * index + 1] ?? 0)
  }
  return words
}

function decodePath(words: Uint32Array): PathAttributes {
  const at = (word: number) => words[word] ?? 0
  const groups = Array.from(words.subarray(pathWord.gid), (word) => [hex16(word >>> 16), hex16(word & 0xffff)]).flat()
  return {
    gid: at(pathWord.global) === 0 ? '' : groups.join(':'),
    gidIndex: at(pathWord.gidIndex),
    hopLimit: at(pathWord.hopLimit),
    trafficClass: at(pathWord.trafficClass),
    flowLabel: at(pathWord.flowLabel),
    lid: at(pathWord.lid),
    serviceLevel: at(pathWord.serviceLevel),
    pathBits: at(pathWord.pathBits),
    port: at(pathWord.port),
  }
}

function hex16(value: number): string {
  return value.toString(16).padStart(4, '0')
}

/** 64 bits in groups of 16: a GUID, or half of a GID. */
export function hexGroups(value: bigint): string {
  return [48n, 32n, 16n, 0n].map((shift) => hex16(Number((value >> shift) & 0xffffn))).join(':')
}
