import { constants } from 'node:os'
import { describe, expect, test } from 'vitest'
import { type Device, explainVendorError, openDevice, openRegistrySync } from '../../src/index.js'
import { type ConnectedPair, connectedPair, type WeatherOptions, weather } from '../../src/testing/index.js'

const quickly = () => ({ signal: AbortSignal.timeout(30_000) })

/** Posts a write of 8 bytes at the offset. */
function write({ near }: ConnectedPair, offset = 0): void {
  near.queuePair.post({
    operation: 'write',
    memory: near.memory.slice(offset, 8),
    remote: near.remote.slice(offset, 8),
    id: offset,
  })
}

function send({ near }: ConnectedPair): void {
  near.queuePair.post({ operation: 'send', memory: near.memory.slice(0, 8) })
}

/** Waits for so many completions, and returns their statuses. */
async function statuses({ near }: ConnectedPair, count: number): Promise<string[]> {
  const found: string[] = []
  while (found.length < count) found.push(...(await near.queue.wait(quickly())).map(({ status }) => status))
  return found
}

/** The events that the device reports while `act` runs, until `count` of them have come. */
async function eventsOf(device: Device, count: number, act: () => unknown): Promise<string[]> {
  const events = device.events(quickly())
  await act()
  const found: string[] = []
  for await (const { type } of events) {
    found.push(type)
    if (found.length === count) break
  }
  return found
}

describe('without any option', () => {
  test('requests complete at once, as on a calm day', () => {
    using pair = connectedPair()
    using storm = weather(pair.device)
    pair.near.region.bytes.fill(7)
    write(pair)
    expect(pair.near.queue.poll()).toMatchObject([{ status: 'SUCCESS' }])
    expect(pair.far.region.bytes.subarray(0, 9)).toEqual(new Uint8Array([7, 7, 7, 7, 7, 7, 7, 7, 0]))
    expect(storm.log).toEqual([{ turn: 0, event: 'carried out', request: 0, queuePair: 0 }])
  })
})

describe('delay', () => {
  test('no byte arrives before its turn, and a queue pair keeps its order', async () => {
    using pair = connectedPair()
    using storm = weather(pair.device, { delay: { least: 1, most: 9 } })
    pair.near.region.bytes.fill(7)
    for (let offset = 0; offset < 160; offset += 8) write(pair, offset)
    expect(pair.near.queue.poll()).toEqual([])
    expect(pair.far.region.bytes[0]).toBe(0)

    expect(await statuses(pair, 20)).toEqual(Array(20).fill('SUCCESS'))
    expect(pair.far.region.bytes[159]).toBe(7)
    expect(storm.turn).toBeGreaterThan(1)
    expect(storm.log.map(({ request }) => request)).toEqual(Array.from({ length: 20 }, (_, index) => index))
  })

  test('the end of the weather carries out what was under way', () => {
    using pair = connectedPair()
    const storm = weather(pair.device, { delay: 1000 })
    write(pair)
    write(pair, 8)
    storm.end()
    storm.end()
    expect(pair.near.queue.poll()).toMatchObject([{ id: 0 }, { id: 8 }])
    write(pair)
    expect(pair.near.queue.poll()).toHaveLength(1)
  })

  test('a queue pair that is closed or in its error state meanwhile gets nothing more', async () => {
    using pair = connectedPair()
    using storm = weather(pair.device, { delay: 2 })
    write(pair)
    pair.near.queuePair.modify({ state: 'ERR' })
    write(pair, 8)
    expect(await statuses(pair, 2)).toEqual(['WR_FLUSH_ERR', 'WR_FLUSH_ERR'])
    pair.far.queuePair.post({ operation: 'send', memory: pair.far.memory.slice(0, 8) })
    pair.far.queuePair.close()
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    expect(storm.log).toEqual([])
  })

  test('inline bytes are those of the moment when they were posted', async () => {
    using pair = connectedPair({ queuePair: { inlineBytes: 64 } })
    using _ = weather(pair.device, { delay: 1 })
    pair.near.region.bytes.fill(1)
    const { near } = pair
    near.queuePair.post({
      operation: 'write',
      memory: near.memory.slice(0, 8),
      remote: near.remote.slice(0, 8),
      inline: true,
    })
    pair.near.region.bytes.fill(2)
    await statuses(pair, 1)
    expect(pair.far.region.bytes[0]).toBe(1)
  })
})

