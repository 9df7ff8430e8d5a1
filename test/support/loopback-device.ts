import type {
  CreatedQueuePair,
  DeviceCalls,
  Handle,
  PathAttributes,
  QueuePairCapacity,
} from '../../src/rdma/contract/device-calls.js'
import { queuePairStates, queuePairTypes } from '../../src/rdma/contract/states.js'
import {
  completionWord,
  completionWords,
  entryWord,
  entryWords,
  receiveHeaderWords,
  receiveStride,
  receiveWord,
  sendHeaderWords,
  sendStride,
  sendWord,
} from '../../src/rdma/contract/work-layout.js'
import { loopbackProvider } from '../../src/rdma/loopback/index.js'

// The loopback by its contract alone, without the classes above it. So the loopback itself must refuse every mistake.

const { RC, UC, UD } = queuePairTypes.byName
const { INIT, RTR, RTS } = queuePairStates.byName

export const everyAccess = 0b1_1111
/** All rights that a queue pair can give its peer. */
export const remoteAccess = 0b1110
export const capacity: QueuePairCapacity = {
  sendRequests: 8,
  receiveRequests: 8,
  sendEntries: 2,
  receiveEntries: 2,
  inlineBytes: 64,
}

export interface Entry {
  readonly registration: Handle
  readonly offset?: number
  readonly length: number
}

/** A send request, by the names of its words. */
export interface Send {
  readonly id?: number
  readonly opcode: number
  readonly flags?: number
  readonly immediate?: number
  readonly rkey?: number
  readonly address?: bigint
  readonly compareAdd?: bigint
  readonly swap?: bigint
  readonly addressHandle?: Handle
  readonly remoteQueuePair?: number
  readonly remoteKey?: number
  readonly window?: Handle
  readonly bind?: { readonly registration: Handle; readonly offset: number; readonly length: number }
  readonly bindAccess?: number
  readonly bindKey?: number
  readonly entries?: readonly Entry[]
}

export interface Done {
  readonly id: number
  readonly status: number
  readonly vendorError: number
  readonly bytes: number
  readonly queuePair: number
}

/** An open loopback with a domain and device memory, which needs no region. */
export class Loop {
  readonly calls: DeviceCalls
  readonly domain: Handle
  readonly memory: Handle

  constructor(calls: DeviceCalls = loopbackProvider.open('loopback0')) {
    this.calls = calls
    this.domain = calls.allocateDomain()
    this.memory = calls.allocateDeviceMemory(4096, 0)
  }

  queue(entries = 64): Handle {
    return this.calls.createCompletionQueue({ entries, channel: 0, vector: 0, extended: false, timestamps: false })
      .handle
  }

  /** Registers a part of the device memory. */
  register(offset: number, length: number, access = everyAccess, domain = this.domain) {
    return this.calls.registerDeviceMemory(domain, this.memory, offset, length, access)
  }

  create(type: number, queue: Handle, domain = this.domain): CreatedQueuePair {
    return this.calls.createQueuePair({
      type,
      domain,
      sendQueue: queue,
      receiveQueue: queue,
      sharedReceiveQueue: 0,
      capacity,
      signalAll: false,
    })
  }

  path(): PathAttributes {
    const gid = this.calls.queryGids()[0]?.gid ?? ''
    const local = { lid: 0, serviceLevel: 0, pathBits: 0, port: 1 }
    return { gid, gidIndex: 0, hopLimit: 64, trafficClass: 0, flowLabel: 0, ...local }
  }

  /** Brings a queue pair to RTS. */
  connect(type: number, queuePair: Handle, peer: number, { access = remoteAccess, reads = 1 } = {}): void {
    const { calls } = this
    const first = { state: INIT, partitionKeyIndex: 0, port: 1 }
    calls.modifyQueuePair(queuePair, type === UD ? { ...first, queueKey: 7 } : { ...first, access })
    const connection = { path: this.path(), mtu: 5, remoteQueuePair: peer, receivePsn: 3 }
    const serving = type === RC ? { maxReadsServed: reads, minRnrTimer: 1 } : {}
    calls.modifyQueuePair(queuePair, { state: RTR, ...(type === UD ? {} : connection), ...serving })
    const asking = type === RC ? { timeout: 1, retryCount: 0, rnrRetry: 0, maxReadsStarted: reads } : {}
    calls.modifyQueuePair(queuePair, { state: RTS, sendPsn: 3, ...asking })
  }

