import { afterAll, describe, expect, test } from 'vitest'
import { CompletionQueue } from '../../src/rdma/completion-queue.js'
import type { Device } from '../../src/rdma/device.js'
import type { DeviceObject } from '../../src/rdma/device-object.js'
import { MemoryWindow } from '../../src/rdma/memory-window.js'
import { Registration } from '../../src/rdma/registration.js'
import { RegistrationSlice } from '../../src/rdma/registration-slice.js'
import { complaint, type Door } from '../support/entry-points.js'
import { methodsOf, world } from '../support/process-state.js'
import { rdmaDoors } from '../support/rdma-entry-points.js'
import { rdmaObjects } from '../support/rdma-objects.js'

const objects = rdmaObjects()
const {
  memory,
  region,
  device,
  domain,
  channel,
  queue,
  shared,
  queuePair,
  fresh,
  freshDatagrams,
  datagrams,
  registration,
  slice,
  remote,
  remoteSlice,
  window,
  addressHandle,
  deviceMemory,
  implicit,
  completions,
} = objects
const doors = rdmaDoors(objects)

afterAll(() => {
  device.close({ force: true })
  memory.close()
})

/** Methods without arguments. */
const silent = [
  'Device.query',
  'Device.createDomain',
  'Device.createCompletionChannel',
  'ProtectionDomain.registerNull',
  'Registration.describe',
  'MemoryWindow.describe',
  'QueuePair.query',
  'SharedReceiveQueue.query',
  'SendBatch.clear',
  'SendBatch.post',
  'ReceiveBatch.clear',
  'ReceiveBatch.post',
]
/** Methods that only pinfold calls, and methods of Completions, whose index must be below the polled count. */
const internal =
  /\.(requireOpen|onClose|underWay|ownChannel|leaveChannel|stayAlive|notified|overran|warnIfTooSmall|unbind|forget|requireSending|requireReceiving|postReceives|posted|keyAfter|addAs|ids|postTracked|id|setId|lose|settle|tellStall|exchangeParent|leaveParents|destroy|change)$|^Completions\./

/** All objects of the device, and the state of the queue pairs. */
function rdmaWorld(of: Device) {
  const below = (object: DeviceObject): string[] => object.children.flatMap((child) => [child.label, ...below(child)])
  const pairs = [queuePair, fresh, freshDatagrams, datagrams].map((pair) => ({
    ...pair.query(),
    staged: pair.sends.staged,
  }))
  return { objects: below(of), pairs, polled: queue.poll(), shared: shared.query(), window: window.rkey }
}

const keyOf = ({ of, name }: Door) => `${of.constructor === Object ? '' : `${of.constructor.name}.`}${name}`

describe('bad input is refused with a typed error that names it, and changes nothing', () => {
  const cases = doors.map((door) => [`${keyOf(door)}(${'…, '.repeat(door.before?.length ?? 0)}wrong)`, door] as const)
  test.for(cases)('%s', async ([, door]) => {
    const before = [world(memory), rdmaWorld(device)]
    const complaints: (string | undefined)[] = []
    for (const input of door.inputs) complaints.push(await complaint(door, input))
    expect(complaints.filter((one) => one !== undefined)).toEqual([])
    expect([world(memory), rdmaWorld(device)]).toEqual(before)
  })
})

describe('every entry point has cases here:', () => {
  const known = new Set(doors.map(keyOf))
  const objects = [device, domain, channel, queue, shared, queuePair, registration, slice, remote, remoteSlice, window]
  const others = [addressHandle, deviceMemory, implicit, queuePair.sends, queuePair.receives, completions]
  test.each([...objects, ...others].flatMap((object) => methodsOf(object)))('%s', (key, method) => {
    const isClose = key.endsWith('.close') || key.endsWith('.inspect')
    if (known.has(key) || internal.test(key) || isClose) return
    expect(silent).toContain(key)
    expect(method).toHaveLength(0)
  })
})

test('an object with the prototype of a class that its constructor has not made is refused', () => {
  const forged = [CompletionQueue, Registration, MemoryWindow].map(({ prototype }) => Object.create(prototype))
  const [queueLike, registrationLike, windowLike] = forged
  const refused = { code: 'ERR_INVALID_ARGUMENT' }
  expect(() => domain.createQueuePair({ sendQueue: queueLike })).toThrow(expect.objectContaining(refused))
  expect(() => queuePair.sends.send(registrationLike)).toThrow(expect.objectContaining(refused))
  expect(() => queuePair.post({ operation: 'bind', window: windowLike })).toThrow(expect.objectContaining(refused))
})

test('a slice beyond its registration reaches no byte there', async () => {
  const before = Uint8Array.from(region.bytes)
  const own = memory.registerSync(region.slice(4096, 4096), domain, ['localWrite'])
  const pair = domain.createQueuePair({ sendQueue: device.createCompletionQueue({ entries: 128 }) })
  pair.connect(pair.describe(), { access: ['remoteRead'] })
  for (const [offset, length] of [
    [-1, 8],
    [4090, 8],
    [2 ** 40, 8],
    [0, 2 ** 31],
  ] as const) {
    const wild = new RegistrationSlice(own, offset, length)
    try {
      pair.post({ operation: 'read', memory: wild, remote: remote.slice(0, 8) })
      expect((await pair.sendQueue.wait())[0]?.ok).toBe(false)
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_DEVICE_REFUSED' })
    }
  }
  expect(region.bytes).toEqual(before)
  pair.close()
  own.close()
})