test('requests of different queue pairs overtake each other, by the seed', async () => {
  const orderOf = async (options: WeatherOptions) => {
    using device = openDevice({ loopback: true })
    using storm = weather(device, options)
    const pairs = Array.from({ length: 4 }, () => connectedPair({ device }))
    for (let round = 0; round < 8; round++) for (const pair of pairs) write(pair, round * 8)
    for (const pair of pairs) await statuses(pair, 8)
    for (const pair of pairs) pair.close()
    return storm.log.map(({ request }) => request)
  }
  const sorted = Array.from({ length: 32 }, (_, index) => index)
  expect(await orderOf({ delay: 1 })).toEqual(sorted)
  const first = await orderOf({ delay: 1, reorder: true, seed: 3 })
  expect(first).not.toEqual(sorted)
  expect([...first].sort((one, other) => Number(one) - Number(other))).toEqual(sorted)
  expect(await orderOf({ delay: 1, reorder: true, seed: 3 })).toEqual(first)
  expect(await orderOf({ delay: 1, reorder: true, seed: 4 })).not.toEqual(first)
  // Of each queue pair, every fourth request: the order stays.
  for (const one of [0, 1, 2, 3]) {
    const own = first.filter((request) => Number(request) % 4 === one)
    expect(own).toEqual([...own].sort((a, b) => Number(a) - Number(b)))
  }
})

describe('loss', () => {
  test('of every transmission uses the retries up, in as many turns, and flushes the rest', async () => {
    using pair = connectedPair({ connect: { retryCount: 3 } })
    using storm = weather(pair.device, { loss: 1 })
    write(pair)
    write(pair, 8)
    expect(await statuses(pair, 2)).toEqual(['RETRY_EXC_ERR', 'WR_FLUSH_ERR'])
    expect(storm.log.map(({ event }) => event)).toEqual(['lost', 'lost', 'lost', 'lost', 'failed'])
    expect(storm.turn).toBe(3)
    expect(pair.far.region.bytes[0]).toBe(0)
  })

  test('of some transmissions is made good by retries', async () => {
    using pair = connectedPair()
    using storm = weather(pair.device, { loss: 0.3, seed: 5 })
    for (let offset = 0; offset < 400; offset += 8) write(pair, offset)
    expect(new Set(await statuses(pair, 50))).toEqual(new Set(['SUCCESS']))
    expect(storm.log.filter(({ event }) => event === 'lost').length).toBeGreaterThan(5)
  })

  test('is not noticed by an unreliable connection', () => {
    using pair = connectedPair({ type: 'UC' })
    using _ = weather(pair.device, { loss: 1 })
    pair.near.region.bytes.fill(7)
    write(pair)
    expect(pair.near.queue.poll()).toMatchObject([{ status: 'SUCCESS' }])
    expect(pair.far.region.bytes[0]).toBe(0)
  })

  test('of datagrams is not noticed, and some arrive', async () => {
    using device = openDevice({ loopback: true })
    using queue = device.createCompletionQueue({ entries: 256 })
    using domain = device.createDomain()
    using memory = openRegistrySync({ regions: { rx: { size: '64KiB', pages: 'base' } } })
    using registration = memory.registerSync(memory.regions.rx, domain, ['localWrite'])
    using from = domain.createQueuePair({ type: 'UD', sendQueue: queue })
    using to = domain.createQueuePair({ type: 'UD', sendQueue: queue })
    from.activate()
    to.activate()
    using addressHandle = domain.createAddressHandle({ gid: device.bestGid(1).gid })
    using storm = weather(device, { loss: 0.5, delay: 1, seed: 2 })
    for (let index = 0; index < 40; index++) {
      to.postReceive({ memory: registration.slice(index * 256, 256) })
      from.post({
        operation: 'send',
        memory: registration.slice(0, 8),
        to: { addressHandle, queuePair: to.queuePairNumber, queueKey: to.queueKey },
      })
    }
    while (storm.log.length < 40) await new Promise(setImmediate)
    const done = queue.poll(256)
    const lost = storm.log.filter(({ event }) => event === 'lost').length
    expect(new Set(done.map(({ status }) => status))).toEqual(new Set(['SUCCESS']))
    expect(lost).toBeGreaterThan(5)
    expect(done).toHaveLength(80 - lost)
  })

  test('is waited for without end if the queue pair has no timeout', async () => {
    using pair = connectedPair({ connect: { timeout: 0 } })
    using storm = weather(pair.device, { loss: 1 })
    write(pair)
    expect(storm.log.map(({ event }) => event)).toEqual(['lost', 'stalled'])
    pair.near.queuePair.modify({ state: 'ERR' })
    expect(await statuses(pair, 1)).toEqual(['WR_FLUSH_ERR'])
  })

  test('is explained by the vendor error', async () => {
    using pair = connectedPair({ connect: { retryCount: 0 } })
    using _ = weather(pair.device, { loss: 1 })
    write(pair)
    const [completion] = await pair.near.queue.wait(quickly())
    expect(explainVendorError('loopback', completion?.vendorError ?? 0)).toMatch(/weather/)
  })
})

