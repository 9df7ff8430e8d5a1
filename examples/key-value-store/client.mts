import {
  type Connection,
  createReconnectPolicy,
  type Device,
  openRegistry,
  parseRemoteMemory,
  type QueuePair,
} from 'pinfold'
import { clientIdentity, port } from './place.mts'
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

/** Connects to the server on a host, which may start later. */
async function connectedTo(device: Device, host: string, queuePair: QueuePair): Promise<Connection> {
  const policy = createReconnectPolicy({ firstDelay: 300, longestDelay: 1000, attempts: 1000, breakAfter: 1000 })
  const signal = AbortSignal.timeout(120_000)
  try {
    return await policy.run((attempt) => {
      if (attempt === 10) console.error(`client: no server at ${host} yet, trying for 2 minutes`)
      return device.connect({ address: host, port, queuePair, identity: clientIdentity, signal })
    })
  } catch (error) {
    throw new Error(`no server at ${host}: ${error}`)
  }
}

/** Connects to the server on a host, and closes the connection when `use` has ended. */
export async function withStore(device: Device, host: string, use: (store: Store) => Promise<void>): Promise<void> {
  using memory = await openRegistry({ regions: { buffers: { size: 3 * slotBytes, pages: 'base' } } })
  using domain = device.createDomain()
  using queue = device.createCompletionQueue({ entries: 32 })
  using queuePair = domain.createQueuePair({ sendQueue: queue, sendRequests: 8, receiveRequests: 8 })
  const { buffers } = memory.regions
  using registered = await memory.register(buffers, domain, ['localWrite'])
  const [request, reply, slot] = [0, slotBytes, 2 * slotBytes]

  await using connection = await connectedTo(device, host, queuePair)
  const table = parseRemoteMemory(JSON.parse(Buffer.from(connection.privateData).toString()))

  const store: Store = {
    torn: 0,
    async get(key) {
      for (const number of slotsOf(key, table.length / slotBytes)) {
        let found: Pair | 'unused' | 'torn' = 'torn'
        for (let tries = 0; found === 'torn'; tries++) {
          if (tries === mostTries) throw new Error(`slot ${number} has arrived torn ${tries} times`)
          if (tries > 0) store.torn += 1
          const memory = registered.slice(slot, slotBytes)
          await queuePair.request({ operation: 'read', memory, remote: table.slice(number * slotBytes, slotBytes) })
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
      const answer = queuePair.receive({ memory: registered.slice(reply, 4) })
      const sent = queuePair.request({ operation: 'send', memory: registered.slice(request, encoded.length) })
      await Promise.all([answer, sent])
      const version = Buffer.from(buffers.view(reply, 4)).readUInt32LE()
      if (version === 0) throw new Error(`the server has no room for key '${key}'`)
      return version
    },
  }
  await use(store)
}
