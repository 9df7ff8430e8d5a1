import { spawn } from 'node:child_process'
import { promises } from 'node:dns'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Connection } from '../../../src/rdma/connections/connection.js'
import { connectionQueueKey } from '../../../src/rdma/connections/datagrams.js'
import { remember, whyNotPeer } from '../../../src/rdma/connections/private-data.js'
import type { Device } from '../../../src/rdma/device.js'
import { callsOf, internalsOf } from '../../../src/rdma/device-object.js'
import { openDevice } from '../../../src/rdma/devices/open-device.js'
import type { QueuePair } from '../../../src/rdma/queue-pair.js'
import { forgetAtReturn } from '../../../src/rdma/waiters.js'
import { option, values, wrongNumbers, wrongObjects, wrongSignals, wrongTypes } from '../../support/bad-input.js'
import { root } from '../../support/child-process.js'
import { complaint, type Door } from '../../support/entry-points.js'
import { Examples } from '../../support/examples.js'
import { wrongTransports } from '../../support/rdma-connection-doors.js'

const devices: Device[] = []
const examples = new Examples()

afterEach(() => {
  for (const device of devices.splice(0)) device.close({ force: true })
  examples[Symbol.dispose]()
})

function open() {
  const device = openDevice({ loopback: true })
  devices.push(device)
  const domain = device.createDomain()
  const queue = device.createCompletionQueue({ entries: 512 })
  return {
    device,
    queue,
    make: () => domain.createQueuePair({ sendQueue: queue, sendRequests: 4, receiveRequests: 4 }),
  }
}

describe('bad input of listeners, requests and connections is refused, and changes nothing:', () => {
  test('every entry point', async () => {
    const { device, queue, make } = open()
    const listener = device.listen({ name: 'bad-input' })
    const [near, far, free] = [make(), make(), make()]
    const connecting = device.connect({ name: 'bad-input', queuePair: near })
    const request = await listener.next()
    const accept = { queuePair: free }
    const wait = [
      ...option({}, 'signal', wrongSignals()),
      ...option({}, 'timeout', [0, ...wrongNumbers, ...wrongTypes()]),
    ]
    const bytes = [7, [1], new ArrayBuffer(8), new Uint8Array(256), ...wrongTypes()]
    const before: Door[] = [
      { of: listener, name: 'next', inputs: [...wrongObjects({}), ...option({}, 'signal', wrongSignals())] },
      {
        of: request,
        name: 'accept',
        inputs: [
          ...values([undefined]),
          ...wrongObjects(accept),
          ...option(accept, 'privateData', [new Uint8Array(197)]),
          ...wrongTransports(accept, [queue]),
        ],
      },
      {
        of: request,
        name: 'reject',
        inputs: [...wrongObjects({}), ...option({}, 'privateData', [...bytes, new Uint8Array(149)])],
      },
    ]
    const complaints: (string | undefined)[] = []
    for (const door of before) for (const input of door.inputs) complaints.push(await complaint(door, input))
    expect(request.ended).toBe(false)
    expect(free.state).toBe('RESET')
    const server = await request.accept({ queuePair: far })
    const client = await connecting
    const after: Door[] = [
      { of: client, name: 'disconnect', inputs: [...wrongObjects({}), ...wait] },
      { of: client, name: 'events', inputs: [...wrongObjects({}), ...option({}, 'signal', wrongSignals())] },
    ]
    for (const door of after) for (const input of door.inputs) complaints.push(await complaint(door, input))
    expect(complaints.filter((one) => one !== undefined)).toEqual([])
    expect([client.ending, server.ending]).toEqual([undefined, undefined])
  })
})

