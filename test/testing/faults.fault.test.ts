import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { describe, expect, test } from 'vitest'
import { listDevices, openDevice, openRegistrySync } from '../../src/index.js'
import { connectedPair, expectNoLeaks, injectFaults, weather } from '../../src/testing/index.js'
import { allVerbNames } from '../../src/testing/verb-names.js'

const { EIO, EINVAL, ENOMEM, EPERM } = constants.errno
const invalid = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' })

describe('faults of one device', () => {
  test('the n-th call fails, once, with the error of a real device', async () => {
    using pair = connectedPair()
    const { registry, near, domain } = pair
    using faults = injectFaults({ device: pair.device })
    faults.failNext('ibv_reg_mr', { nth: 2, errno: 'ENOMEM' })
    registry.registerSync(near.region, domain, []).close()
    await expect(registry.register(near.region, domain, [])).rejects.toMatchObject({
      syscall: 'ibv_reg_mr',
      errno: ENOMEM,
    })
    ;(await registry.register(near.region, domain, [])).close()
    expect(faults.calls()).toEqual({ ibv_reg_mr: 3, ibv_dereg_mr: 2 })
  })

  test('the default error is EINVAL of the next call, and a number is taken, too', () => {
    using pair = connectedPair()
    using faults = injectFaults({ device: pair.device })
    faults.failNext('ibv_alloc_pd')
    expect(() => pair.device.createDomain()).toThrow(
      expect.objectContaining({ code: 'ERR_DEVICE_REFUSED', errno: EINVAL }),
    )
    faults.failNext('ibv_query_port', { errno: EIO })
    expect(() => pair.device.ports).toThrow(expect.objectContaining({ code: 'ERR_DEVICE_REMOVED', errno: EIO }))
    faults.failNext('ibv_query_qp', { errno: 4000 })
    expect(() => pair.near.queuePair.query()).toThrow(expect.objectContaining({ errno: 4000 }))
  })

  test('a new fault replaces the one before; the end drops it', () => {
    using pair = connectedPair()
    const faults = injectFaults({ device: pair.device })
    faults.failNext('ibv_alloc_pd')
    faults.failNext('ibv_query_port')
    pair.device.createDomain()
    faults.end()
    faults.end()
    expect(pair.device.ports).toHaveLength(1)
    expect(() => faults.failNext('ibv_alloc_pd')).toThrow(invalid)
    expect(() => faults.calls()).toThrow(invalid)
  })

  test('a request that is refused is not posted, and an object that fails to close stays open', () => {
    using pair = connectedPair()
    const { near, registry, domain } = pair
    using faults = injectFaults({ device: pair.device })
    faults.failNext('ibv_post_send', { errno: 'ENOMEM' })
    const post = () => near.queuePair.post({ operation: 'write', memory: near.memory, remote: near.remote })
    expect(post).toThrow(expect.objectContaining({ code: 'ERR_QUEUE_FULL' }))
    expect(near.queue.poll()).toEqual([])
    post()
    expect(near.queue.poll()).toHaveLength(1)
    const registration = registry.registerSync(near.region, domain, [])
    faults.failNext('ibv_dereg_mr', { errno: 'EPERM' })
    expect(() => registration.close()).toThrow(expect.objectContaining({ errno: EPERM }))
    expect(registration.closed).toBe(false)
    registration.close()
  })

  test('a pair that fails half-way says why, also if the device refuses to close what was made', () => {
    const device = openDevice({ loopback: true })
    const faults = injectFaults({ device })
    faults.failNext('ibv_destroy_qp', { errno: 'EBUSY' })
    expect(() => connectedPair({ device, connect: { timeout: 99 } })).toThrow(invalid)
    faults.end()
    device.close({ force: true })
  })

  test.each(['faults first', 'weather first'])('and weather end in any order: %s', (order) => {
    using pair = connectedPair()
    const { device, near } = pair
    const faults = injectFaults({ device })
    const storm = weather(device, { delay: 1000 })
    const post = () => near.queuePair.post({ operation: 'write', memory: near.memory, remote: near.remote })
    post()
    expect(near.queue.poll()).toEqual([])
    for (const one of order === 'faults first' ? [faults, storm] : [storm, faults]) one.end()
    expect(near.queue.poll()).toHaveLength(1)
    post()
    expect(near.queue.poll()).toHaveLength(1)
  })

  test('refuse what an open device never calls', () => {
    using device = openDevice({ loopback: true })
    using faults = injectFaults({ device })
    expect(() => faults.failNext('ibv_open_device')).toThrow(invalid)
  })
})

describe('faults of libibverbs', () => {
  test('reach every call of a device that is opened meanwhile, on a machine without one, too', () => {
    expectNoLeaks(() => {
      using faults = injectFaults({ noOp: true })
      expect(listDevices().map(({ name }) => name)).toContain('noop0')
      faults.failNext('ibv_open_device', { errno: 'EPERM' })
      expect(() => openDevice('noop0')).toThrow(expect.objectContaining({ syscall: 'ibv_open_device' }))
      using device = openDevice('noop0')
      using domain = device.createDomain()
      using memory = openRegistrySync({ regions: { rx: { size: 4096, pages: 'base' } } })
      faults.failNext('ibv_reg_mr', { nth: 2, errno: 'EPERM' })
      memory.registerSync(memory.regions.rx, domain, []).close()
      expect(() => memory.registerSync(memory.regions.rx, domain, [])).toThrow(
        expect.objectContaining({ syscall: 'ibv_reg_mr', errno: EPERM }),
      )
      expect(faults.calls()).toMatchObject({ ibv_open_device: 2, ibv_alloc_pd: 1, ibv_reg_mr: 2, ibv_dereg_mr: 1 })
    })
    expect(listDevices().map(({ name }) => name)).not.toContain('noop0')
  })

  test('are taken once', () => {
    using _ = injectFaults({ noOp: true })
    expect(() => injectFaults()).toThrow(invalid)
  })

  test('show an object that was lost in the library', () => {
    using faults = injectFaults({ noOp: true })
    using device = openDevice('noop0')
    expect(() => expectNoLeaks(() => device.createDomain())).toThrow(/still open: domain \d+, objects of libibverbs: 1/)
    expect(faults.calls()).toMatchObject({ ibv_alloc_pd: 1 })
  })
})

test('weather is for the loopback alone', () => {
  using _ = injectFaults({ noOp: true })
  using device = openDevice('noop0')
  expect(() => weather(device)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }))
})

test('the names are those of the table of functions', () => {
  const table = readFileSync(new URL('../../native/verbs/function_table.h', import.meta.url), 'utf8')
  const known = [...table.matchAll(/"(ibv_\w+)"/g)].map(([, name]) => name)
  expect(known.length).toBeGreaterThan(40)
  // Nothing fails by these: a number is read, and a list is freed.
  const unfailing = ['ibv_reg_mr_iova2', 'ibv_free_device_list', 'ibv_get_device_guid', 'ibv_is_fork_initialized']
  expect([...allVerbNames].sort()).toEqual([...new Set(known)].filter((name) => !unfailing.includes(name ?? '')).sort())
})
