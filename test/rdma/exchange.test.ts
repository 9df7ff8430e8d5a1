import { Duplex, duplexPair, PassThrough } from 'node:stream'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  type ConnectOptions,
  type Device,
  exchange,
  type MemoryRegistry,
  openDevice,
  openRegistrySync,
  PinfoldError,
} from '../../src/index.js'
import { MessageStream } from '../../src/streams/message-stream.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

let device: Device
let memory: MemoryRegistry

beforeEach((context) => {
  needs(context, whyNotBuilt)
  device = openDevice({ loopback: true })
  memory = openRegistrySync()
})

afterEach(() => {
  device?.close({ force: true })
  memory?.close()
})

function side(name: string, type: 'RC' | 'UC' | 'UD' = 'RC') {
  const domain = device.createDomain()
  const queue = device.createCompletionQueue({ entries: 256 })
  const queuePair = domain.createQueuePair({ type, sendQueue: queue })
  const region = memory.allocateSync(name, { size: 4096, pages: 'base' })
  const registration = memory.registerSync(region, domain, ['localWrite', 'remoteWrite'])
  return { domain, queue, queuePair, region, registration }
}

async function rejection(promise: Promise<unknown>): Promise<PinfoldError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof PinfoldError) return error
    throw error
  }
  throw new Error('it was taken')
}

const connect: ConnectOptions = { access: ['remoteWrite'] }

test('both sides are connected, and each can write to the memory that the other has named', async () => {
  const [near, far] = duplexPair()
  const ours = side('ours')
  const theirs = side('theirs')
  const [here, there] = await Promise.all([
    exchange(near, { queuePair: ours.queuePair, memory: { inbox: ours.registration }, connect }),
    exchange(far, {
      queuePair: theirs.queuePair,
      memory: { inbox: theirs.registration, spare: theirs.registration },
      connect,
    }),
  ])
  expect(Object.keys(here.remote)).toEqual(['inbox', 'spare'])
  expect(there.peer).toEqual(ours.queuePair.describe())
  expect([ours.queuePair.query().state, theirs.queuePair.query().state]).toEqual(['RTS', 'RTS'])
  const { inbox } = there.remote
  if (inbox === undefined) throw new Error('the name is missing')
  theirs.region.bytes.fill(7)
  theirs.queuePair.post({ operation: 'write', memory: theirs.registration.slice(0, 64), remote: inbox.slice(0, 64) })
  expect([...ours.region.bytes.subarray(0, 65)]).toEqual([...Array.from({ length: 64 }, () => 7), 0])
  expect([near, far].map((stream) => stream.listenerCount('readable') + stream.listenerCount('error'))).toEqual([0, 0])
})

test('queue pairs for datagrams are activated, once', async () => {
  const ours = side('ours', 'UD')
  for (const name of ['first', 'second']) {
    const [near, far] = duplexPair()
    const theirs = side(name, 'UD')
    const [here] = await Promise.all([
      exchange(near, { queuePair: ours.queuePair }),
      exchange(far, { queuePair: theirs.queuePair }),
    ])
    expect(here.peer.queueKey).toBe(theirs.queuePair.queueKey)
    expect(ours.queuePair.query().state).toBe('RTS')
  }
})

test('a side that cannot connect tells the other, which is in RESET then', async () => {
  const [near, far] = duplexPair()
  const ours = side('ours')
  const theirs = side('theirs', 'UC')
  const errors = await Promise.all([
    rejection(exchange(near, { queuePair: ours.queuePair, connect: { access: ['remoteWrite'] } })),
    rejection(exchange(far, { queuePair: theirs.queuePair })),
  ])
  expect(errors.map(({ code }) => code)).toEqual(['ERR_INVALID_ARGUMENT', 'ERR_INVALID_ARGUMENT'])
  const [left, right] = duplexPair()
  const more = side('more')
  const refusals = await Promise.all([
    rejection(exchange(left, { queuePair: ours.queuePair })),
    rejection(exchange(right, { queuePair: more.queuePair, connect: { port: 7 } })),
  ])
  expect(refusals.map(({ code }) => code)).toEqual(['ERR_PEER_REFUSED', 'ERR_DEVICE_REFUSED'])
  expect(refusals[0]?.values.reason).toContain('port 7')
  expect([ours.queuePair.query().state, more.queuePair.query().state]).toEqual(['RESET', 'RESET'])
})