describe('a signal stops', () => {
  test('accept(), which leaves the queue pair in RESET and no connection', async () => {
    const { device, make } = open()
    const listener = device.listen({ name: 'abort-accept' })
    const connecting = device.connect({ name: 'abort-accept', queuePair: make() }).catch((error: unknown) => error)
    const request = await listener.next()
    const queuePair = make()
    const accepting = request.accept({ queuePair, signal: AbortSignal.abort() })
    await expect(accepting).rejects.toMatchObject({ name: 'AbortError' })
    expect(queuePair.state).toBe('RESET')
    // The answer may have been sent before: then the peer's connection ends at once.
    const outcome = await connecting
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'ERR_CONNECTION_REFUSED' })
    else expect(outcome).toMatchObject({ queuePair: expect.anything() })
  })

  test('disconnect() and findPeer() and joinMulticast()', async () => {
    const { device, make } = open()
    const listener = device.listen({ name: 'abort-rest' })
    const accepting = listener.next().then((request) => request.accept({ queuePair: make() }))
    const connection = await device.connect({ name: 'abort-rest', queuePair: make() })
    const server = await accepting
    const signal = AbortSignal.abort()
    const aborted = expect.objectContaining({ name: 'AbortError' })
    await expect(connection.disconnect({ signal })).rejects.toEqual(aborted)
    expect(connection.ending?.by).toBe('us')
    expect(await server.closed).toMatchObject({ by: 'peer' })
    const { domain } = connection.queuePair
    await expect(device.findPeer({ name: 'abort-rest', domain, signal })).rejects.toEqual(aborted)
  })
})

test('connect() that is stopped before it begins looks up no host', async () => {
  const { device, make } = open()
  const lookup = vi.spyOn(promises, 'lookup')
  const where = { address: 'no-such-host.invalid', port: 1 }
  const connecting = device.connect({ ...where, queuePair: make(), signal: AbortSignal.abort() })
  await expect(connecting).rejects.toMatchObject({ name: 'AbortError' })
  expect(lookup).not.toHaveBeenCalled()
  lookup.mockRestore()
})

test('a wait that ends twice, by a signal and by its event, lets go of the process once', async () => {
  const { device } = open()
  const keepAlive = vi.spyOn(callsOf(device), 'keepAlive')
  const [one, other] = [device.stayAlive(), device.stayAlive()]
  one()
  one()
  expect(keepAlive.mock.calls).toEqual([[true]])
  other()
  expect(keepAlive.mock.calls).toEqual([[true], [false]])
})

test('of two instances of a peer, the older one is not accepted any more once the newer one is', async () => {
  const { device, make } = open()
  const identity = { name: 'fence-server', generation: 1n }
  const listener = device.listen({ name: 'fence', identity })
  const connect = (generation: bigint) =>
    device
      .connect({ name: 'fence', queuePair: make(), identity: { name: 'fence-client', generation } })
      .catch((error: unknown) => error)
  const refused = expect.objectContaining({ code: 'ERR_CONNECTION_IDENTITY' })
  const old = connect(5n)
  const oldRequest = await listener.next()
  const young = connect(7n)
  await (await listener.next()).accept({ queuePair: make() })
  expect(await young).toMatchObject({ peer: identity })
  const queuePair = make()
  await expect(oldRequest.accept({ queuePair })).rejects.toEqual(refused)
  expect([queuePair.state, oldRequest.ended]).toEqual(['RESET', true])
  expect(await old).toEqual(refused)
  expect(await connect(6n)).toEqual(refused)
})

test('a generation that was accepted at the same time as a newer one lowers no fence', () => {
  remember({ name: 'fence-order', generation: 7n })
  remember({ name: 'fence-order', generation: 5n })
  const identity = { name: 'fence-server', generation: 1n }
  expect(whyNotPeer({ name: 'fence-order', generation: 6n }, identity)?.code).toBe('ERR_CONNECTION_IDENTITY')
})

async function pairOf({ device, make }: ReturnType<typeof open>, name: string, queuePair: QueuePair) {
  const listener = device.listen({ name })
  const accepting = listener.next().then((request) => request.accept({ queuePair: make() }))
  const client = await device.connect({ name, queuePair })
  const server = await accepting
  await listener.close()
  return { client, server }
}

