import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { group, Unsupported } from '../case.js'
import { deadline, type End, type Kit, refusal } from '../kit.js'
import { type Connection, connectionQueueKey, type Listener, PinfoldError, type SocketAddress } from '../rdma.js'

const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString()
/** The connection manager may append zeros. */
const trimmed = (bytes: Uint8Array) => text(bytes).replace(/\0+$/, '')

/** An address of this machine by which the device can be reached. */
function ownAddress(kit: Kit, family: 'IPv4' | 'IPv6' = 'IPv4'): string {
  if (kit.device.kind === 'loopback') return family === 'IPv4' ? '127.0.0.1' : '::1'
  const mapped = kit.device.gids.map(({ gid }) => gid.replaceAll(':', ''))
  for (const [name, addresses = []] of Object.entries(networkInterfaces())) {
    for (const one of addresses) {
      if (one.family !== family || one.internal) continue
      if (family === 'IPv6') return one.address.startsWith('fe80:') ? `${one.address}%${name}` : one.address
      const digits = one.address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))
      if (mapped.some((gid) => gid.endsWith(`ffff${digits.join('')}`))) return one.address
    }
  }
  throw new Unsupported(`this machine has no ${family} address for the device`)
}

/** A listener, and its address and port. */
function listen(kit: Kit, options: object = {}, family: 'IPv4' | 'IPv6' = 'IPv4') {
  const address = ownAddress(kit, family)
  const listener = kit.device.listen({ address, port: 0, ...options })
  const { place } = listener
  assert('port' in place)
  return { listener, at: { address, port: place.port } }
}

/** A connection of two ends. `near` has connected. */
async function connected(
  kit: Kit,
  { listener, at }: { listener: Listener; at: SocketAddress },
  near: End = kit.end(),
  far: End = kit.end(),
  options: { readonly near?: object; readonly far?: object } = {},
): Promise<{ near: End; far: End; client: Connection; server: Connection }> {
  const connecting = kit.device.connect({ ...at, queuePair: near.queuePair, ...options.near })
  const [client, server] = await Promise.all([
    connecting,
    listener.next().then((request) => request.accept({ queuePair: far.queuePair, ...options.far })),
  ])
  return { near, far, client, server }
}

/** The code of the error with which a promise rejects. */
async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'no error'
  } catch (error) {
    return error instanceof PinfoldError ? error.code : error instanceof Error ? error.name : String(error)
  }
}

/** A queue pair for datagrams that can be found by an address. */
function datagramEnd(kit: Kit): End {
  const end = kit.end({ type: 'UD', queueKey: connectionQueueKey })
  end.queuePair.activate()
  return end
}

/** A group that no other program uses. */
const multicastGroup = '239.192.77.1'

