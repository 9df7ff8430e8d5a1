import { afterAll, expect, test, vi } from 'vitest'
import type { Access } from '../../src/index.js'
import { Completions } from '../../src/rdma/completion.js'
import { accessFlags } from '../../src/rdma/contract/access-flags.js'
import { callsOf } from '../../src/rdma/device-object.js'
import { rdmaObjects } from '../support/rdma-objects.js'

// Arguments that change each time they are read, or that act while they are read.

const { memory, region, device, domain, queue, queuePair, fresh, registration, deviceMemory } = rdmaObjects()

afterAll(() => {
  device.close({ force: true })
  memory.close()
})

/**
 * An array of one element, which reads as `first` once, and then as `later`. If `later` is a function, reading throws.
 */
function changing(first: Access, later: Access | (() => never)): { given: Access[]; reads: () => number } {
  const given: Access[] = [first]
  let reads = 0
  Object.defineProperty(given, 0, {
    get: () => {
      reads += 1
      if (reads === 1) return first
      return typeof later === 'function' ? later() : later
    },
  })
  return { given, reads: () => reads }
}

test('the whole address space is registered with the rights that were checked', () => {
  const asked = vi.spyOn(callsOf(device), 'registerImplicit')
  const implicit = domain.registerImplicit(changing('localWrite', 'remoteRead').given)
  expect(asked).toHaveBeenCalledWith(expect.any(Number), accessFlags.byName.localWrite | accessFlags.byName.onDemand)
  expect(implicit.access).toEqual(['localWrite'])
  implicit.close()
  asked.mockRestore()
})

test('rights are read once, so that a getter cannot fail after the device has registered', () => {
  const before = domain.children.length
  const fails = () => {
    throw new Error('read again')
  }
  for (const register of [
    (access: Access[]) => domain.registerDeviceMemory(deviceMemory, access),
    (access: Access[]) => memory.registerSync(region, domain, access),
  ]) {
    const { given, reads } = changing('localWrite', fails)
    const made = register(given)
    expect([made.access, reads()]).toEqual([['localWrite'], 1])
    made.close()
  }
  expect(domain.children).toHaveLength(before)
})

test('a right must be a string, not an object with `toString`', () => {
  const given: never[] = JSON.parse('[{}]')
  Object.defineProperty(given[0], 'toString', { value: () => 'localWrite' })
  expect(() => memory.registerSync(region, domain, given)).toThrowCode('ERR_INVALID_ARGUMENT')
})

test('a queue pair is in the state that the device was asked for', () => {
  let reads = 0
  const attributes = {
    get state() {
      reads += 1
      return reads === 1 ? ('INIT' as const) : ('RTS' as const)
    },
    port: 1,
    partitionKeyIndex: 0,
    access: [],
  }
  fresh.modify(attributes)
  expect([fresh.state, fresh.query().state]).toEqual(['INIT', 'INIT'])
})

test('an imitation of a domain or of Completions is refused', () => {
  expect(() => memory.registerSync(region, new Proxy(domain, {}), [])).toThrowCode('ERR_INVALID_ARGUMENT')
  expect(() => queue.pollInto(Object.create(Completions.prototype))).toThrowCode('ERR_INVALID_ARGUMENT')
})

test('a window that one batch binds, closes and binds again gets the key of the last bind', async () => {
  const window = domain.allocateWindow()
  const slice = registration.slice(0, 64)
  queuePair.post([
    { operation: 'bind', window, memory: slice, access: ['remoteRead'] },
    { operation: 'invalidate', target: window },
    { operation: 'bind', window, memory: slice, access: ['remoteWrite'] },
    { operation: 'invalidate', target: window },
  ])
  expect(queue.poll().map(({ status }) => status)).toEqual(['SUCCESS', 'SUCCESS', 'SUCCESS', 'SUCCESS'])
  expect(window.registration).toBeUndefined()
  queuePair.post({ operation: 'bind', window, memory: slice, access: ['remoteRead'] })
  expect(queue.poll()).toMatchObject([{ status: 'SUCCESS' }])
  window.close()
})