test('a silent peer is a typed error after the timeout, and an abort stops the call and tells the peer', async () => {
  const ours = side('ours')
  const silent = duplexPair()[0]
  expect((await rejection(exchange(silent, { queuePair: ours.queuePair, timeout: 1 }))).code).toBe('ERR_PEER_TIMEOUT')
  const [near, far] = duplexPair()
  const theirs = side('theirs')
  const controller = new AbortController()
  const reason = new Error('enough')
  const stopped = exchange(near, { queuePair: ours.queuePair, signal: controller.signal })
  controller.abort(reason)
  await expect(stopped).rejects.toBe(reason)
  const told = await rejection(exchange(far, { queuePair: theirs.queuePair }))
  expect(told).toMatchObject({ code: 'ERR_PEER_REFUSED', values: { reason: 'it was stopped' } })
})

test('a peer that dies after its description leaves the queue pair in RESET', async () => {
  const [near, far] = duplexPair()
  const ours = side('ours')
  const theirs = side('theirs')
  const messages = new MessageStream(far, 'test')
  messages.send({ exchange: 'queue pair', queuePair: theirs.queuePair.describe(), memory: [] })
  far.end()
  const write = vi.spyOn(near, 'write')
  expect((await rejection(exchange(near, { queuePair: ours.queuePair }))).code).toBe('ERR_PEER_CLOSED')
  // The description, and that it is ready. The peer is told nothing more.
  expect(write).toHaveBeenCalledTimes(2)
  expect(ours.queuePair.query().state).toBe('RESET')
})

test('a stream that sends our own description back is refused', async () => {
  const { queuePair } = side('ours')
  const echo = new PassThrough()
  expect((await rejection(exchange(echo, { queuePair }))).code).toBe('ERR_PEER_PROTOCOL')
  expect(queuePair.query().state).toBe('RESET')
})

test('a stream that breaks while the peer is told of a failure emits no error to nobody', async () => {
  const { queuePair } = side('ours')
  let writes = 0
  const write = (_chunk: unknown, _encoding: string, done: (error?: Error) => void) =>
    setImmediate(done, ++writes > 1 ? new Error('EPIPE') : undefined)
  const stream = new Duplex({ read() {}, write })
  const closed = new Promise((resolve) => stream.on('close', resolve))
  expect((await rejection(exchange(stream, { queuePair, timeout: 50 }))).code).toBe('ERR_PEER_TIMEOUT')
  await closed
  await new Promise((resolve) => setImmediate(resolve))
  expect(stream.listenerCount('error')).toBe(0)
})

test('whatever a peer sends is understood, or is a typed error that changes nothing', async () => {
  const ours = side('ours')
  const theirs = side('theirs')
  const greeting = { exchange: 'queue pair', queuePair: theirs.queuePair.describe(), memory: [] }
  const described = theirs.registration.describe()
  const wrong = fc.oneof(
    fc.anything(),
    fc.record({ failed: fc.anything() }),
    fc.record({ ...constants(greeting), memory: fc.anything() }),
    fc.record({
      ...constants(greeting),
      memory: fc.array(fc.record({ name: fc.string(), memory: fc.constant(described) })),
    }),
    fc
      .tuple(fc.constantFrom(...Object.keys(greeting.queuePair)), fc.anything())
      .map(([key, value]) => ({ ...greeting, queuePair: { ...greeting.queuePair, [key]: value } })),
  )
  await fc.assert(
    fc.asyncProperty(wrong, async (message) => {
      const [near, far] = duplexPair()
      try {
        new MessageStream(far, 'test').send(Object(message))
      } catch {
        // JSON cannot express it.
      }
      far.end()
      const { code } = await rejection(exchange(near, { queuePair: ours.queuePair }))
      expect([
        'ERR_PEER_PROTOCOL',
        'ERR_PEER_CLOSED',
        'ERR_PEER_REFUSED',
        'ERR_INVALID_ARGUMENT',
        'ERR_DEVICE_REFUSED',
      ]).toContain(code)
      expect(ours.queuePair.query().state).toBe('RESET')
    }),
    { numRuns: 300 },
  )
})

test('memory that cannot be described refuses the call before anything is sent', async () => {
  const [near, far] = duplexPair()
  const ours = side('ours')
  ours.registration.close()
  const given = { queuePair: ours.queuePair, memory: { inbox: ours.registration } }
  expect((await rejection(exchange(near, given))).code).toBe('ERR_OBJECT_CLOSED')
  expect(far.readableLength).toBe(0)
  expect(near).toBeInstanceOf(Duplex)
})

function constants<Value extends object>(value: Value) {
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, fc.constant(part)]))
}
