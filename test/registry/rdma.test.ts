import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type Device,
  type MemoryRegistry,
  openDevice,
  openRegistrySync,
  type ProtectionDomain,
  parseRemoteMemory,
  registryChannels,
} from '../../src/index.js'

// Registrations in a registry. The loopback is enough for these tests.

const base = { size: '64KiB', pages: 'base' } as const
const coded = (code: string, values: object = {}) =>
  expect.objectContaining({ code, values: expect.objectContaining(values) })

let device: Device
let domain: ProtectionDomain
let memory: MemoryRegistry

beforeEach(() => {
  device = openDevice({ loopback: true })
  domain = device.createDomain()
  memory = openRegistrySync({ leaks: 'off' })
})

afterEach(() => {
  memory.close()
  device.close({ force: true })
})

describe('a registration', () => {
  test('keeps its region open until it is closed, and the refusal names it', async () => {
    const region = memory.allocateSync('rx', base)
    const registration = await memory.register(region, domain, ['localWrite'])
    const holders = [`${registration.label} with loopback0`]
    expect(() => region.close()).toThrowCode('ERR_REGION_HELD', {
      values: expect.objectContaining({ name: 'rx', holders }),
    })
    expect(region.closed).toBe(false)
    registration.close()
    region.close()
    expect(memory.list()).toEqual([])
  })

  test('is not made if an option closes the registry while it is read', () => {
    const slice = memory.allocateSync('rx', base).slice(0, 64)
    const options = {
      get address() {
        memory.close()
        return 4096n
      },
    }
    expect(() => memory.registerSync(slice, domain, [], options)).toThrow()
    expect([memory.closed, memory.registrations()]).toEqual([true, []])
    domain.close()
  })

  test('is listed by region and in the order of its making, and counted', () => {
    const one = memory.allocateSync('one', base)
    const other = memory.allocateSync('other', base)
    const first = memory.registerSync(other, domain, [])
    const second = memory.registerSync(one.slice(100, 200), domain, ['localWrite'])
    const third = memory.registerSync(other.slice(0, 1), domain, [])
    expect(memory.registrations()).toEqual([first, second, third])
    expect(memory.registrations(other)).toEqual([first, third])
    expect(memory.stats().registrations).toBe(3)
    expect(second).toMatchObject({ regionName: 'one', offset: 100, length: 200, access: ['localWrite'] })
    first.close()
    expect(memory.registrations()).toEqual([second, third])
  })

  test('shows its rights, and nowhere its key', async () => {
    const region = memory.allocateSync('rx', base)
    const registration = await memory.register(region, domain, ['localWrite', 'remoteRead'])
    const shown = [
      inspect(memory),
      inspect(registration),
      inspect(registration.describe()),
      JSON.stringify(memory.stats()),
    ]
    const remote = parseRemoteMemory(registration.describe())
    for (const text of [...shown, inspect(remote), inspect(remote.slice(0, 8), { depth: 9 })]) {
      expect(text).not.toContain(`${registration.rkey}`)
      expect(text).not.toContain(registration.rkey.toString(16))
    }
    expect(inspect(memory)).toMatch(/^ {4}Registration of region 'rx' with loopback0 { 64KiB, at 0x.*remoteRead }$/m)
  })

  test('can be described to a peer by JSON or postMessage', () => {
    const registration = memory.registerSync(memory.allocateSync('rx', base), domain, ['localWrite', 'remoteWrite'])
    const description = registration.describe()
    const { port1, port2 } = new MessageChannel()
    port1.postMessage(description)
    const posted = receiveMessageOnPort(port2)?.message
    port1.close()
    for (const arrived of [JSON.parse(JSON.stringify(description)), posted, structuredClone(description)]) {
      const { address, length, rkey, generation } = parseRemoteMemory(arrived)
      expect({ address, length, rkey, generation }).toEqual({
        address: registration.address,
        length: 64 * 1024,
        rkey: registration.rkey,
        generation: registration.generation,
      })
    }
  })

  test('of a region of another registry belongs to the registry that made it', () => {
    const owner = openRegistrySync({ regions: { shared: base } })
    const { shared } = owner.regions
    const registration = memory.registerSync(shared, domain, [])
    expect(() => owner.close()).toThrowCode('ERR_REGION_HELD')
    expect(memory.registrations()).toEqual([registration])
    memory.close()
    expect(registration.closed).toBe(true)
    owner.close()
    expect(shared.closed).toBe(true)
  })

  test('publishes nothing on the channels of regions', () => {
    const seen: string[] = []
    const listeners = Object.values(registryChannels).map((name) => {
      const listener = () => seen.push(name)
      subscribe(name, listener)
      return { name, listener }
    })
    const region = memory.allocateSync('rx', base)
    memory.registerSync(region, domain, []).close()
    for (const { name, listener } of listeners) unsubscribe(name, listener)
    expect(seen).toEqual([registryChannels.allocate])
  })
})

