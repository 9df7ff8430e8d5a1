import { on, once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { type Device, openRegistry } from 'pinfold'
import { completionsOf, peerAt, tcpPort } from './peer.mts'
import { decodeSlot, putPair, slotBytes } from './table.mts'

const slots = 1024

/** Serves so many clients, then ends. */
export async function serve(device: Device, clients: number): Promise<void> {
  using memory = await openRegistry({ regions: { table: { size: slots * slotBytes } } })
  using domain = device.createDomain()
  const { table } = memory.regions
  using readable = await memory.register(table, domain, ['localWrite', 'remoteRead'])

  /** Puts what a client sends, until the client is gone: then it throws. */
  async function serveClient(socket: Socket, number: number): Promise<never> {
    const peer = peerAt(socket)
    using queue = device.createCompletionQueue({ entries: 16 })
    using queuePair = domain.createQueuePair({ sendQueue: queue, sendRequests: 8, receiveRequests: 8 })
    const region = memory.allocateSync(`client-${number}`, { size: 2 * slotBytes, pages: 'base' })
    using buffer = memory.registerSync(region, domain, ['localWrite'])
    const [request, reply] = [buffer.slice(0, slotBytes), buffer.slice(slotBytes, 4)]
    queuePair.initialize()
    queuePair.postReceive({ memory: request }) // before the client can send
    peer.send({ queuePair: queuePair.describe(), table: readable.describe() })
    queuePair.connect((await peer.receive()).queuePair, { access: ['remoteRead'] })
    peer.send({ isReady: true })
    for (;;) {
      for (const { operation, bytes } of await completionsOf(queue, peer.gone)) {
        if (operation !== 'receive') continue // it says that a reply was sent
        const pair = decodeSlot(region.view(0, bytes))
        const version = typeof pair === 'string' ? 0 : putPair(table.bytes, pair)
        Buffer.from(region.bytes.buffer, region.bytes.byteOffset).writeUInt32LE(version, slotBytes)
        queuePair.postReceive({ memory: request }) // a client waits for the reply before it puts again
        queuePair.post({ operation: 'send', memory: reply })
      }
    }
  }

  const server = createServer().listen(tcpPort)
  await once(server, 'listening')
  console.log(`server: ${slots} slots of ${slotBytes} bytes on ${device.name}, TCP port ${tcpPort}`)
  const ends: Promise<void>[] = []
  for await (const [socket] of on(server, 'connection')) {
    const number = ends.length + 1
    const end = serveClient(socket, number).catch((why) => console.log(`server: client ${number}: ${why.message}`))
    ends.push(end.finally(() => socket.destroy()))
    if (number === clients) break
  }
  server.close()
  await Promise.all(ends)
}
