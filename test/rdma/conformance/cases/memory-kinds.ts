import assert from 'node:assert/strict'
import { type CaseOfGroup, group } from '../case.js'
import { type Kit, refusal } from '../kit.js'
import { type KindOfMemory, type MemoryKind, memoryKinds } from '../memory-kind.js'
import type { RegistrationSlice, SendRequest } from '../rdma.js'
import { assertBytes } from '../transfer.js'

// Every operation, with each kind of memory as its source and as its target.

const size = 256
const offset = 24
const length = 100
const before = 0x0123_4567_89ab_cdefn

/** Bytes that differ from place to place, none of them 0. */
const pattern = Uint8Array.from({ length }, (_, index) => (index % 250) + 1)

/** Puts the pattern into the memory, and returns the slice with it. */
function filled(memory: KindOfMemory): RegistrationSlice {
  memory.write(offset, pattern)
  return memory.slice(offset, length)
}

/** Asserts that the pattern has arrived, and that no byte beside it has changed. */
function requireArrived(memory: KindOfMemory): void {
  const expected = new Uint8Array(size)
  expected.set(pattern, offset)
  assertBytes(memory.read(0, size), expected)
}

/** Asserts the same for `buffer`, in which the pattern begins at 0. */
function requirePattern(bytes: Uint8Array): void {
  assertBytes(bytes.subarray(0, length), pattern)
}

function bytesOf(word: bigint): Uint8Array {
  return new Uint8Array(BigUint64Array.of(word).buffer)
}

type Operation = (memory: KindOfMemory, kit: Kit) => Promise<string>

/** Operations of this side, whose local memory is of the kind. */
const local: Readonly<Record<string, Operation>> = {
  async 'send from'(memory, kit) {
    const { near, far } = kit.pair()
    const to = kit.buffer(size)
    far.queuePair.postReceive({ memory: to.registration })
    near.queuePair.post({ operation: 'send', memory: filled(memory) })
    const status = await kit.status(far.queue)
    requirePattern(to.bytes)
    return status
  },
  async 'receive into'(memory, kit) {
    const { near, far } = kit.pair()
    far.queuePair.postReceive({ memory: memory.slice(offset, length) })
    near.queuePair.post({ operation: 'send', memory: patternIn(kit) })
    const status = await kit.status(far.queue)
    requireArrived(memory)
    return status
  },
  async 'receive from a shared queue into'(memory, kit) {
    const sharedReceiveQueue = kit.domain.createSharedReceiveQueue({ requests: 4 })
    const { near, far } = kit.pair({ far: { sharedReceiveQueue } })
    sharedReceiveQueue.postReceive({ memory: memory.slice(offset, length) })
    near.queuePair.post({ operation: 'send', memory: patternIn(kit) })
    const status = await kit.status(far.queue)
    requireArrived(memory)
    return status
  },
  async 'write from'(memory, kit) {
    const { near } = kit.pair()
    const to = kit.buffer(size)
    near.queuePair.post({ operation: 'write', memory: filled(memory), remote: to.remote.slice(0, length) })
    const status = await kit.status(near.queue)
    requirePattern(to.bytes)
    return status
  },
  async 'write with immediate from'(memory, kit) {
    const { near, far } = kit.pair()
    const to = kit.buffer(size)
    far.queuePair.postReceive({})
    const remote = to.remote.slice(0, length)
    near.queuePair.post({ operation: 'writeWithImmediate', memory: filled(memory), remote, immediate: 7 })
    const { status, immediate } = await kit.completion(far.queue)
    assert.equal(immediate, 7)
    requirePattern(to.bytes)
    return status
  },
  async 'read into'(memory, kit) {
    const { near } = kit.pair()
    const from = kit.buffer(size)
    from.bytes.set(pattern)
    const into = memory.slice(offset, length)
    near.queuePair.post({ operation: 'read', memory: into, remote: from.remote.slice(0, length) })
    const status = await kit.status(near.queue)
    requireArrived(memory)
    return status
  },
  'compare and swap, with the former value into': (memory, kit) =>
    atomicInto(memory, kit, { operation: 'compareAndSwap', compare: before, swap: 5n }, 5n),
  'fetch and add, with the former value into': (memory, kit) =>
    atomicInto(memory, kit, { operation: 'fetchAndAdd', add: 1n }, before + 1n),
}

