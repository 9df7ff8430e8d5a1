import type { PathAttributes, QueuePairChange, QueuePairStatus } from '../contract/device-calls.js'

// Attributes as they cross to native code; the same numbers stand in native/verbs/attribute_words.cc.

/** Words of a path: whether it has a GID, the numbers in the order of `pathWord`, and the GID. */
export const pathWords = 13
const pathWord = {
  gidIndex: 1,
  hopLimit: 2,
  trafficClass: 3,
  flowLabel: 4,
  lid: 5,
  serviceLevel: 6,
  pathBits: 7,
  port: 8,
} as const
const gidWord = 9

/** Where each attribute of a queue pair stands, and its bit of `enum ibv_qp_attr_mask`. */
const attributes = {
  state: { word: 1, mask: 1 << 0 },
  currentState: { word: 2, mask: 1 << 1 },
  access: { word: 4, mask: 1 << 3 },
  partitionKeyIndex: { word: 5, mask: 1 << 4 },
  port: { word: 6, mask: 1 << 5 },
  queueKey: { word: 7, mask: 1 << 6 },
  mtu: { word: 8, mask: 1 << 8 },
  timeout: { word: 9, mask: 1 << 9 },
  retryCount: { word: 10, mask: 1 << 10 },
  rnrRetry: { word: 11, mask: 1 << 11 },
  receivePsn: { word: 12, mask: 1 << 12 },
  sendPsn: { word: 13, mask: 1 << 16 },
  maxReadsStarted: { word: 14, mask: 1 << 13 },
  maxReadsServed: { word: 15, mask: 1 << 17 },
  minRnrTimer: { word: 16, mask: 1 << 15 },
  remoteQueuePair: { word: 17, mask: 1 << 20 },
} as const
const drainNotify = { word: 3, mask: 1 << 2 } as const
const path = { word: 18, mask: 1 << 7 } as const
const capacityWord = path.word + pathWords
export const attributeWords = capacityWord + 5

type Attribute = keyof typeof attributes
const names: readonly Attribute[] = [
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
]

/** What is to be changed, with its mask. */
export function encodeChange(change: QueuePairChange): Uint32Array {
  const words = new Uint32Array(attributeWords)
  let mask = 0
  for (const name of names) {
    const value = change[name]
    if (value === undefined) continue
    words[attributes[name].word] = value
    mask |= attributes[name].mask
  }
  if (change.drainNotify !== undefined) {
    words[drainNotify.word] = change.drainNotify ? 1 : 0
    mask |= drainNotify.mask
  }
  if (change.path !== undefined) {
    words.set(encodePath(change.path), path.word)
    mask |= path.mask
  }
  words[0] = mask
  return words
}

export function decodeStatus(words: Uint32Array): QueuePairStatus {
  const at = (word: number) => words[word] ?? 0
  const of = (name: Attribute) => at(attributes[name].word)
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
    path: decodePath(words.subarray(path.word, path.word + pathWords)),
    capacity: {
      sendRequests: at(capacityWord),
      receiveRequests: at(capacityWord + 1),
      sendEntries: at(capacityWord + 2),
      receiveEntries: at(capacityWord + 3),
      inlineBytes: at(capacityWord + 4),
    },
  }
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

/** A path of nothing but a GID and a LID. */
export function encodeGroup(gid: string, lid: number): Uint32Array {
  const words = new Uint32Array(pathWords)
  words[pathWord.lid] = lid
  if (gid === '') return words
  words[0] = 1
  const groups = gid.split(':').map((group) => Number.parseInt(group, 16))
  for (let index = 0; index < 4; index++) {
    words[gidWord + index] = (groups[2 * index] ?? 0) * 2 ** 16 + (groups[2 * index + 1] ?? 0)
  }
  return words
}

function decodePath(words: Uint32Array): PathAttributes {
  const at = (word: number) => words[word] ?? 0
  const groups = Array.from(words.subarray(gidWord), (word) => [hex16(word >>> 16), hex16(word & 0xffff)]).flat()
  return {
    gid: at(0) === 0 ? '' : groups.join(':'),
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
