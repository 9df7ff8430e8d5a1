import { Socket } from 'node:net'
import { constants } from 'node:os'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { native } from '../../../src/native.js'
import { connectionQueueKey } from '../../../src/rdma/connections/datagrams.js'
import { readGreeting } from '../../../src/rdma/connections/private-data.js'
import type { Device } from '../../../src/rdma/device.js'
import { openDevice } from '../../../src/rdma/devices/open-device.js'
import { abstractName } from '../../../src/rdma/loopback/connections/place-names.js'
import { randomNumbers } from '../../support/random.mjs'

const devices: Device[] = []

afterEach(() => {
  for (const device of devices.splice(0)) device.close({ force: true })
})

function ends() {
  const device = openDevice({ loopback: true })
  devices.push(device)
  const domain = device.createDomain()
  const queue = device.createCompletionQueue({ entries: 512 })
  return { device, make: () => domain.createQueuePair({ sendQueue: queue, sendRequests: 1, receiveRequests: 1 }) }
}

function frame(content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  const made = Buffer.alloc(4 + bytes.length)
  made.writeUInt32LE(made.length)
  bytes.copy(made, 4)
  return made
}

const request = {
  type: 'request',
  version: 1,
  datagrams: false,
  from: { address: '127.0.0.1', port: 1 },
  queuePairNumber: 17,
  maxReadsServed: 1,
  maxReadsStarted: 1,
  retryCount: 7,
  rnrRetry: 7,
  sharedReceives: false,
  psn: 1,
  gid: '::1',
  mtu: 3,
  queueKey: 0,
  privateData: 'AAAA',
}

describe('hostile peers', () => {
  test('random private data is no greeting, or a checked one, and never throws', () => {
    const below = randomNumbers(7)
    for (let round = 0; round < 20_000; round++) {
      const bytes = Uint8Array.from({ length: below(64) }, () => below(256))
      if (round % 2 === 0) bytes.set([0x70, 0x66, 1, 0].slice(0, bytes.length))
      const greeting = readGreeting(bytes)
      if (greeting === undefined) continue
      expect(greeting.data.length).toBeLessThanOrEqual(bytes.length)
      expect(greeting.identity.name.length).toBeGreaterThan(0)
    }
  })

  test('private data that no program of ours has made reaches the listener as bytes', async () => {
    const { device, make } = ends()
    const listener = device.listen({ name: 'hostile-data', identity: { name: 's', generation: 1n } })
    const below = randomNumbers(11)
    for (let round = 0; round < 50; round++) {
      const privateData = Uint8Array.from({ length: 56 }, () => below(256))
      if (round % 2 === 0) privateData.set([0x70, 0x66, 1, round % 3])
      const queuePair = make()
      const connecting = device.connect({ name: 'hostile-data', queuePair, privateData }).catch((error) => error)
      const taken = await listener.next()
      expect(taken.privateData.length).toBeLessThanOrEqual(56)
      await taken.reject()
      expect(await connecting).toMatchObject({ code: 'ERR_CONNECTION_REFUSED' })
      queuePair.close()
    }
  })

  test('garbage on the socket of a listener ends that connection alone', async () => {
    const { device, make } = ends()
    const listener = device.listen({ name: 'hostile-socket' })
    const below = randomNumbers(13)
    const wrong = [
      Buffer.from([0, 0, 0, 0]),
      Buffer.from([255, 255, 255, 255]),
      frame('null'),
      frame('[]'),
      frame('{"type":"establish"}'),
      frame('{"type":"response"}'),
      frame(JSON.stringify({ ...request, version: 2 })),
      frame(JSON.stringify({ ...request, gid: 'x' })),
      frame(JSON.stringify({ ...request, privateData: 'A'.repeat(401) })),
      frame(JSON.stringify({ ...request, queuePairNumber: -1 })),
      frame(JSON.stringify({ ...request, datagrams: true })),
      frame(JSON.stringify({ ...request, more: 1 })),
      ...Array.from({ length: 100 }, () => Buffer.from(Array.from({ length: 1 + below(200) }, () => below(256)))),
    ]
    for (const bytes of wrong) {
      const socket = new Socket({ fd: native.connectAbstract(abstractName({ name: 'hostile-socket' })) })
      socket.on('error', () => {})
      const gone = new Promise((resolve) => socket.on('close', resolve))
      socket.resume()
      socket.end(bytes)
      await gone
    }
    expect(listener.pending).toBe(0)
    const queuePair = make()
    const connecting = device.connect({ name: 'hostile-socket', queuePair })
    await (await listener.next()).accept({ queuePair: make() })
    expect(await connecting).toMatchObject({ queuePair })
  })

  test('a peer that dies with an unanswered request leaves nothing but a request that cannot be accepted', async () => {
    const { device, make } = ends()
    const listener = device.listen({ name: 'hostile-death' })
    const socket = new Socket({ fd: native.connectAbstract(abstractName({ name: 'hostile-death' })) })
    socket.write(frame(JSON.stringify(request)))
    const taken = await listener.next()
    const gone = new Promise((resolve) => socket.on('close', resolve))
    socket.destroy()
    await gone
    await new Promise((resolve) => setImmediate(resolve))
    const queuePair = make()
    await expect(taken.accept({ queuePair })).rejects.toMatchObject({ code: 'ERR_CONNECTION_CLOSED' })
    expect(queuePair.state).toBe('RESET')
  })
})