describe('a registry that closes', () => {
  test('closes bound windows before registrations, and registrations before regions', async () => {
    const region = memory.allocateSync('rx', base)
    const registration = await memory.register(region, domain, ['localWrite', 'bindWindow'])
    const queue = device.createCompletionQueue({ entries: 128 })
    const queuePair = domain.createQueuePair({ sendQueue: queue })
    queuePair.connect(queuePair.describe())
    const window = domain.allocateWindow()
    queuePair.post({ operation: 'bind', window, memory: registration, access: ['remoteRead'] })
    expect(await queue.wait()).toMatchObject([{ status: 'SUCCESS' }])
    const order: string[] = []
    window.onClose(() => order.push('window'))
    registration.onClose(() => order.push(`registration, region ${region.closed ? 'closed' : 'open'}`))
    memory.close()
    expect(order).toEqual(['window', 'registration, region open'])
    expect(region.closed).toBe(true)
    expect(queuePair.closed).toBe(false)
  })

  test('refuses if a program holds a region, and leaves its registrations open', () => {
    const region = memory.allocateSync('rx', base)
    const registration = memory.registerSync(region, domain, [])
    const hold = region.hold('a disk write')
    expect(() => memory.close()).toThrowCode('ERR_REGION_HELD', {
      values: expect.objectContaining({ held: [{ name: 'rx', holders: ['a disk write'], count: 1 }] }),
    })
    expect(registration.closed).toBe(false)
    hold.release()
  })

  test('does not wait for its own registrations if nothing is held, and closes them', async () => {
    const region = memory.allocateSync('rx', base)
    const registration = memory.registerSync(region, domain, [])
    await memory.closeWhenReleased()
    expect([registration.closed, region.closed]).toEqual([true, true])
  })

  test('waits for a registration that is under way, which fails and leaves nothing', async () => {
    const region = memory.allocateSync('rx', base)
    const coming = memory.register(region, domain, [])
    const closing = memory.closeWhenReleased()
    await expect(coming).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(REGION|REGISTRY)_CLOSED$/) })
    await closing
    expect(region.closed).toBe(true)
    expect(memory.registrations()).toEqual([])
    expect(domain.children).toEqual([])
  })

  test('refuses every registration of its regions while it waits, and nothing is left of the try', async () => {
    const region = memory.allocateSync('rx', base)
    const other = openRegistrySync({ regions: { own: base } })
    const registration = other.registerSync(other.regions.own, domain, [])
    const implicit = domain.registerImplicit([])
    const hold = region.hold('a disk write')
    const closing = memory.closeWhenReleased()
    const refused = coded('ERR_REGION_CLOSED', { name: 'rx' })
    expect(() => other.registerSync(region, domain, [])).toThrow(refused)
    expect(() => implicit.cover(region)).toThrow(refused)
    expect(() => registration.reregister({ memory: region })).toThrow(refused)
    expect(registration.regionName).toBe('own')
    expect(domain.children).toEqual([registration, implicit])
    hold.release()
    await closing
    other.close()
    implicit.close()
    domain.close()
  })

  test('refuses while a registration is under way, and registers nothing after its close', async () => {
    const region = memory.allocateSync('rx', base)
    const coming = memory.register(region, domain, [])
    expect(() => memory.close()).toThrowCode('ERR_REGION_HELD')
    const registration = await coming
    expect(registration.closed).toBe(false)
    memory.close()
    expect(() => memory.registerSync(region, domain, [])).toThrowCode('ERR_REGISTRY_CLOSED')
    await expect(memory.register(region, domain, [])).rejects.toEqual(coded('ERR_REGISTRY_CLOSED'))
  })
})

