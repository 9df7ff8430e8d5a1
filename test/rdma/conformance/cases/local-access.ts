import assert from 'node:assert/strict'
import { type Buffer, everyRight } from '../buffer.js'
import { type CaseOfGroup, group } from '../case.js'
import type { End, Kit } from '../kit.js'
import { refusal } from '../kit.js'
import { assertBytes, type OneSidedOperation, oneSidedRequest } from '../transfer.js'

/** Mistakes in the requester's own memory. */
const faults: readonly { readonly name: string; prepare(kit: Kit, end: End): Buffer }[] = [
  {
    name: 'in another domain',
    prepare: (kit) => kit.buffer(64, everyRight, { domain: kit.device.createDomain() }),
  },
  { name: 'without localWrite', prepare: (kit) => kit.buffer(64, ['remoteRead']) },
]

function oneSidedCases(operation: OneSidedOperation, expects: string): CaseOfGroup[] {
  // A request that only reads local memory needs no localWrite.
  const those = operation === 'write' || operation === 'writeWithImmediate' ? faults.slice(0, 1) : faults
  return those.map(({ name, prepare }) => ({
    name: `${operation} ${operation.startsWith('write') ? 'from' : 'into'} memory ${name}`,
    expects,
    async run(kit) {
      const { near, far } = kit.pair()
      const remote = kit.buffer().fill(3)
      const local = prepare(kit, near)
      const before = Uint8Array.from(local.bytes)
      if (operation === 'writeWithImmediate') far.queuePair.postReceive({})
      near.queuePair.post(oneSidedRequest(operation, local.registration.slice(0, 8), remote.remote))
      const status = await kit.status(near.queue)
      assertBytes(local.bytes, before)
      assert.equal(near.queuePair.query().state, 'ERR')
      return status
    },
  }))
}

const receives: readonly CaseOfGroup[] = [
  ...faults.map(({ name, prepare }) => ({
    name: `receive into memory ${name}`,
    expects: 'receiver LOC_QP_OP_ERR, sender REM_OP_ERR',
    async run(kit: Kit) {
      const { near, far } = kit.pair()
      const from = kit.buffer(64).fill(5)
      const to = prepare(kit, far)
      far.queuePair.postReceive({ memory: to.registration })
      near.queuePair.post({ operation: 'send', memory: from.registration })
      const received = await kit.status(far.queue)
      assertBytes(to.bytes, new Uint8Array(to.bytes.length))
      return `receiver ${received}, sender ${await kit.status(near.queue)}`
    },
  })),
  {
    name: 'receive into memory whose registration was closed after it was posted',
    expects: 'receiver LOC_QP_OP_ERR, sender REM_OP_ERR',
    async run(kit) {
      const { near, far } = kit.pair()
      const from = kit.buffer(64).fill(5)
      const to = kit.buffer(64)
      far.queuePair.postReceive({ memory: to.registration })
      to.registration.close()
      near.queuePair.post({ operation: 'send', memory: from.registration })
      const received = await kit.status(far.queue)
      assertBytes(to.bytes, new Uint8Array(64))
      return `receiver ${received}, sender ${await kit.status(near.queue)}`
    },
  },
]

export const localAccess = group('local access refused', [
  {
    name: 'send from memory in another domain',
    expects: 'LOC_QP_OP_ERR',
    async run(kit) {
      const { near, far } = kit.pair()
      const from = kit.buffer(64, everyRight, { domain: kit.device.createDomain() })
      far.queuePair.postReceive({ memory: kit.buffer(64).registration })
      near.queuePair.post({ operation: 'send', memory: from.registration })
      return await kit.status(near.queue)
    },
  },
  ...oneSidedCases('write', 'LOC_QP_OP_ERR'),
  ...oneSidedCases('writeWithImmediate', 'LOC_QP_OP_ERR'),
  ...oneSidedCases('read', 'LOC_PROT_ERR'),
  ...oneSidedCases('compareAndSwap', 'LOC_PROT_ERR'),
  ...oneSidedCases('fetchAndAdd', 'LOC_PROT_ERR'),
  ...receives,
  {
    name: 'a request that names a closed registration',
    expects: 'ERR_OBJECT_CLOSED',
    run(kit) {
      const { near } = kit.pair()
      const { registration } = kit.buffer()
      registration.close()
      return refusal(() => near.queuePair.post({ operation: 'send', memory: registration }))
    },
  },
  {
    name: 'a slice beyond a registration',
    expects: 'ERR_OUT_OF_RANGE',
    run: (kit) => refusal(() => kit.part(4096, 0, 100).registration.slice(1, 100)),
  },
  {
    name: 'a slice beyond the memory of a peer',
    expects: 'ERR_OUT_OF_RANGE',
    run: (kit) => refusal(() => kit.part(4096, 0, 100).remote.slice(1, 100)),
  },
  {
    name: 'remoteWrite without localWrite',
    expects: 'ERR_INVALID_ARGUMENT',
    run: (kit) => refusal(() => kit.buffer(64, ['remoteWrite'])),
  },
  {
    name: 'remoteAtomic without localWrite',
    expects: 'ERR_INVALID_ARGUMENT',
    run: (kit) => refusal(() => kit.buffer(64, ['remoteAtomic'])),
  },
])