describe('a peer that is not ready', () => {
  test('is tried again until rnrRetry is used up', async () => {
    using pair = connectedPair({ connect: { rnrRetry: 2 } })
    pair.far.queuePair.postReceive({ memory: pair.far.memory.slice(0, 64) })
    using storm = weather(pair.device, { notReady: 1 })
    send(pair)
    expect(await statuses(pair, 1)).toEqual(['RNR_RETRY_EXC_ERR'])
    expect(storm.log.map(({ event }) => event)).toEqual(['not ready', 'not ready', 'not ready', 'failed'])
  })

  test('is so for messages alone', () => {
    using pair = connectedPair()
    using _ = weather(pair.device, { notReady: 1 })
    write(pair)
    expect(pair.near.queue.poll()).toMatchObject([{ status: 'SUCCESS' }])
  })

  test('for some time delays a message', async () => {
    using pair = connectedPair()
    for (let index = 0; index < 20; index++) pair.far.queuePair.postReceive({ memory: pair.far.memory.slice(0, 64) })
    using storm = weather(pair.device, { notReady: 0.5 })
    for (let index = 0; index < 20; index++) send(pair)
    expect(new Set(await statuses(pair, 20))).toEqual(new Set(['SUCCESS']))
    expect(storm.turn).toBeGreaterThan(3)
  })
})

describe('an error after some requests', () => {
  test.each(['LOC_PROT_ERR', 'REM_ACCESS_ERR', 'REM_OP_ERR', 'FATAL_ERR', 'RESP_TIMEOUT_ERR'] as const)(
    '%s ends the request, and flushes those behind it',
    async (status) => {
      using pair = connectedPair()
      using _ = weather(pair.device, { error: { after: 2, status } })
      for (let offset = 0; offset < 32; offset += 8) write(pair, offset)
      expect(await statuses(pair, 4)).toEqual(['SUCCESS', 'SUCCESS', status, 'WR_FLUSH_ERR'])
      expect(pair.near.queuePair.query().state).toBe('ERR')
      expect(pair.far.queuePair.query().state).toBe(/^REM/.test(status) ? 'ERR' : 'RTS')
    },
  )

  test('the peer that has refused reports an event', async () => {
    using pair = connectedPair()
    using _ = weather(pair.device, { error: { after: 0, status: 'REM_ACCESS_ERR' } })
    expect(await eventsOf(pair.device, 1, () => write(pair))).toEqual(['QP_ACCESS_ERR'])
  })
})

