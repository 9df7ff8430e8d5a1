// Two processes that reach each other's memory by RDMA: one of them serves, the other is its client.
import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import {
  type CompletionQueue,
  exchange,
  explainStatus,
  openDevice,
  openRegistry,
  type QueuePair,
  type Registration,
  type RemoteMemory,
} from 'pinfold'

const tcpPort = 18601
const [side, host = 'localhost'] = process.argv.slice(2)

/** Both sides have the same objects: a region, registered, and a queue pair that is connected over a TCP socket. */
async function converse(socket: Socket, talk: (side: Side) => Promise<void>): Promise<void> {
  using device = openDevice() // the first real device, or the loopback
  using memory = await openRegistry({ regions: { inbox: { size: '64KiB', pages: 'base' } } })
  const { inbox } = memory.regions
  using domain = device.createDomain()
  using queue = device.createCompletionQueue({ entries: 128 })
  using queuePair = domain.createQueuePair({ sendQueue: queue })
  using registration = await memory.register(inbox, domain, ['localWrite', 'remoteWrite', 'remoteRead'])
  queuePair.initialize()
  queuePair.postReceive({ id: 1 }) // before the peer can send
  const { remote } = await exchange(socket, {
    queuePair,
    memory: { inbox: registration },
    connect: { access: ['remoteWrite', 'remoteRead'] },
  })
  if (remote.inbox === undefined) throw new Error('the peer has no inbox')
  await talk({ bytes: inbox.bytes, registration, queuePair, queue, remote: remote.inbox, device: device.name })
}

interface Side {
  readonly bytes: Uint8Array
  readonly registration: Registration
  readonly queuePair: QueuePair
  readonly queue: CompletionQueue
  readonly remote: RemoteMemory
  readonly device: string
}

/** Waits for one completion. */
async function completionOf(queue: CompletionQueue) {
  const [completion] = await queue.wait({ most: 1 })
  if (completion === undefined || !completion.ok) throw new Error(explainStatus(completion?.status ?? 'GENERAL_ERR'))
  return completion
}

/** The client has written into our inbox, and tells the length by immediate data. We only wait for that. */
async function serve({ bytes, queue, device }: Side): Promise<void> {
  const { immediate = 0 } = await completionOf(queue)
  console.log(`server on ${device}: the client wrote '${Buffer.from(bytes.subarray(0, immediate))}'`)
  Buffer.from(bytes.buffer, bytes.byteOffset).write('read this', 4096)
}

async function ask({ bytes, registration, queuePair, queue, remote, device }: Side, socket: Socket): Promise<void> {
  const length = Buffer.from(bytes.buffer, bytes.byteOffset).write('hello from another process', 0)
  const memory = registration.slice(0, length)
  queuePair.post({ operation: 'writeWithImmediate', memory, remote: remote.slice(0, length), immediate: length })
  await completionOf(queue)
  await once(socket, 'data') // the server has something for us
  queuePair.post({ operation: 'read', memory: registration.slice(100, 9), remote: remote.slice(4096, 9) })
  await completionOf(queue)
  console.log(`client on ${device}: the server has '${Buffer.from(bytes.subarray(100, 109))}'`)
}

if (side === 'server') {
  const server = createServer().listen(tcpPort)
  const [socket]: Socket[] = await once(server, 'connection')
  if (socket === undefined) throw new Error('no client came')
  server.close()
  await converse(socket, async (side) => {
    await serve(side)
    socket.write('look')
    await once(socket.resume(), 'end') // the client has read our memory
  })
} else {
  const socket = createConnection(tcpPort, host)
  await once(socket, 'connect')
  await converse(socket, (side) => ask(side, socket))
  socket.end()
}
