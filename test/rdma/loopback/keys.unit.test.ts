import { afterEach, expect, test } from 'vitest'
import { loopbackVendorErrors } from '../../../src/rdma/contract/loopback-vendor-errors.js'
import { requestOpcodes } from '../../../src/rdma/contract/operations.js'
import { HandleTable } from '../../../src/rdma/loopback/handle-table.js'
import { connected, Loop } from '../../support/loopback-device.js'

const { write } = requestOpcodes.byName
let loop = new Loop()

afterEach(() => {
  loop.calls.close()
  loop = new Loop()
})

/** The vendor error of a write of one byte with `rkey`; 0 if it succeeds. */
function checkOf(rkey: number): number {
  const { near } = connected(loop)
  const { handle } = loop.register(0, 1)
  loop.post(near.handle, { opcode: write, rkey, entries: [{ registration: handle, length: 1 }] })
  return loop.poll(near.queue)[0]?.vendorError ?? -1
}

test('no two of many registrations and windows have the same key, and none has key 0', () => {
  const keys = new Set<number>()
  for (let round = 0; round < 3000; round++) {
    const registered = loop.register(round % 4000, 1)
    keys.add(registered.rkey)
    if (round % 2 === 0) loop.calls.deregister(registered.handle)
    keys.add(loop.calls.allocateWindow(loop.domain, 1 + (round % 2)).rkey)
  }
  expect(keys.size).toBe(6000)
  expect(keys.has(0)).toBe(false)
})

test('the key of a closed registration gives no access, however many registrations come after it', () => {
  const { handle, rkey } = loop.register(0, 64)
  expect(checkOf(rkey)).toBe(0)
  loop.calls.deregister(handle)
  expect(checkOf(rkey)).toBe(loopbackVendorErrors.unknownKey)
  for (let round = 0; round < 3000; round++) loop.register(0, 64)
  expect(checkOf(rkey)).toBe(loopbackVendorErrors.unknownKey)
})

test('only registrations of regions can be reregistered', () => {
  const { handle, rkey } = loop.register(0, 64)
  expect(() => loop.calls.reregister(handle, { access: 0 })).toThrowCode('ERR_UNSUPPORTED')
  expect(checkOf(rkey)).toBe(0)
})

test('keys that are similar to a valid key give no access', () => {
  const { rkey } = loop.register(0, 64)
  for (const near of [rkey - 1, rkey + 1, rkey ^ 0x80, (rkey ^ 0x100) >>> 0, (rkey ^ 0x8000_0000) >>> 0, 0]) {
    expect(checkOf(near)).toBe(loopbackVendorErrors.unknownKey)
  }
})

test('a handle never names two objects, and its place is retired when its generations are used up', () => {
  const table = new HandleTable<number>('thing')
  const handles = new Set<number>()
  for (let round = 0; round < 5000; round++) {
    const handle = table.add(round)
    expect(table.get('test', handle)).toBe(round)
    handles.add(handle)
    table.remove('test', handle)
    expect(table.find(handle)).toBeUndefined()
  }
  expect(handles.size).toBe(5000)
  expect(handles.has(0)).toBe(false)
  expect(Math.max(...handles)).toBeLessThan(2 ** 32)
  expect(() => table.get('ibv_test', 0)).toThrowCode('ERR_DEVICE_REFUSED', { errno: 22 })
})