test('a registry that begins to wait at any moment of a registration closes', async () => {
  for (let turns = 0; turns < 20; turns++) {
    const own = openRegistrySync({ leaks: 'off', regions: { rx: base } })
    const registering = own.register(own.regions.rx, domain, []).catch((error) => error)
    for (let turn = 0; turn < turns; turn++) await undefined
    await own.closeWhenReleased()
    await registering
    expect([own.closed, domain.children]).toEqual([true, []])
  }
})

describe('a domain that closes', () => {
  test('refuses while it has registrations, lists them, and closes them with `force`', () => {
    const region = memory.allocateSync('rx', base)
    const registrations = [1, 2].map(() => memory.registerSync(region, domain, []))
    const children = registrations.map(({ label }) => label).reverse()
    expect(() => domain.close()).toThrowCode('ERR_OBJECT_BUSY', {
      values: expect.objectContaining({ object: domain.label, children }),
    })
    expect(registrations.map(({ closed }) => closed)).toEqual([false, false])
    domain.close({ force: true })
    expect(registrations.map(({ closed }) => closed)).toEqual([true, true])
    expect(memory.registrations()).toEqual([])
    region.close()
  })

  test('refuses while a registration is under way, also with `force`', async () => {
    const coming = memory.register(memory.allocateSync('rx', base), domain, [])
    for (const options of [{}, { force: true }]) {
      expect(() => domain.close(options)).toThrowCode('ERR_OBJECT_BUSY', {
        values: expect.objectContaining({ object: domain.label }),
      })
      expect(() => device.close(options)).toThrowCode('ERR_OBJECT_BUSY', {
        values: expect.objectContaining({ object: domain.label }),
      })
    }
    expect((await coming).closed).toBe(false)
  })
})

describe('an object of a device that is disposed', () => {
  /** Objects that depend on each other, and that the test does not close. */
  function objects() {
    const region = memory.allocateSync('rx', base)
    const channel = device.createCompletionChannel()
    const queue = device.createCompletionQueue({ entries: 8, channel })
    const shared = domain.createSharedReceiveQueue()
    const queuePair = domain.createQueuePair({ sendQueue: queue, sharedReceiveQueue: shared })
    queuePair.connect(queuePair.describe())
    const registration = memory.registerSync(region, domain, ['localWrite', 'bindWindow'])
    const window = domain.allocateWindow()
    queuePair.post({ operation: 'bind', window, memory: registration, access: ['remoteRead'] })
    const deviceMemory = device.allocateDeviceMemory({ size: 4096 })
    const ofDevice = domain.registerDeviceMemory(deviceMemory, ['localWrite'])
    const implicit = domain.registerImplicit([])
    const part = implicit.cover(region)
    return {
      device,
      domain,
      channel,
      queue,
      shared,
      queuePair,
      registration,
      window,
      deviceMemory,
      ofDevice,
      implicit,
      part,
    }
  }
  type Name = keyof ReturnType<typeof objects>

  const everything: readonly Name[] = [
    ...(['device', 'domain', 'channel', 'queue', 'shared', 'queuePair', 'registration', 'window'] as const),
    ...(['deviceMemory', 'ofDevice', 'implicit', 'part'] as const),
  ]
  const cases: readonly (readonly [Name, readonly Name[]])[] = [
    ['device', everything],
    ['domain', ['domain', 'shared', 'queuePair', 'registration', 'window', 'ofDevice', 'implicit', 'part']],
    ['channel', ['channel', 'queue', 'queuePair', 'window']],
    ['queue', ['queue', 'queuePair', 'window']],
    ['shared', ['shared', 'queuePair', 'window']],
    ['queuePair', ['queuePair', 'window']],
    ['registration', ['registration', 'window']],
    ['window', ['window']],
    ['deviceMemory', ['deviceMemory', 'ofDevice']],
    ['implicit', ['implicit', 'part']],
  ]

  test.each(cases)('%s closes with all objects that depend on it, and with no others', async (name, expected) => {
    const made = objects()
    expect(await made.queue.wait()).toMatchObject([{ status: 'SUCCESS' }])
    made[name][Symbol.dispose]()
    expect(everything.filter((each) => made[each].closed)).toEqual(expected)
    made.part.close() // the registry does not close this registration
  })

  test('is refused while a call on it is under way', async () => {
    const coming = memory.register(memory.allocateSync('rx', base), domain, [])
    expect(() => domain[Symbol.dispose]()).toThrowCode('ERR_OBJECT_BUSY', {
      values: expect.objectContaining({ object: domain.label }),
    })
    expect((await coming).closed).toBe(false)
  })
})

