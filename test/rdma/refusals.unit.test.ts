import { afterAll, expect, test } from 'vitest'
import { PinfoldError } from '../../src/errors.js'
import { openRegistrySync } from '../../src/index.js'
import { coreOf } from '../../src/memory/region-memory.js'
import { native } from '../../src/native.js'
import type { DeviceCalls } from '../../src/rdma/contract/device-calls.js'
import { requestOpcodes, sendFlags } from '../../src/rdma/contract/operations.js'
import { type RefusalReason, refusalReasons } from '../../src/rdma/contract/refusal-reasons.js'
import { loopbackProvider } from '../../src/rdma/loopback/index.js'
import { verbsProvider } from '../../src/rdma/verbs/index.js'
import { connected, Loop, type Send, types } from '../support/loopback-device.js'

const opcodes = requestOpcodes.byName
const none = 12345

/** A device of libibverbs that does nothing. So the native part itself refuses every refused request. */
function noOpDevice(): DeviceCalls {
  native.verbs.test.choose(true, false)
  try {
    return verbsProvider.open('noop0')
  } finally {
    native.verbs.test.choose(false, false)
  }
}

interface Fault {
  readonly type?: number
  readonly send: (good: {
    /** A registration of 64 bytes of device memory. */
    readonly registration: number
    readonly ofRegion: number
    readonly ofNothing: number
    readonly window: number
  }) => Send
}

const memory = openRegistrySync({ regions: { bytes: { size: '64KiB', pages: 'base' } } })

const bytes = (registration: number, length = 8) => [{ registration, length }]
const bind = (window: number, registration: number, offset: number, length: number): Send => ({
  opcode: opcodes.bind,
  window,
  bind: { registration, offset, length },
})

/** For each reason, requests that are refused only for this reason. */
const faults: Readonly<Record<Exclude<RefusalReason, 'misalignedAtomic'>, readonly Fault[]>> = {
  operation: [{ send: () => ({ opcode: 10 }) }, { type: types.UC, send: () => ({ opcode: opcodes.read }) }],
  flags: [{ send: () => ({ opcode: opcodes.write, flags: 1 << 4 }) }],
  inlineOperation: [opcodes.read, opcodes.fetchAndAdd, opcodes.invalidate, opcodes.bind].map((opcode) => ({
    send: () => ({ opcode, flags: sendFlags.inline }),
  })),
  inlineBytes: [
    { send: ({ ofRegion }) => ({ opcode: opcodes.write, flags: sendFlags.inline, entries: bytes(ofRegion, 65) }) },
  ],
  inlineMemory: [
    { send: ({ registration }) => ({ opcode: opcodes.write, flags: sendFlags.inline, entries: bytes(registration) }) },
  ],
  entries: [
    {
      send: ({ registration }) => ({
        opcode: opcodes.write,
        entries: [...bytes(registration), ...bytes(registration), ...bytes(registration)],
      }),
    },
  ],
  entryRegistration: [{ send: () => ({ opcode: opcodes.write, entries: bytes(none) }) }],
  entryRange: [65, 2 ** 32 - 1].map((length) => ({
    send: ({ registration }) => ({ opcode: opcodes.write, entries: bytes(registration, length) }),
  })),
  atomicBytes: [{ send: ({ registration }) => ({ opcode: opcodes.fetchAndAdd, entries: bytes(registration, 7) }) }],
  addressHandle: [{ type: types.UD, send: () => ({ opcode: opcodes.send, addressHandle: none }) }],
  bindWindow: [{ send: () => ({ opcode: opcodes.bind, window: none }) }],
  bindRegistration: [{ send: ({ window }) => bind(window, none, 0, 8) }],
  bindBytes: [{ send: ({ registration, window }) => bind(window, registration, 0, 0) }],
  bindRange: [
    { send: ({ ofRegion, window }) => bind(window, ofRegion, 65_536, 1) },
    { send: ({ ofNothing, window }) => bind(window, ofNothing, 0, 8) },
  ],
}

afterAll(() => memory.close())

test.each(Object.entries(faults))('both devices refuse with the same message: %s', (reason, ways) => {
  const refusals = [noOpDevice(), loopbackProvider.open('loopback0')].map((calls) => {
    const loop = new Loop(calls)
    const told = ways.map(({ type = types.RC, send }) => {
      const { near } = connected(loop, { type })
      const { handle: registration } = loop.register(0, 64)
      const core = coreOf(memory.regions.bytes)
      const { handle: ofRegion } = calls.register(loop.domain, { core, offset: 0, length: core.size }, undefined, 0)
      const { handle: ofNothing } = calls.registerNull(loop.domain)
      const { handle: window } = calls.allocateWindow(loop.domain, 2)
      const good: Send = { opcode: type === types.UD ? opcodes.send : opcodes.write }
      const first = type === types.UD ? [] : [good]
      try {
        loop.post(near.handle, ...first, send({ registration, ofRegion, ofNothing, window }))
      } catch (error) {
        if (error instanceof PinfoldError) return [error.message, error.code, error.errno, error.values]
        throw error
      }
      return 'posted'
    })
    calls.close()
    return told
  })
  expect(refusals[0]).toEqual(refusals[1])
  for (const [index, [message, code, errno, values]] of (refusals[0] ?? []).entries()) {
    const posted = ways[index]?.type === types.UD ? 0 : 1
    expect([code, errno, values]).toEqual(['ERR_DEVICE_REFUSED', 22, { posted, index: posted, reason }])
    expect(message).toMatch(/^ibv_post_send: \w+/)
  }
})

test('every reason has a number of its own', () => {
  expect(new Set(Object.values(refusalReasons.byName)).size).toBe(refusalReasons.all.length)
})