  post(queuePair: Handle, ...sends: readonly Send[]): void {
    const stride = sendStride(2)
    const words = new Uint32Array(stride * sends.length)
    for (const [index, send] of sends.entries()) writeSend(words, index * stride, send)
    this.calls.postSend(queuePair, words, stride, sends.length)
  }

  receive(queuePair: Handle, id: number, ...entries: readonly Entry[]): void {
    const stride = receiveStride(Math.max(entries.length, 1))
    const words = new Uint32Array(stride)
    words[receiveWord.id] = id
    words[receiveWord.entries] = entries.length
    writeEntries(words, receiveHeaderWords, entries)
    this.calls.postReceive(queuePair, words, stride, 1)
  }

  poll(queue: Handle): Done[] {
    const words = new Uint32Array(64 * completionWords)
    const found = this.calls.poll(queue, words, 64)
    return Array.from({ length: found }, (_, index) => {
      const at = (word: number) => words[index * completionWords + word] ?? 0
      return {
        id: at(completionWord.id),
        status: at(completionWord.status),
        vendorError: at(completionWord.vendorError),
        bytes: at(completionWord.bytes),
        queuePair: at(completionWord.queuePair),
      }
    })
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(4096)
    this.calls.readDeviceMemory(this.memory, 0, bytes)
    return bytes
  }
}

export interface Side {
  readonly queue: Handle
  readonly handle: Handle
  readonly number: number
}

/** Two queue pairs that are connected to each other. */
export function connected(
  loop: Loop,
  { type = RC, farDomain = loop.domain, access = remoteAccess, reads = 1 } = {},
): { readonly near: Side; readonly far: Side } {
  const side = (domain: Handle): Side => {
    const queue = loop.queue()
    const { handle, number } = loop.create(type, queue, domain)
    return { queue, handle, number }
  }
  const near = side(loop.domain)
  const far = side(farDomain)
  loop.connect(type, near.handle, far.number)
  loop.connect(type, far.handle, near.number, { access, reads })
  return { near, far }
}

export const types = { RC, UC, UD }

function writeSend(words: Uint32Array, at: number, send: Send): void {
  const { entries = [], bind } = send
  const write = (word: number, value = 0) => {
    words[at + word] = value
  }
  const write64 = (word: number, value = 0n) => {
    write(word, Number(value & 0xffff_ffffn))
    write(word + 1, Number(value >> 32n))
  }
  write(sendWord.id, send.id)
  write(sendWord.opcode, send.opcode)
  write(sendWord.flags, send.flags ?? 2)
  write(sendWord.entries, entries.length)
  write(sendWord.immediate, send.immediate)
  write(sendWord.rkey, send.rkey)
  write64(sendWord.remoteAddress, send.address)
  write64(sendWord.compareAdd, send.compareAdd)
  write64(sendWord.swap, send.swap)
  write(sendWord.addressHandle, send.addressHandle)
  write(sendWord.remoteQueuePair, send.remoteQueuePair)
  write(sendWord.remoteKey, send.remoteKey)
  write(sendWord.window, send.window)
  write(sendWord.bindRegistration, bind?.registration)
  write(sendWord.bindOffset, bind?.offset)
  write(sendWord.bindLength, bind?.length)
  write(sendWord.bindAccess, send.bindAccess)
  write(sendWord.bindKey, send.bindKey)
  writeEntries(words, at + sendHeaderWords, entries)
}

function writeEntries(words: Uint32Array, first: number, entries: readonly Entry[]): void {
  for (const [index, { registration, offset = 0, length }] of entries.entries()) {
    const at = first + index * entryWords
    words[at + entryWord.registration] = registration
    words[at + entryWord.length] = length
    words[at + entryWord.offset] = offset
  }
}
