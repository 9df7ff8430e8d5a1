import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openRegistrySync, type Region } from '../../../src/index.js'
import { coreOf } from '../../../src/memory/region-memory.js'
import { freeMemory } from '../../../src/memory/shortage/memory.js'
import { policyKind } from '../../../src/native.js'
import { loopbackVendorErrors } from '../../../src/rdma/contract/loopback-vendor-errors.js'
import { requestOpcodes, sendFlags } from '../../../src/rdma/contract/operations.js'
import { GiB, MiB } from '../../../src/sizes.js'
import { connected, everyAccess, Loop } from '../../support/loopback-device.js'
import { kept } from '../../support/registries.js'
import { needs } from '../../support/requirements.js'

const { send, write, read, bind, invalidate } = requestOpcodes.byName
let loop = new Loop()

afterEach(() => {
  loop.calls.close()
  loop = new Loop()
})

const memory = (region: Region, offset: number, length: number) => ({ core: coreOf(region), offset, length })

describe('a registration of a region', () => {
  let region: Region
  const register = (offset: number, length: number, access = everyAccess) =>
    loop.calls.register(loop.domain, memory(region, offset, length), undefined, access)
  beforeEach(() => {
    region = kept(openRegistrySync()).allocateSync('memory', { size: '16KiB', pages: 'base' })
  })

  test('that was made shorter after a receive was posted into it is not written behind its new end', () => {
    const { near, far } = connected(loop)
    const into = register(0, 64)
    const source = register(4096, 64)
    loop.receive(far.handle, 1, { registration: into.handle, length: 64 })
    region.bytes.subarray(4096, 4160).fill(9)
    loop.calls.reregister(into.handle, { memory: memory(region, 0, 32) })
    loop.post(near.handle, { opcode: send, entries: [{ registration: source.handle, length: 64 }] })

    expect(loop.poll(far.queue)).toMatchObject([{ id: 1, vendorError: loopbackVendorErrors.localRange }])
    expect(region.bytes.subarray(0, 64)).toEqual(new Uint8Array(64))
  })

  test('keeps a chosen address if only its rights change, and gets another key', () => {
    const chosen = region.address + (1n << 40n)
    const before = loop.calls.register(loop.domain, memory(region, 0, 64), chosen, everyAccess)
    const after = loop.calls.reregister(before.handle, { access: 0b0101 })
    expect(after.address).toBe(chosen)
    expect(after.rkey).not.toBe(before.rkey)
  })

  test('is refused remote writes without localWrite', () => {
    expect(() => register(0, 64, 0b0010)).toThrowCode('ERR_DEVICE_REFUSED', { errno: 22 })
  })

  test.each([0, sendFlags.inline])(
    'whose region was closed fails the request (flags %i), and nothing is thrown',
    (flags) => {
      const { near } = connected(loop)
      const { handle, rkey, address } = register(0, 64)
      region.close()
      const request = { opcode: write, flags, rkey, address, entries: [{ registration: handle, length: 8 }] }
      loop.post(near.handle, request)
      expect(loop.poll(near.queue)).toMatchObject([{ vendorError: loopbackVendorErrors.regionClosed }])
    },
  )

  test('gives no access to former keys of its window, however often the window is bound', () => {
    const { near, far } = connected(loop)
    const { handle, address } = register(0, 64)
    const window = loop.calls.allocateWindow(loop.domain, 2)
    const stale: number[] = []
    let key = window.rkey
    for (let round = 0; round < 20; round++) {
      stale.push(key)
      key = ((key & 0xffff_ff00) | ((key + 1) & 0xff)) >>> 0
      const range = { registration: handle, offset: 0, length: 64 }
      loop.post(
        far.handle,
        { opcode: bind, window: window.handle, bind: range, bindAccess: 2, bindKey: key },
        { opcode: invalidate, immediate: key },
      )
      expect(loop.poll(far.queue).map(({ status }) => status)).toEqual([0, 0])
    }
    for (const rkey of [...stale, key]) {
      const { near } = connected(loop)
      loop.post(near.handle, { opcode: write, rkey, address, entries: [{ registration: handle, length: 8 }] })
      const [done] = loop.poll(near.queue)
      const isLast = rkey === key
      expect(done?.vendorError).toBe(isLast ? loopbackVendorErrors.windowNotBound : loopbackVendorErrors.unknownKey)
    }
    expect(loop.poll(near.queue)).toEqual([])
  })
})

describe('a region of more than 4 GiB', () => {
  const size = 4.5 * GiB
  const { available } = freeMemory({ policy: policyKind.none, nodes: [] })
  const reason = available < size + 2 * GiB ? `needs ${size / GiB} GiB of memory, and 2 GiB to spare` : undefined

  test('is written and read across the ends of its windows, and no byte beside is changed', (context) => {
    needs(context, reason)
    const region = kept(openRegistrySync()).allocateSync('large', { size, pages: 'base', backing: 'anonymous' })
    const { near } = connected(loop)
    const whole = loop.calls.register(loop.domain, memory(region, 0, size), undefined, everyAccess)
    const source = Uint8Array.from({ length: MiB }, (_, index) => (index * 7 + 1) & 0xff)
    region.view(0, MiB).set(source)
    for (const at of [4 * GiB - MiB / 2, 2 * GiB - 5, size - MiB]) {
      const remote = { rkey: whole.rkey, address: whole.address + BigInt(at) }
      loop.post(
        near.handle,
        { opcode: write, ...remote, entries: [{ registration: whole.handle, length: MiB }] },
        { opcode: read, ...remote, entries: [{ registration: whole.handle, offset: 2 * MiB, length: MiB }] },
      )
      expect(loop.poll(near.queue).map(({ status }) => status)).toEqual([0, 0])
      expect(Buffer.compare(region.view(at, MiB), source)).toBe(0)
      expect(Buffer.compare(region.view(2 * MiB, MiB), source)).toBe(0)
      expect(region.view(at - 1, 1)[0]).toBe(0)
      if (at + MiB < size) expect(region.view(at + MiB, 1)[0]).toBe(0)
    }
    const beyond = { rkey: whole.rkey, address: whole.address + BigInt(size - MiB + 1) }
    loop.post(near.handle, { opcode: write, ...beyond, entries: [{ registration: whole.handle, length: MiB }] })
    expect(loop.poll(near.queue)).toMatchObject([{ vendorError: loopbackVendorErrors.outOfRange }])
  }, 120_000)
})
