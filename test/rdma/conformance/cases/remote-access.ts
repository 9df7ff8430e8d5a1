import assert from 'node:assert/strict'
import { type Buffer, everyRight } from '../buffer.js'
import { type CaseOfGroup, group } from '../case.js'
import type { Kit, Pair } from '../kit.js'
import type { Access, RemoteMemory } from '../rdma.js'
import { assertBytes, type OneSidedOperation, oneSided, oneSidedRequest } from '../transfer.js'

const rightOf: Readonly<Record<OneSidedOperation, Access>> = {
  write: 'remoteWrite',
  writeWithImmediate: 'remoteWrite',
  read: 'remoteRead',
  compareAndSwap: 'remoteAtomic',
  fetchAndAdd: 'remoteAtomic',
}

/** A mistake in the memory that a request names. */
interface Fault {
  readonly name: string
  /** The status that the requester gets. */
  readonly expects: string
  /** The memory, and the offset at which the request begins. */
  prepare(kit: Kit, operation: OneSidedOperation): { memory: Buffer; remote: RemoteMemory; offset: number }
  /** The rights that the serving queue pair gives. */
  readonly access?: (operation: OneSidedOperation) => readonly Access[]
}

const length = 8
const isAtomic = (operation: OneSidedOperation) => rightOf[operation] === 'remoteAtomic'
const without = (right: Access) => everyRight.filter((one) => one !== right)

const faults: readonly Fault[] = [
  {
    name: 'with a key that nobody has',
    expects: 'REM_ACCESS_ERR',
    prepare(kit) {
      const memory = kit.buffer()
      return { memory, remote: memory.forged({ rkey: (memory.registration.rkey ^ 0x5a5a_5a00) >>> 0 }), offset: 0 }
    },
  },
  {
    name: 'with a key of another generation',
    expects: 'REM_ACCESS_ERR',
    prepare(kit) {
      const memory = kit.buffer()
      return { memory, remote: memory.forged({ rkey: memory.registration.rkey ^ 1 }), offset: 0 }
    },
  },
  {
    name: 'with key 0',
    expects: 'REM_ACCESS_ERR',
    prepare(kit) {
      const memory = kit.buffer()
      return { memory, remote: memory.forged({ rkey: 0 }), offset: 0 }
    },
  },
  {
    name: 'with the key of a registration that was closed',
    expects: 'REM_ACCESS_ERR',
    prepare(kit) {
      const memory = kit.buffer()
      const { remote } = memory
      memory.registration.close()
      return { memory, remote, offset: 0 }
    },
  },
  {
    name: 'with the key of a registration that was closed, after the memory was registered anew',
    expects: 'REM_ACCESS_ERR',
    prepare(kit) {
      const memory = kit.buffer()
      const { remote } = memory
      memory.registration.close()
      kit.memory.registerSync(memory.region, kit.domain, everyRight)
      return { memory, remote, offset: 0 }
    },
  },
  {
    // An atomic must be aligned, so it begins a whole word before the memory.
    name: 'that begins before the memory',
    expects: 'REM_ACCESS_ERR',
    prepare(kit, operation) {
      const memory = kit.part(4096, 1024, 64)
      return { memory, remote: memory.forged({ before: isAtomic(operation) ? 8 : 1 }), offset: 0 }
    },
  },
  {
    name: 'that ends one byte beyond the memory',
    expects: 'REM_ACCESS_ERR',
    prepare(kit) {
      const memory = kit.part(4096, 1024, 63)
      return { memory, remote: memory.forged({ after: 1 }), offset: 56 }
    },
  },
  {
    name: 'of memory without that right',
    expects: 'REM_ACCESS_ERR',
    prepare(kit, operation) {
      const memory = kit.buffer(4096, without(rightOf[operation]))
      return { memory, remote: memory.remote, offset: 0 }
    },
  },
  {
    name: 'through a queue pair without that right',
    expects: 'REM_INV_REQ_ERR',
    prepare(kit) {
      const memory = kit.buffer()
      return { memory, remote: memory.remote, offset: 0 }
    },
    access: (operation) =>
      (['remoteWrite', 'remoteRead', 'remoteAtomic'] as const).filter((one) => one !== rightOf[operation]),
  },
  {
    name: 'of memory in another domain',
    expects: 'REM_ACCESS_ERR',
    prepare(kit) {
      const memory = kit.buffer(4096, everyRight, { domain: kit.device.createDomain() })
      return { memory, remote: memory.remote, offset: 0 }
    },
  },
]

function caseOf(operation: OneSidedOperation, fault: Fault): CaseOfGroup {
  return {
    name: `${operation} ${fault.name}`,
    expects: fault.expects,
    async run(kit) {
      const pair = kit.pair({ far: { access: fault.access?.(operation) ?? everyRight.slice(1, 4) } })
      const { memory, remote, offset } = fault.prepare(kit, operation)
      memory.fill(9)
      const before = Uint8Array.from(memory.bytes)
      const local = kit.buffer()
      if (operation === 'writeWithImmediate') pair.far.queuePair.postReceive({})
      pair.near.queuePair.post(oneSidedRequest(operation, local.registration.slice(0, length), remote, offset))
      const { operation: done, bytes, status } = await kit.completion(pair.near.queue)
      assert.deepEqual([done, bytes], [undefined, 0], 'a failure tells no more')
      assertBytes(memory.bytes, before)
      assertBytes(local.bytes, new Uint8Array(4096))
      await assertDead(kit, pair)
      return status
    },
  }
}

/** Asserts that both ends are in ERR after such a failure. */
async function assertDead(kit: Kit, { near, far }: Pair): Promise<void> {
  assert.equal(near.queuePair.query().state, 'ERR')
  await kit.until(() => far.queuePair.query().state === 'ERR', 'the far end is in ERR')
}

export const remoteAccess = group(
  'remote access refused',
  oneSided.flatMap((operation) => faults.map((fault) => caseOf(operation, fault))),
)