export const addresses = group('connections by address', [
  {
    name: 'connect and accept; then a message each way',
    expects: 'SUCCESS, SUCCESS, SUCCESS, SUCCESS',
    async run(kit) {
      const { near, far } = await connected(kit, listen(kit))
      for (const { queuePair } of [near, far]) queuePair.postReceive({})
      for (const { queuePair } of [near, far]) queuePair.post({ operation: 'send', memory: [] })
      return `${await kit.statuses(near.queue, 2)}, ${await kit.statuses(far.queue, 2)}`
    },
  },
  {
    name: 'the same over IPv6',
    expects: 'RTS, RTS',
    async run(kit) {
      const { near, far } = await connected(kit, listen(kit, {}, 'IPv6'))
      return `${near.queuePair.query().state}, ${far.queuePair.query().state}`
    },
  },
  {
    name: 'private data goes both ways',
    expects: 'hello, welcome',
    async run(kit) {
      const near = { privateData: Buffer.from('hello') }
      const far = { privateData: Buffer.from('welcome') }
      const { client, server } = await connected(kit, listen(kit), kit.end(), kit.end(), { near, far })
      return `${trimmed(server.privateData)}, ${trimmed(client.privateData)}`
    },
  },
  {
    name: 'private data of the longest sizes',
    expects: '56, 196, 148',
    async run(kit) {
      const listening = listen(kit)
      const near = { privateData: new Uint8Array(56).fill(1) }
      const far = { privateData: new Uint8Array(196).fill(2) }
      const { client, server } = await connected(kit, listening, kit.end(), kit.end(), { near, far })
      const ones = (bytes: Uint8Array) => bytes.filter((byte) => byte !== 0).length
      const connecting = kit.device.connect({ ...listening.at, queuePair: kit.end().queuePair }).catch((error) => error)
      await (await listening.listener.next()).reject({ privateData: new Uint8Array(148).fill(3) })
      const { values } = await connecting
      return [server.privateData, client.privateData, values.privateData].map(ones).join(', ')
    },
  },
  {
    name: 'private data that is longer than a request can have',
    expects: 'ERR_OUT_OF_RANGE',
    run: (kit) =>
      failure(
        kit.device.connect({
          address: ownAddress(kit),
          port: 9,
          queuePair: kit.end().queuePair,
          privateData: new Uint8Array(57),
        }),
      ),
  },
  {
    name: 'a peer has no rights unless they are named',
    expects: 'REM_INV_REQ_ERR',
    async run(kit) {
      const { near } = await connected(kit, listen(kit))
      const remote = kit.buffer()
      near.queuePair.post({ operation: 'write', memory: kit.buffer().registration.slice(0, 8), remote: remote.remote })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'a write with the right that accept() names',
    expects: 'SUCCESS',
    async run(kit) {
      const far = { access: ['remoteWrite'] }
      const { near } = await connected(kit, listen(kit), kit.end(), kit.end(), { far })
      const remote = kit.buffer()
      near.queuePair.post({ operation: 'write', memory: kit.buffer().registration.slice(0, 8), remote: remote.remote })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'the listener rejects the request, with private data',
    expects: 'ERR_CONNECTION_REFUSED: no room, RESET',
    async run(kit) {
      const { listener, at } = listen(kit)
      const { queuePair } = kit.end()
      const connecting = kit.device.connect({ ...at, queuePair }).catch((error) => error)
      await (await listener.next()).reject({ privateData: Buffer.from('no room') })
      const { code, values } = await connecting
      return `${code}: ${trimmed(values.privateData)}, ${queuePair.query().state}`
    },
  },
  {
    name: 'nobody listens on the port',
    expects: 'ERR_CONNECTION_REFUSED',
    async run(kit) {
      const { listener, at } = listen(kit)
      await listener.close()
      return await failure(kit.device.connect({ ...at, queuePair: kit.end().queuePair }))
    },
  },
  {
    name: 'the listener is closed while a request waits',
    expects: 'ERR_CONNECTION_REFUSED',
    async run(kit) {
      const { listener, at } = listen(kit)
      const connecting = failure(kit.device.connect({ ...at, queuePair: kit.end().queuePair }))
      await kit.until(() => listener.pending === 1, 'the request arrives')
      await listener.close()
      return await connecting
    },
  },
  {
    name: 'the listener is closed while somebody waits for a request',
    expects: 'ERR_CONNECTION_CLOSED',
    async run(kit) {
      const { listener } = listen(kit)
      const waiting = failure(listener.next())
      await listener.close()
      return await waiting
    },
  },
  {
    name: 'another listener has the port',
    expects: 'ERR_ADDRESS_IN_USE',
    run(kit) {
      const { at } = listen(kit)
      return refusal(() => kit.device.listen(at))
    },
  },
  {
    name: 'listen on an address that no device has',
    expects: 'ERR_ADDRESS_UNREACHABLE',
    run: (kit) => refusal(() => kit.device.listen({ address: '192.0.2.1', port: 0 })),
  },
  {
    name: 'connect to a host that does not exist',
    expects: 'ERR_ADDRESS_UNREACHABLE',
    run: (kit) =>
      failure(kit.device.connect({ address: 'no-such-host.invalid', port: 9, queuePair: kit.end().queuePair })),
  },
  {
    name: 'nobody answers the request in time',
    expects: 'ERR_CONNECTION_TIMEOUT, RESET',
    async run(kit) {
      const { queuePair } = kit.end()
      const code = await failure(kit.device.connect({ ...listen(kit).at, queuePair, timeout: 500 }))
      return `${code}, ${queuePair.query().state}`
    },
  },
  {
    name: 'the signal stops connect(); accept() finds that the peer has given up',
    expects: 'AbortError, RESET, ERR_CONNECTION_CLOSED',
    async run(kit) {
      const { listener, at } = listen(kit)
      const { queuePair } = kit.end()
      const abort = new AbortController()
      const connecting = failure(kit.device.connect({ ...at, queuePair, signal: abort.signal }))
      const request = await listener.next()
      abort.abort()
      return `${await connecting}, ${queuePair.query().state}, ${await failure(request.accept({ queuePair: kit.end().queuePair }))}`
    },
  },
  {
    name: 'a signal that is aborted already changes nothing',
    expects: 'AbortError, AbortError, RESET',
    async run(kit) {
      const { queuePair } = kit.end()
      const signal = AbortSignal.abort()
      const { at } = listen(kit)
      const listening = await failure((async () => kit.device.listen({ ...at, port: 0, signal }))())
      const connecting = await failure(kit.device.connect({ ...at, queuePair, signal }))
      return `${listening}, ${connecting}, ${queuePair.query().state}`
    },
  },
  {
    name: 'the signal stops next(), and the one of listen() closes the listener',
    expects: 'AbortError, AbortError, true',
    async run(kit) {
      const [whole, one] = [new AbortController(), new AbortController()]
      const { listener } = listen(kit, { signal: whole.signal })
      const stopped = failure(listener.next({ signal: one.signal }))
      one.abort()
      const closed = failure(listener.next())
      const first = await stopped
      whole.abort()
      return `${first}, ${await closed}, ${listener.closed}`
    },
  },
  {
    name: 'more requests than the backlog has room for',
    expects: 'ERR_CONNECTION_REFUSED, 1 waits, 1 of 2 was rejected',
    async run(kit) {
      const { listener, at } = listen(kit, { backlog: 1 })
      const one = kit.device.connect({ ...at, queuePair: kit.end().queuePair }).catch(() => {})
      await kit.until(() => listener.pending === 1, 'the first request arrives')
      const code = await failure(kit.device.connect({ ...at, queuePair: kit.end().queuePair }))
      const { arrived, overflowed } = listener.stats
      const found = `${code}, ${listener.pending} waits, ${overflowed} of ${arrived} was rejected`
      await listener.close()
      await one
      return found
    },
  },
  {
    name: 'disconnect(): both sides learn of it, and their receives are flushed',
    expects: 'us, peer, WR_FLUSH_ERR, WR_FLUSH_ERR',
    async run(kit) {
      const { near, far, client, server } = await connected(kit, listen(kit))
      for (const { queuePair } of [near, far]) queuePair.postReceive({})
      await client.disconnect()
      const ends = `${(await client.closed).by}, ${(await server.closed).by}`
      return `${ends}, ${await kit.status(near.queue)}, ${await kit.status(far.queue)}`
    },
  },
  {
    name: 'the events of a connection tell of its end',
    expects: 'DISCONNECTED',
    async run(kit) {
      const { client, server } = await connected(kit, listen(kit))
      const seen: string[] = []
      const events = client.events({ signal: AbortSignal.timeout(deadline) })
      await server.disconnect()
      for await (const { type } of events) seen.push(type)
      return seen.join(', ')
    },
  },
  {
    name: 'a queue pair is connected again after a reset',
    expects: 'SUCCESS',
    async run(kit) {
      const listening = listen(kit)
      const { near, far, client, server } = await connected(kit, listening)
      await client.disconnect()
      await server.closed
      for (const { queuePair } of [near, far]) queuePair.modify({ state: 'RESET' })
      await connected(kit, listening, near, far)
      far.queuePair.postReceive({})
      near.queuePair.post({ operation: 'send', memory: [] })
      return await kit.status(near.queue)
    },
  },
  {
    name: 'a queue pair that has a connection',
    expects: 'ERR_QUEUE_PAIR_STATE',
    async run(kit) {
      const listening = listen(kit)
      const { near } = await connected(kit, listening)
      return await failure(kit.device.connect({ ...listening.at, queuePair: near.queuePair }))
    },
  },
  {
    name: 'receives that are posted before connect() stay',
    expects: 'SUCCESS',
    async run(kit) {
      const far = kit.end()
      far.queuePair.initialize()
      far.queuePair.postReceive({})
      const { near } = await connected(kit, listen(kit), kit.end(), far)
      near.queuePair.post({ operation: 'send', memory: [] })
      return await kit.status(far.queue)
    },
  },
  {
    name: 'both sides tell their identity',
    expects: 'client 7, server 9',
    async run(kit) {
      const listening = listen(kit, { identity: { name: 'server', generation: 9n } })
      const near = { identity: { name: 'client', generation: 7n, peer: 'server' }, privateData: Buffer.from('x') }
      const { client, server } = await connected(kit, listening, kit.end(), kit.end(), { near })
      assert.equal(text(server.privateData), 'x')
      assert.equal(client.privateData.length, 0)
      return `${server.peer?.name} ${server.peer?.generation}, ${client.peer?.name} ${client.peer?.generation}`
    },
  },
  {
    name: 'the listener refuses an old generation, and the peer learns why',
    expects: 'ERR_CONNECTION_IDENTITY, 1 stranger',
    async run(kit) {
      const listening = listen(kit, { identity: { name: 'server-a', generation: 1n } })
      const identity = { name: 'client-a', generation: 2n }
      await connected(kit, listening, kit.end(), kit.end(), { near: { identity } })
      const old = { ...identity, generation: 1n }
      const { queuePair } = kit.end()
      const code = await failure(kit.device.connect({ ...listening.at, queuePair, identity: old }))
      return `${code}, ${listening.listener.stats.strangers} stranger`
    },
  },
  {
    name: 'the side that connects refuses an old generation, and the listener learns why',
    expects: 'ERR_CONNECTION_IDENTITY, ERR_CONNECTION_IDENTITY',
    async run(kit) {
      const identity = { name: 'client-b', generation: 1n }
      const listening = listen(kit, { identity: { name: 'server-b', generation: 2n } })
      await connected(kit, listening, kit.end(), kit.end(), { near: { identity } })
      const older = listen(kit, { identity: { name: 'server-b', generation: 1n } })
      const connecting = failure(kit.device.connect({ ...older.at, queuePair: kit.end().queuePair, identity }))
      const request = await older.listener.next()
      const accepting = failure(request.accept({ queuePair: kit.end().queuePair }))
      return `${await connecting}, ${await accepting}`
    },
  },
  {
    name: 'a peer with another name than was expected',
    expects: 'ERR_CONNECTION_IDENTITY',
    async run(kit) {
      const { listener, at } = listen(kit, { identity: { name: 'server-c', generation: 1n } })
      const identity = { name: 'client-c', generation: 1n, peer: 'another' }
      const connecting = failure(kit.device.connect({ ...at, queuePair: kit.end().queuePair, identity }))
      await failure((await listener.next()).accept({ queuePair: kit.end().queuePair }))
      return await connecting
    },
  },
  {
    name: 'the device is closed with a listener, a request and a connection',
    expects: 'ERR_OBJECT_CLOSED, us, us',
    async run(kit) {
      const device = kit.another()
      const listener = device.listen({ address: ownAddress(kit), port: 0 })
      const { place } = listener
      assert('port' in place)
      const domain = device.createDomain()
      const queue = device.createCompletionQueue({ entries: 256 })
      const make = () => domain.createQueuePair({ sendQueue: queue })
      const at = { address: ownAddress(kit), port: place.port }
      const connecting = device.connect({ ...at, queuePair: make() })
      const server = await (await listener.next()).accept({ queuePair: make() })
      const client = await connecting
      const waiting = failure(listener.next())
      device.close({ force: true })
      return `${await waiting}, ${(await client.closed).by}, ${(await server.closed).by}`
    },
  },
  {
    name: 'find a queue pair for datagrams by its address, and send to it',
    expects: 'SUCCESS, hello',
    async run(kit) {
      const [near, far] = [datagramEnd(kit), datagramEnd(kit)]
      const address = ownAddress(kit)
      const announcement = kit.device.announce({
        address,
        port: 0,
        queuePair: far.queuePair,
        privateData: Buffer.from('hello'),
      })
      const { place } = announcement
      assert('port' in place)
      const peer = await kit.device.findPeer({ address, port: place.port, domain: near.domain })
      const into = kit.buffer()
      far.queuePair.postReceive({ memory: into.registration })
      near.queuePair.post({ operation: 'send', memory: kit.buffer().registration.slice(0, 8), to: peer.receiver })
      assert.equal(announcement.answered, 1)
      const status = await kit.status(far.queue)
      announcement.close()
      return `${status}, ${trimmed(peer.privateData)}`
    },
  },
  {
    name: 'nobody announces a queue pair for datagrams there',
    expects: 'ERR_CONNECTION_REFUSED',
    async run(kit) {
      const { queuePair, domain } = datagramEnd(kit)
      const announcement = kit.device.announce({ address: ownAddress(kit), port: 0, queuePair })
      const { place } = announcement
      assert('port' in place)
      announcement.close()
      return await failure(kit.device.findPeer({ address: ownAddress(kit), port: place.port, domain, timeout: 3000 }))
    },
  },
  {
    name: 'join a multicast group by its address; leave it',
    expects: 'joined, left',
    async run(kit) {
      const [near, far] = [datagramEnd(kit), datagramEnd(kit)]
      const membership = await kit.device.joinMulticast({ group: multicastGroup, queuePair: far.queuePair })
      // Soft-RoCE of Linux 6.1 keeps a queue pair that has sent to an IPv4 group for 50 s after it was destroyed.
      if (kit.device.kind === 'loopback') {
        far.queuePair.postReceive({ memory: kit.buffer().registration })
        near.queuePair.post({ operation: 'send', memory: [], to: membership.receiver })
        assert.equal(await kit.status(far.queue), 'SUCCESS')
      }
      membership.leave()
      return `joined, ${refusal(() => far.queuePair.detachMulticast({ gid: membership.gid })) === 'taken' ? '' : 'left'}`
    },
  },
])