describe('the error of a full queue says how to make room', () => {
  test('of a queue pair and of a shared receive queue', () => {
    const queue = device.createCompletionQueue({ entries: 64 })
    const shared = domain.createSharedReceiveQueue({ requests: 4 })
    const queuePair = domain.createQueuePair({ sendQueue: queue, sendRequests: 4, receiveRequests: 4 })
    queuePair.connect(queuePair.describe())
    const many = <Request>(request: Request) => Array.from({ length: 1000 }, () => request)
    expect(() => queuePair.postReceive(many({}))).toThrowCode('ERR_QUEUE_FULL', {
      hint: expect.stringMatching(/receiveRequests/),
    })
    expect(() => shared.postReceive(many({}))).toThrowCode('ERR_QUEUE_FULL', {
      hint: expect.stringMatching(/createSharedReceiveQueue\({ requests }\)/),
    })
    // In SQD no send is done, although the peer, which is this queue pair itself, has receives.
    queuePair.modify({ state: 'SQD' })
    expect(() => queuePair.post(many({ operation: 'send' as const, memory: [] }))).toThrowCode('ERR_QUEUE_FULL', {
      hint: expect.stringMatching(/sendRequests/),
    })
  })

  test('of a batch', () => {
    const queue = device.createCompletionQueue({ entries: 64 })
    const { sends, receives } = domain.createQueuePair({ sendQueue: queue, sendRequests: 4, receiveRequests: 4 })
    const registration = memory.registerSync(memory.allocateSync('rx', base), domain, ['localWrite'])
    const fill = (stage: () => void) => () => {
      for (let count = 0; count < 1000; count++) stage()
    }
    expect(fill(() => sends.send(registration))).toThrowCode('ERR_QUEUE_FULL', {
      hint: expect.stringMatching(/post\(\) or clear\(\)/),
    })
    expect(fill(() => receives.receive(registration))).toThrowCode('ERR_QUEUE_FULL', {
      hint: expect.stringMatching(/post\(\) or clear\(\)/),
    })
  })
})

test('a worker registers an attached region with its own device, and its end closes all of it', async () => {
  const region = memory.allocateSync('shared', base)
  const worker = new Worker(
    `
      const { workerData, parentPort } = require('node:worker_threads')
      import('pinfold').then(({ attachRegion, openDevice, openRegistrySync }) => {
        const region = attachRegion(workerData)
        const registration = openRegistrySync().registerSync(region, openDevice({ loopback: true }).createDomain(), [])
        let refused = 'nothing'
        try {
          region.close()
        } catch (error) {
          refused = error.code
        }
        parentPort.postMessage({ refused, length: registration.length })
        setInterval(() => {}, 1000)
      })
    `,
    { eval: true, workerData: region.handle },
  )
  const message = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  expect(message).toEqual({ refused: 'ERR_REGION_HELD', length: region.size })
  await worker.terminate()
  // The worker's registration does not hold the region in this thread.
  region.close()
  expect(region.closed).toBe(true)
})