function dial(name: string) {
  const socket = new Socket({ fd: native.connectAbstract(abstractName({ name })) }).on('error', () => {}).resume()
  return { socket, gone: new Promise((resolve) => socket.on('close', resolve)) }
}

test('silent peers cannot keep others out, and end with the listener', async () => {
  const { device, make } = ends()
  const listener = device.listen({ name: 'silent' })
  const first = dial('silent')
  const rest = Array.from({ length: 64 }, () => dial('silent'))
  await first.gone
  const queuePair = make()
  const connecting = device.connect({ name: 'silent', queuePair })
  await (await listener.next()).accept({ queuePair: make() })
  expect(await connecting).toMatchObject({ queuePair })
  await listener.close()
  await Promise.all(rest.map(({ gone }) => gone))
})

test('without a descriptor, connect(), listen() and announce() say so', async () => {
  const { device, make } = ends()
  const domain = device.createDomain()
  const sendQueue = device.createCompletionQueue({ entries: 16 })
  const datagrams = domain.createQueuePair({ type: 'UD', sendQueue, queueKey: connectionQueueKey })
  const failure = Object.assign(new Error('socket: Too many open files'), { syscall: 'socket', values: {} })
  const fail = () => {
    throw Object.assign(failure, { errno: constants.errno.EMFILE })
  }
  const spies = [vi.spyOn(native, 'connectAbstract'), vi.spyOn(native, 'listenAbstract')]
  for (const spy of spies) spy.mockImplementation(fail)
  const short = expect.objectContaining({ code: 'ERR_DESCRIPTORS_SHORT' })
  try {
    const queuePair = make()
    await expect(device.connect({ name: 'short', queuePair })).rejects.toEqual(short)
    expect(queuePair.state).toBe('RESET')
    expect(() => device.listen({ name: 'short' })).toThrow(short)
    expect(() => device.announce({ name: 'short', queuePair: datagrams })).toThrow(short)
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
})

test('a listener under 1,000 connects and disconnects leaves no descriptor', async () => {
  const { device, make } = ends()
  const { readdirSync } = await import('node:fs')
  const descriptors = () => readdirSync('/proc/self/fd').length
  const listener = device.listen({ name: 'many' })
  const [near, far] = [make(), make()]
  const round = async () => {
    const connecting = device.connect({ name: 'many', queuePair: near })
    const server = await (await listener.next()).accept({ queuePair: far })
    const client = await connecting
    await client.disconnect()
    await server.closed
    for (const queuePair of [near, far]) queuePair.modify({ state: 'RESET' })
  }
  await round()
  const before = descriptors()
  for (let rounds = 0; rounds < 1000; rounds++) await round()
  await vi.waitUntil(() => descriptors() <= before)
  expect(listener.stats.arrived).toBe(1001)
})