/** Operations of a peer, whose remote memory is of the kind. */
const remote: Readonly<Record<string, Operation>> = {
  async 'write of a peer into'(memory, kit) {
    const { near } = kit.pair()
    near.queuePair.post({ operation: 'write', memory: patternIn(kit), remote: memory.remote(offset, length) })
    const status = await kit.status(near.queue)
    requireArrived(memory)
    return status
  },
  async 'write with immediate of a peer into'(memory, kit) {
    const { near, far } = kit.pair()
    far.queuePair.postReceive({})
    const at = memory.remote(offset, length)
    near.queuePair.post({ operation: 'writeWithImmediate', memory: patternIn(kit), remote: at, immediate: 7 })
    const { status, immediate } = await kit.completion(far.queue)
    assert.equal(immediate, 7)
    requireArrived(memory)
    return status
  },
  async 'read of a peer from'(memory, kit) {
    const { near } = kit.pair()
    const to = kit.buffer(size)
    filled(memory)
    const into = to.registration.slice(0, length)
    near.queuePair.post({ operation: 'read', memory: into, remote: memory.remote(offset, length) })
    const status = await kit.status(near.queue)
    requirePattern(to.bytes)
    return status
  },
  'compare and swap of a peer on': (memory, kit) =>
    atomicOn(memory, kit, { operation: 'compareAndSwap', compare: before, swap: 5n }, 5n),
  'fetch and add of a peer on': (memory, kit) =>
    atomicOn(memory, kit, { operation: 'fetchAndAdd', add: 1n }, before + 1n),
}

/** Inline requests: the processor reads the memory when they are posted. */
const inline: Readonly<Record<string, Operation>> = {
  async 'inline send from'(memory, kit) {
    const { near, far } = kit.pair({ near: { inlineBytes: length } })
    const to = kit.buffer(size)
    far.queuePair.postReceive({ memory: to.registration })
    near.queuePair.post({ operation: 'send', memory: filled(memory), inline: true })
    memory.write(offset, new Uint8Array(length))
    const status = await kit.status(far.queue)
    requirePattern(to.bytes)
    return status
  },
  async 'inline write from'(memory, kit) {
    const { near } = kit.pair({ near: { inlineBytes: length } })
    const to = kit.buffer(size)
    const at = to.remote.slice(0, length)
    near.queuePair.post({ operation: 'write', memory: filled(memory), remote: at, inline: true })
    memory.write(offset, new Uint8Array(length))
    const status = await kit.status(near.queue)
    requirePattern(to.bytes)
    return status
  },
}

type Atomic =
  | { readonly operation: 'compareAndSwap'; readonly compare: bigint; readonly swap: bigint }
  | { readonly operation: 'fetchAndAdd'; readonly add: bigint }

/** Ordinary memory with the pattern. */
function patternIn(kit: Kit): RegistrationSlice {
  const from = kit.buffer(size)
  from.bytes.set(pattern)
  return from.registration.slice(0, length)
}

async function atomicInto(memory: KindOfMemory, kit: Kit, atomic: Atomic, after: bigint): Promise<string> {
  const { near } = kit.pair()
  const word = kit.buffer(8)
  word.set(0, before)
  const request: SendRequest = { ...atomic, memory: memory.slice(offset, 8), remote: word.remote }
  near.queuePair.post(request)
  const status = await kit.status(near.queue)
  assert.equal(word.get(0), after)
  const expected = new Uint8Array(size)
  expected.set(bytesOf(before), offset)
  assertBytes(memory.read(0, size), expected)
  return status
}

async function atomicOn(memory: KindOfMemory, kit: Kit, atomic: Atomic, after: bigint): Promise<string> {
  const { near } = kit.pair()
  const result = kit.buffer(8)
  memory.write(offset, bytesOf(before))
  const request: SendRequest = { ...atomic, memory: result.registration, remote: memory.remote(offset, 8) }
  near.queuePair.post(request)
  const status = await kit.status(near.queue)
  assert.equal(result.get(0), before)
  const expected = new Uint8Array(size)
  expected.set(bytesOf(after), offset)
  assertBytes(memory.read(0, size), expected)
  return status
}

function casesOf(kind: MemoryKind): CaseOfGroup[] {
  const operations = { ...local, ...(kind.hasRemoteRights ? remote : {}), ...(kind.isReadable ? inline : {}) }
  const works = Object.entries(operations).map(([name, run]) => ({
    name: `${name} ${kind.name}`,
    expects: 'SUCCESS',
    run: (kit: Kit) => run(kind.make(kit, size), kit),
  }))
  if (kind.isReadable) return works
  const refused = Object.entries(inline).map(([name, run]) => ({
    name: `${name} ${kind.name}`,
    expects: 'ERR_DEVICE_REFUSED EINVAL',
    async run(kit: Kit) {
      const memory = kind.make(kit, size)
      let outcome = 'taken'
      await run(memory, kit).catch((error: unknown) => {
        outcome = refusal(() => {
          throw error
        })
      })
      return outcome
    },
  }))
  return [...works, ...refused]
}

export const kindsOfMemory = group('kinds of memory', memoryKinds.flatMap(casesOf))
