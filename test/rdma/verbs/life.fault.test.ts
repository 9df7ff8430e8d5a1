import { readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { openRegistrySync, PinfoldError } from '../../../src/index.js'
import { native } from '../../../src/native.js'
import { openDevice } from '../../../src/rdma/devices/open-device.js'
import { verbsProvider } from '../../../src/rdma/verbs/index.js'
import { mappedRegions } from '../../support/mapped-regions.js'
import { life } from '../../support/verbs-life.js'

const { test: verbs } = native.verbs
const { EIO, ENOMEM, EPERM } = constants.errno

// The first device of a thread starts the event thread, whose descriptors stay.
beforeAll(async () => {
  verbs.choose(true, true)
  await life()
})
beforeEach(() => verbs.choose(true, true))
afterEach(() => verbs.choose(false, false))

/** The counts that a life must not change. */
function left() {
  const { live, closed } = native.tableCounts()
  const descriptors = readdirSync('/proc/self/fd').length
  return { objects: verbs.live(), live, closed, mapped: mappedRegions().length, descriptors }
}

/** The number of calls of each function in a life. The calls of the event thread vary, and are left out. */
async function callsOfALife(): Promise<[string, number][]> {
  verbs.clear()
  await life()
  const calls = Object.entries(verbs.calls())
  return calls.filter(([name]) => !/^ibv_(ack_|get_cq_event|get_async_event|get_device_guid)/.test(name))
}

/** The name in errors. Memory at its own address is registered as ibv_reg_mr, whichever function does it. */
function namesOf(name: string): RegExp {
  return new RegExp(`^${name === 'ibv_reg_mr_iova2' ? 'ibv_reg_mr(_iova2)?' : name}$`)
}

test('a life on a device leaves nothing', async () => {
  const before = left()
  await life()
  expect(left()).toEqual(before)
})

test('a device that was opened without fault injection counts no calls, and no call fails', async () => {
  verbs.choose(true, false)
  const before = verbs.live()
  verbs.inject('ibv_alloc_pd', 1, ENOMEM)
  await life()
  expect([verbs.calls(), verbs.live()]).toEqual([{}, before])
})

test('if any call of a life fails once, the error names its function, and nothing is left', {
  timeout: 240_000,
}, async () => {
  const before = left()
  const calls = await callsOfALife()
  expect(calls.length).toBeGreaterThan(40)
  let refused = 0
  for (const [name, count] of calls) {
    for (let nth = 1; nth <= count; nth++) {
      verbs.clear()
      verbs.inject(name, nth, ENOMEM)
      const outcome = await life().then(
        () => undefined,
        (error: unknown) => error,
      )
      const where = `${name}, call ${nth} of ${count}`
      // A function that ends an object is called again, and a failure to free a list of devices is ignored.
      if (outcome !== undefined || !/^ibv_(destroy_|dealloc_|dereg_|free_|close_)/.test(name)) {
        expect(outcome, where).toBeInstanceOf(PinfoldError)
        expect(outcome, where).toMatchObject({ syscall: expect.stringMatching(namesOf(name)), errno: ENOMEM })
        refused++
      }
      expect(left(), where).toEqual(before)
    }
  }
  expect(refused).toBeGreaterThan(60)
})

test('an errno of each kind becomes its code', async () => {
  const { EACCES, EBUSY, EINVAL, EOPNOTSUPP } = constants.errno
  const expected: [string, number, string][] = [
    ['ibv_open_device', EACCES, 'ERR_DEVICE_PERMISSION'],
    ['ibv_reg_mr_iova2', EOPNOTSUPP, 'ERR_UNSUPPORTED'],
    ['ibv_reg_mr_iova2', EINVAL, 'ERR_DEVICE_REFUSED'],
    ['ibv_dealloc_pd', EBUSY, 'ERR_OBJECT_BUSY'],
    ['ibv_query_port', EIO, 'ERR_DEVICE_REMOVED'],
    ['ibv_post_send', ENOMEM, 'ERR_QUEUE_FULL'],
    ['ibv_modify_qp', EPERM, 'ERR_DEVICE_REFUSED'],
  ]
  for (const [name, errno, code] of expected) {
    verbs.inject(name, 1, errno)
    await expect(life(), `${name} ${errno}`).rejects.toMatchObject({ code, errno })
  }
  verbs.inject('ibv_post_send', 1, ENOMEM)
  await expect(life()).rejects.toMatchObject({ hint: expect.stringContaining('sendRequests') })
})

test('a removed device sends an event, every call fails as removed, and closing it leaves nothing', async () => {
  const before = left()
  using memory = openRegistrySync({ regions: { rx: { size: '64KiB', pages: 'base' } } })
  const device = openDevice('noop0')
  const events = device.events()
  const domain = device.createDomain()
  const registration = memory.registerSync(memory.regions.rx, domain, ['localWrite'])
  const queue = device.createCompletionQueue({ entries: 128 })
  const queuePair = domain.createQueuePair({ sendQueue: queue })
  queuePair.connect(queuePair.describe())
  const calls = verbs.live()
  verbs.remove()
  expect((await events.next()).value).toMatchObject({ type: 'DEVICE_FATAL', subject: 'device' })

  expect(() => device.query()).toThrowCode('ERR_DEVICE_REMOVED', { errno: EIO })
  expect(() => queuePair.post({ operation: 'send', memory: registration })).toThrowCode('ERR_DEVICE_REMOVED', {
    errno: EIO,
  })
  expect(() => queue.poll()).toThrowCode('ERR_DEVICE_REMOVED', { errno: EIO })
  await expect(memory.register(memory.regions.rx, domain, ['localWrite'])).rejects.toThrowCode('ERR_DEVICE_REMOVED', {
    errno: EIO,
  })

  // Objects of a removed device are closed without it. The region stays until the device's context is closed.
  queuePair.close()
  registration.close()
  memory.regions.rx.close()
  expect(native.tableCounts().live).toBe(before.live + 1)
  device.close({ force: true })
  expect(native.tableCounts().live).toBe(before.live)
  // Objects that the library could not destroy are lost with the device, so the count need not fall to 0.
  expect(verbs.live()).toBeLessThan(calls)
})

test('a queue pair of a removed device closes, though the device detaches it from no group', async () => {
  const device = openDevice('noop0')
  const events = device.events()
  const queue = device.createCompletionQueue({ entries: 128 })
  const queuePair = device.createDomain().createQueuePair({ type: 'UD', sendQueue: queue })
  queuePair.attachMulticast({ gid: 'ff0e:0:0:0:0:0:0:1' })
  verbs.remove()
  expect((await events.next()).value).toMatchObject({ type: 'DEVICE_FATAL' })
  device.close({ force: true })
  expect(queuePair.closed).toBe(true)
})

test('a queue pair that fails to close stays in its groups, and leaves them when it closes', () => {
  const device = openDevice('noop0')
  const queue = device.createCompletionQueue({ entries: 128 })
  const queuePair = device.createDomain().createQueuePair({ type: 'UD', sendQueue: queue })
  for (const last of [1, 2]) queuePair.attachMulticast({ gid: `ff0e:0:0:0:0:0:0:${last}` })
  for (const [name, nth] of [
    ['ibv_destroy_qp', 1],
    ['ibv_detach_mcast', 2],
  ] as const) {
    verbs.clear()
    verbs.inject(name, nth, EPERM)
    expect(() => queuePair.close()).toThrow(expect.objectContaining({ syscall: name, errno: EPERM }))
    expect(verbs.calls()).toMatchObject({ ibv_detach_mcast: 2, ibv_attach_mcast: 3 - nth })
  }
  verbs.clear()
  queuePair.close()
  expect(verbs.calls()).toMatchObject({ ibv_detach_mcast: 2, ibv_destroy_qp: 1 })
  device.close({ force: true })
})

test('a device that fails without being removed keeps its objects and the memory', () => {
  using memory = openRegistrySync({ regions: { rx: { size: '64KiB', pages: 'base' } } })
  const device = openDevice('noop0')
  const domain = device.createDomain()
  const registration = memory.registerSync(memory.regions.rx, domain, ['localWrite'])
  verbs.inject('ibv_dereg_mr', 1, EIO)
  expect(() => registration.close()).toThrowCode('ERR_DEVICE_REMOVED')
  expect(registration.closed).toBe(false)
  expect(() => memory.regions.rx.close()).toThrowCode('ERR_REGION_HELD')
  registration.close()
  device.close({ force: true })
})

test('an unknown device is an error that lists the known devices', () => {
  expect(() => verbsProvider.open('mlx5_7')).toThrowCode('ERR_DEVICE_UNKNOWN', {
    values: { device: 'mlx5_7', known: ['noop0'] },
  })
})
