import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { type Completion, type Device, openRegistry, parseRemoteMemory } from 'pinfold'
import { completionsOf, peerAt, tcpPort } from './peer.mts'
import { decodeSlot, encodeSlot, type Pair, slotBytes, slotsOf } from './table.mts'

/** One get and one put may be under way at a time. */
export interface Store {
  /** Undefined if nobody has put the key. */
  get(key: string): Promise<Pair | undefined>
  /** Returns the version of the pair, which grows with each put. */
  put(key: string, value: Buffer): Promise<number>
  /** How many slots arrived torn, and were read again. */
  torn: number
}

/** A server that has died in the middle of a put leaves a slot that is torn for ever. */
const mostTries = 10_000

async function connectedTo(host: string): Promise<Socket> {
  const patience = performance.now() + 120_000
  for (let tries = 1; ; tries++) {
    const socket = createConnection(tcpPort, host)
    try {
      await once(socket, 'connect')
      return socket
    } catch (error) {
      const mayStartLater = /ECONNREFUSED|EHOSTUNREACH|ETIMEDOUT/.test(String(error))
      if (!mayStartLater || performance.now() > patience) throw new Error(`no server at ${host}: ${error}`)
      if (tries === 10) console.error(`client: no server at ${host} yet, trying for 2 minutes`)
      await setTimeout(300)
    }
  }
}

/** Connects to the server on a host, and closes the connection when `use` has ended. */
export async function withStore(device: Device, host: string, use: (store: Store) => Promise<void>): Promise<void> {
  const socket = await connectedTo(host)
  const peer = peerAt(socket)
  using memory = await openRegistry({ regions: { buffers: { size: 3 * slotBytes, pages: 'base' } } })
  using domain = device.createDomain()
  using queue = device.createCompletionQueue({ entries: 32 })
  using queuePair = domain.createQueuePair({ sendQueue: queue, sendRequests: 8, receiveRequests: 8 })
  const { buffers } = memory.regions
  using registered = await memory.register(buffers, domain, ['localWrite'])
  const [request, reply, slot] = [0, slotBytes, 2 * slotBytes]
  const [readId, replyId, sendId] = [1, 2, 3]

  queuePair.initialize()
  const described = await peer.receive()
  const table = parseRemoteMemory(described.table)
  queuePair.connect(described.queuePair)
  peer.send({ queuePair: queuePair.describe() })
  await peer.receive() // the server is connected, too

  const waiting = new Map<number, (completion: Completion) => void>()
  const failure = (async (): Promise<never> => {
    for (;;) for (const done of await completionsOf(queue, peer.gone)) waiting.get(done.id)?.(done)
  })()
  failure.catch(() => {}) // it is told to whoever waits for a completion
  const completion = (id: number) =>
    Promise.race([failure, new Promise<Completion>((resolve) => waiting.set(id, resolve))])

  const store: Store = {
    torn: 0,
    async get(key) {
      for (const number of slotsOf(key, table.length / slotBytes)) {
        let found: Pair | 'unused' | 'torn' = 'torn'
        for (let tries = 0; found === 'torn'; tries++) {
          if (tries === mostTries) throw new Error(`slot ${number} has arrived torn ${tries} times`)
          if (tries > 0) store.torn += 1
          const memory = registered.slice(slot, slotBytes)
          queuePair.post({ id: readId, operation: 'read', memory, remote: table.slice(number * slotBytes, slotBytes) })
          await completion(readId)
          found = decodeSlot(buffers.view(slot, slotBytes))
        }
        if (found === 'unused') return undefined
        if (typeof found === 'object' && found.key === key) return found
      }
      return undefined
    },
    async put(key, value) {
      const encoded = encodeSlot({ version: 0, key, value })
      buffers.view(request, slotBytes).set(encoded)
      queuePair.postReceive({ id: replyId, memory: registered.slice(reply, 4) })
      const memory = registered.slice(request, encoded.length)
      queuePair.post({ id: sendId, operation: 'send', memory })
      await completion(replyId)
      const version = Buffer.from(buffers.view(reply, 4)).readUInt32LE()
      if (version === 0) throw new Error(`the server has no room for key '${key}'`)
      return version
    },
  }
  try {
    await use(store)
  } finally {
    socket.destroy()
    await failure.catch(() => {}) // the connection has ended
  }
}
