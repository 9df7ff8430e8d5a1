import { type ConnectionRequest, type Device, openRegistry } from 'pinfold'
import { port, serverIdentity } from './place.mts'
import { decodeSlot, putPair, slotBytes } from './table.mts'

const slots = 1024

/** Serves so many clients, then ends. */
export async function serve(device: Device, clients: number): Promise<void> {
  using memory = await openRegistry({ regions: { table: { size: slots * slotBytes } } })
  using domain = device.createDomain()
  const { table } = memory.regions
  using readable = await memory.register(table, domain, ['localWrite', 'remoteRead'])
  const privateData = Buffer.from(JSON.stringify(readable.describe())) // the client's key to the table

  /** Puts what a client sends, until the client is gone. */
  async function serveClient(incoming: ConnectionRequest, number: number): Promise<void> {
    using queue = device.createCompletionQueue({ entries: 16 })
    using queuePair = domain.createQueuePair({ sendQueue: queue, sendRequests: 8, receiveRequests: 8 })
    using region = memory.allocateSync(`client-${number}`, { size: 2 * slotBytes, pages: 'base' })
    using buffer = memory.registerSync(region, domain, ['localWrite'])
    const reply = buffer.slice(slotBytes, 4)
    /** A put of the client. It waits for as long as the client likes. */
    const nextPut = () => {
      const put = queuePair.receive({ memory: buffer.slice(0, slotBytes) })
      put.catch(() => {}) // who awaits it learns of the failure
      return put
    }
    queuePair.initialize()
    let put = nextPut() // before the client can send
    const connection = await incoming.accept({ queuePair, access: ['remoteRead'], privateData })
    try {
      for (;;) {
        const { bytes } = await put
        const pair = decodeSlot(region.view(0, bytes))
        const version = typeof pair === 'string' ? 0 : putPair(table.bytes, pair)
        Buffer.from(region.bytes.buffer, region.bytes.byteOffset).writeUInt32LE(version, slotBytes)
        put = nextPut() // a client waits for the reply before it puts again
        await queuePair.request({ operation: 'send', memory: reply })
      }
    } catch (error) {
      // The end of a connection flushes the receive that waits.
      if (connection.ending === undefined) throw error
      throw new Error(connection.ending.reason)
    }
  }

  await using listener = device.listen({ address: '0.0.0.0', port, identity: serverIdentity })
  console.log(`server: ${slots} slots of ${slotBytes} bytes on ${device.name}, port ${port}`)
  const ends: Promise<void>[] = []
  for await (const incoming of listener) {
    const number = ends.length + 1
    ends.push(serveClient(incoming, number).catch((why) => console.log(`server: client ${number}: ${why.message}`)))
    if (number === clients) break
  }
  await listener.close()
  await Promise.all(ends)
}