test('a completion that never comes keeps those behind it back, until the queue pair is in its error state', async () => {
  using pair = connectedPair()
  using _ = weather(pair.device, { stall: { after: 1 } })
  for (let offset = 0; offset < 24; offset += 8) write(pair, offset)
  expect(await statuses(pair, 1)).toEqual(['SUCCESS'])
  await expect(pair.near.queue.wait({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
    name: 'TimeoutError',
  })
  pair.near.queuePair.modify({ state: 'ERR' })
  expect(await statuses(pair, 2)).toEqual(['WR_FLUSH_ERR', 'WR_FLUSH_ERR'])
})

test('a completion queue overruns', async () => {
  using pair = connectedPair()
  using _ = weather(pair.device, { overrun: { after: 1 } })
  const events = await eventsOf(pair.device, 1, () => {
    write(pair)
    write(pair, 8)
  })
  expect(events).toEqual(['CQ_ERR'])
  expect(() => pair.near.queue.poll()).toThrow(expect.objectContaining({ code: 'ERR_QUEUE_OVERRUN' }))
})

describe('a port', () => {
  test('goes down and comes back: events, its state, and retries that bridge the time', async () => {
    using pair = connectedPair({ connect: { retryCount: 7 } })
    using _ = weather(pair.device, { portDown: { after: 1, turns: 3 } })
    const events = await eventsOf(pair.device, 2, async () => {
      write(pair)
      write(pair, 8)
      expect(pair.device.port(1)).toMatchObject({ state: 'DOWN', physicalState: 3 })
      expect(await statuses(pair, 2)).toEqual(['SUCCESS', 'SUCCESS'])
    })
    expect(events).toEqual(['PORT_ERR', 'PORT_ACTIVE'])
    expect(pair.device.port(1).state).toBe('ACTIVE')
  })

  test('that stays down ends requests with RETRY_EXC_ERR, and comes back by hand', async () => {
    using pair = connectedPair({ connect: { retryCount: 1 } })
    using storm = weather(pair.device)
    storm.portDown()
    storm.portDown()
    write(pair)
    expect(await statuses(pair, 1)).toEqual(['RETRY_EXC_ERR'])
    expect(pair.device.port(1).state).toBe('DOWN')
    storm.portUp()
    expect(pair.device.port(1).state).toBe('ACTIVE')
    expect(() => storm.portDown(0)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  })

  test('that was brought back by hand stays down the next time, until it is brought back again', async () => {
    using pair = connectedPair()
    using storm = weather(pair.device, { delay: 10 })
    storm.portDown(3)
    storm.portUp()
    storm.portDown()
    write(pair) // after the turn in which the first flap would have ended
    while (storm.turn < 9) await new Promise(setImmediate)
    expect(pair.device.port(1).state).toBe('DOWN')
    expect(storm.log.map(({ event }) => event)).toEqual(['port down', 'port up', 'port down'])
  })
})

describe('a device that fails', () => {
  test('reports it, refuses every call, and closes without a rest', async () => {
    const pair = connectedPair()
    using _ = weather(pair.device, { removal: { after: 1 } })
    const { near, domain, device } = pair
    expect(
      await eventsOf(device, 1, () => {
        write(pair)
        write(pair, 8)
      }),
    ).toEqual(['DEVICE_FATAL'])
    const gone = { code: 'ERR_DEVICE_REMOVED', errno: constants.errno.EIO }
    const calls = [
      () => write(pair),
      () => near.queue.poll(),
      () => device.query(),
      () => device.createDomain(),
      () => near.queuePair.query(),
      () => pair.registry.registerSync(near.region, domain, []),
    ]
    for (const call of calls) expect(call).toThrow(expect.objectContaining(gone))
    await expect(pair.registry.register(near.region, domain, [])).rejects.toMatchObject(gone)
    pair.close()
    expect(device.closed).toBe(true)
  })

  test('stays so when the weather is over, and can have no other weather', () => {
    using pair = connectedPair()
    const storm = weather(pair.device)
    storm.removeDevice()
    storm.end()
    const gone = expect.objectContaining({ code: 'ERR_DEVICE_REMOVED' })
    expect(() => weather(pair.device)).toThrow(gone)
    expect(() => write(pair)).toThrow(gone)
  })

  test('gives its peers no answer', async () => {
    using pair = connectedPair({ connect: { timeout: 1, retryCount: 1 } })
    using other = openDevice({ loopback: true })
    using queue = other.createCompletionQueue({ entries: 128 })
    using domain = other.createDomain()
    using ours = domain.createQueuePair({ sendQueue: queue })
    using theirs = pair.domain.createQueuePair({ sendQueue: pair.far.queue })
    theirs.connect(ours.describe(), { access: ['remoteWrite'] })
    ours.connect(theirs.describe(), { timeout: 1, retryCount: 1 })
    using source = pair.registry.registerSync(pair.far.region, domain, [])
    weather(pair.device).removeDevice()
    ours.post({ operation: 'write', memory: source.slice(0, 8), remote: pair.near.remote.slice(0, 8) })
    expect(await queue.wait(quickly())).toMatchObject([{ status: 'RETRY_EXC_ERR' }])
  })
})

describe('registrations', () => {
  test('find no key left at the n-th, until one is given back', () => {
    using pair = connectedPair()
    using storm = weather(pair.device, { keys: 2 })
    const { registry, domain, near } = pair
    const [first] = [1, 2].map(() => registry.registerSync(near.region, domain, []))
    expect(() => registry.registerSync(near.region, domain, [])).toThrow(
      expect.objectContaining({ code: 'ERR_DEVICE_REFUSED', errno: constants.errno.ENOMEM, syscall: 'ibv_reg_mr' }),
    )
    expect(() => domain.allocateWindow({ type: 2 })).toThrow(expect.objectContaining({ code: 'ERR_DEVICE_REFUSED' }))
    first?.close()
    registry.registerSync(near.region, domain, [])
    expect(storm.log.map(({ event }) => event)).toEqual(['no keys', 'no keys'])
  })

  test('take some turns', async () => {
    using pair = connectedPair()
    using storm = weather(pair.device, { slowRegistration: 5 })
    const { registry, domain, near } = pair
    const registration = await registry.register(near.region, domain, [])
    expect(storm.turn).toBe(5)
    registration.close()
  })

  test('that are under way when the weather ends come then', async () => {
    using pair = connectedPair()
    const storm = weather(pair.device, { slowRegistration: 1_000_000 })
    const registration = pair.registry.register(pair.near.region, pair.domain, [])
    storm.end()
    ;(await registration).close()
  })
})

test('there is one weather at a time, and only on the loopback', () => {
  using device = openDevice({ loopback: true })
  const storm = weather(device)
  expect(() => weather(device)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))
  storm.end()
  weather(device).end()
})