test('a queue pair that is reset during disconnect() stays as the program has left it', async () => {
  const side = open()
  const queuePair = side.make()
  const { client } = await pairOf(side, 'reset', queuePair)
  const leaving = client.disconnect()
  queuePair.modify({ state: 'RESET' })
  const early = side.device.connect({ name: 'reset', queuePair })
  await expect(early).rejects.toMatchObject({ code: 'ERR_QUEUE_PAIR_STATE' })
  await leaving
  expect(queuePair.query().state).toBe('RESET')
  const { client: next } = await pairOf(side, 'reset-again', queuePair)
  expect(next.ending).toBeUndefined()
})

test('a connection that has ended is not kept by its queue pair, nor by an iteration that has not begun', async () => {
  const side = open()
  const queuePair = side.make()
  const forget = vi.fn()
  const onClose = vi.spyOn(queuePair, 'onClose').mockReturnValue(forget)
  const { client } = await pairOf(side, 'dropped', queuePair)
  expect(forget).not.toHaveBeenCalled()
  const leave = vi.fn()
  await forgetAtReturn(client.events(), leave).return()
  expect(leave).toHaveBeenCalledOnce()
  await client.disconnect()
  expect(forget).toHaveBeenCalledOnce()
  onClose.mockRestore()
  const listener = vi.fn()
  queuePair.onClose(listener)()
  queuePair.close()
  expect(listener).not.toHaveBeenCalled()
})

test('joinMulticast() refuses what is no group, and lets go of the queue pair when it fails', async () => {
  const { device, make } = open()
  const { domain } = make()
  const sendQueue = device.createCompletionQueue({ entries: 64 })
  const queuePair = domain.createQueuePair({ type: 'UD', sendQueue, queueKey: connectionQueueKey })
  queuePair.activate()
  for (const group of ['10.0.0.1', '240.0.0.1', 'fe80::1']) {
    await expect(device.joinMulticast({ group, queuePair })).rejects.toMatchObject({ code: 'ERR_DEVICE_REFUSED' })
  }
  const create = vi.spyOn(callsOf(device).connections, 'create').mockImplementationOnce(() => {
    throw new Error('no descriptor')
  })
  await expect(device.joinMulticast({ group: '239.1.2.3', queuePair })).rejects.toThrow('no descriptor')
  create.mockRestore()
  const membership = await device.joinMulticast({ group: '239.1.2.3', queuePair })
  queuePair.detachMulticast({ gid: membership.gid })
  expect(() => membership.leave()).toThrow(/not attached/)
  expect(membership.receiver.addressHandle.closed).toBe(true)
  expect(internalsOf(device).connections.size).toBe(0)
  queuePair.close()
})

test('a process that is killed ends its connection: the peer learns it, and its name is free at once', async () => {
  const child = spawn(process.execPath, [examples.file('echo', true), 'server'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  const { device, queue, make } = open()
  const queuePair = make()
  const connection = await device.connect({ name: 'echo', queuePair })
  queuePair.postReceive({})
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  expect(await connection.closed).toMatchObject({ by: 'peer' })
  const [completion] = await queue.wait()
  expect(completion?.status).toBe('WR_FLUSH_ERR')
  await device.listen({ name: 'echo' }).close()
})

test('a queue pair or a device that is closed ends its connection', async () => {
  const { device, make } = open()
  const before = readdirSync('/proc/self/fd').length
  const listener = device.listen({ name: 'close' })
  const connect = async (): Promise<[Connection, Connection]> => {
    const accepting = listener.next().then((request) => request.accept({ queuePair: make() }))
    return [await device.connect({ name: 'close', queuePair: make() }), await accepting]
  }
  const [one, other] = await connect()
  one.queuePair.close()
  expect(await one.closed).toMatchObject({ by: 'us' })
  expect(await other.closed).toMatchObject({ by: 'peer' })
  await connect()
  device.close({ force: true })
  await vi.waitUntil(() => readdirSync('/proc/self/fd').length <= before)
})
