import { afterEach, describe, expect, test } from 'vitest'
import { completionStatuses } from '../../../src/rdma/contract/completion-status.js'
import { explainVendorError, loopbackVendorErrors as why } from '../../../src/rdma/contract/loopback-vendor-errors.js'
import { requestOpcodes } from '../../../src/rdma/contract/operations.js'
import { connected, everyAccess, Loop, type Send } from '../../support/loopback-device.js'

// The conformance suite checks the status of each failure. These tests check that the vendor error names the failed
// check.

const opcodes = requestOpcodes.byName
const status = completionStatuses.byName
let loop = new Loop()

afterEach(() => {
  loop.calls.close()
  loop = new Loop()
})

interface Failure {
  readonly what: string
  readonly send: () => { readonly send: Send; readonly ends: ReturnType<typeof connected> }
  readonly status: number
  readonly vendorError: number
}

/** A write of 8 bytes into 64, with a change. */
function write(change: Partial<Send>, access = everyAccess, ends = connected(loop)) {
  const memory = loop.register(0, 64, access)
  const source = loop.register(2048, 64)
  const entries = [{ registration: source.handle, length: 8 }]
  return { send: { opcode: opcodes.write, rkey: memory.rkey, entries, ...change }, ends }
}

const failures: readonly Failure[] = [
  {
    what: 'an unknown key',
    send: () => write({ rkey: 0x7777_7777 }),
    status: status.REM_ACCESS_ERR,
    vendorError: why.unknownKey,
  },
  {
    what: 'a key of another domain',
    send: () => write({}, everyAccess, connected(loop, { farDomain: loop.calls.allocateDomain() })),
    status: status.REM_ACCESS_ERR,
    vendorError: why.otherDomain,
  },
  ...[-1n, 57n, 2n ** 64n - 4n, 2n ** 32n].map((address) => ({
    what: `8 bytes at ${address}`,
    send: () => write({ address: BigInt.asUintN(64, address) }),
    status: status.REM_ACCESS_ERR,
    vendorError: why.outOfRange,
  })),
  {
    what: 'memory without remoteWrite',
    send: () => write({}, 0b0101),
    status: status.REM_ACCESS_ERR,
    vendorError: why.missingRight,
  },
  {
    what: 'a window that is not bound',
    send: () => write({ rkey: loop.calls.allocateWindow(loop.domain, 2).rkey }),
    status: status.REM_ACCESS_ERR,
    vendorError: why.windowNotBound,
  },
  {
    what: 'a queue pair without remoteWrite',
    send: () => write({}, everyAccess, connected(loop, { access: 0b0100 })),
    status: status.REM_INV_REQ_ERR,
    vendorError: why.queuePairRight,
  },
  {
    what: 'no receive',
    send: () => write({ opcode: opcodes.send }),
    status: status.RNR_RETRY_EXC_ERR,
    vendorError: why.noReceive,
  },
  {
    what: 'a receive of 7 bytes',
    send: () => {
      const made = write({ opcode: opcodes.send })
      loop.receive(made.ends.far.handle, 1, { registration: loop.register(1024, 7).handle, length: 7 })
      return made
    },
    status: status.REM_OP_ERR,
    vendorError: why.receiveTooSmall,
  },
  {
    what: 'a receive into memory without localWrite',
    send: () => {
      const made = write({ opcode: opcodes.send })
      loop.receive(made.ends.far.handle, 1, { registration: loop.register(1024, 8, 0).handle, length: 8 })
      return made
    },
    status: status.REM_OP_ERR,
    vendorError: why.noLocalWrite,
  },
  {
    what: 'a source of another domain',
    send: () => {
      const { handle } = loop.register(0, 8, everyAccess, loop.calls.allocateDomain())
      return write({ entries: [{ registration: handle, length: 8 }] })
    },
    status: status.LOC_QP_OP_ERR,
    vendorError: why.localDomain,
  },
  {
    what: 'a read into memory without localWrite',
    send: () => {
      const { handle } = loop.register(0, 8, 0)
      return write({ opcode: opcodes.read, entries: [{ registration: handle, length: 8 }] })
    },
    status: status.LOC_PROT_ERR,
    vendorError: why.noLocalWrite,
  },
  {
    what: 'an invalidate of an unknown key',
    send: () => write({ opcode: opcodes.invalidate, immediate: 0x7777_7777, entries: [] }),
    status: status.LOC_QP_OP_ERR,
    vendorError: why.cannotInvalidate,
  },
  {
    what: 'a bind to memory without bindWindow',
    send: () => {
      const window = loop.calls.allocateWindow(loop.domain, 1).handle
      const { handle } = loop.register(0, 8, 0b1111)
      return write({ opcode: opcodes.bind, window, bind: { registration: handle, offset: 0, length: 8 }, entries: [] })
    },
    status: status.MW_BIND_ERR,
    vendorError: why.cannotBind,
  },
  {
    what: 'a read from a peer that serves none',
    send: () => {
      const ends = connected(loop)
      loop.calls.modifyQueuePair(ends.far.handle, { state: 4 })
      loop.calls.modifyQueuePair(ends.far.handle, { maxReadsServed: 0 })
      return write({ opcode: opcodes.read }, everyAccess, ends)
    },
    status: status.REM_INV_REQ_ERR,
    vendorError: why.noReads,
  },
  {
    what: 'a peer that is gone',
    send: () => {
      const made = write({})
      loop.calls.destroyQueuePair(made.ends.far.handle)
      return made
    },
    status: status.RETRY_EXC_ERR,
    vendorError: why.noAnswer,
  },
]

describe('the vendor error names', () => {
  test.each(failures)('$what', async ({ send, status, vendorError }) => {
    const { send: request, ends } = send()
    const before = loop.bytes()
    loop.post(ends.near.handle, { id: 9, ...request })
    const done = await eventually(() => loop.poll(ends.near.queue))

    expect(done).toEqual([{ id: 9, status, vendorError, bytes: 0, queuePair: ends.near.number }])
    expect(explainVendorError('loopback', vendorError)).not.toContain('0x')
    expect(loop.bytes()).toEqual(before)
    expect(loop.calls.queryQueuePair(ends.near.handle).state).toBe(6)
  })

  test('each check by its own number', () => {
    const numbers = Object.values(why)
    expect(new Set(numbers).size).toBe(numbers.length)
  })
})

/** Calls `look` until it finds something, since retries take some time. */
async function eventually<Found>(look: () => Found[]): Promise<Found[]> {
  for (;;) {
    const found = look()
    if (found.length > 0) return found
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
