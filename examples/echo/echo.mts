// An echo: the server sends back each message. The two sides find each other by a name on the loopback, or by an address.
//
//   node echo.mts server [address port]
//   node echo.mts client [address port]
import { explainStatus, openDevice, openRegistrySync, type QueuePair } from 'pinfold'

const messageBytes = 64
const messages = ['one', 'two', 'three']

const [role, address, port] = process.argv.slice(2)
const isByName = address === undefined
const place = isByName ? { name: 'echo' } : { address, port: Number(port) }
const device = isByName ? openDevice({ loopback: true }) : openDevice()
const memory = openRegistrySync({ regions: { buffers: { size: '8KiB', pages: 'base' } } })
const { bytes } = memory.regions.buffers
const domain = device.createDomain()
const registration = memory.registerSync(memory.regions.buffers, domain, ['localWrite'])
const queue = device.createCompletionQueue({ entries: 64 })
const queuePair = domain.createQueuePair({ sendQueue: queue, sendRequests: 16, receiveRequests: 16 })

try {
  // The first message may come as soon as the connection is there, so its receive is posted before.
  queuePair.initialize()
  receive(queuePair)
  await (role === 'server' ? serve() : talk())
} finally {
  device.close({ force: true })
  memory.close()
}

async function serve(): Promise<void> {
  const listener = device.listen(place)
  console.log('server: listens')
  const request = await listener.next()
  const connection = await request.accept({ queuePair, privateData: Buffer.from('echo 1') })
  await listener.close()
  const gone = new AbortController()
  connection.closed.then(() => gone.abort())
  let echoed = 0
  try {
    for (; ; echoed++) {
      const text = await received(gone.signal)
      receive(queuePair)
      send(text)
    }
  } catch (error) {
    if (connection.ending?.by !== 'peer') throw error
  }
  console.log(`server: ${echoed} messages`)
}

async function talk(): Promise<void> {
  const connection = await device.connect({ ...place, queuePair })
  // The connection manager appends zeros to private data.
  console.log(`client: the server is '${Buffer.from(connection.privateData).toString().replaceAll('\0', '')}'`)
  for (const message of messages) {
    send(message)
    console.log(`client: ${await received()}`)
    receive(queuePair)
  }
  await connection.disconnect()
}

function receive(by: QueuePair): void {
  by.postReceive({ memory: registration.slice(0, messageBytes) })
}

function send(text: string): void {
  bytes.fill(0, 4096, 4096 + messageBytes).set(Buffer.from(text.slice(0, messageBytes)), 4096)
  queuePair.post({ operation: 'send', memory: registration.slice(4096, messageBytes) })
}

/** Waits for a message, and passes over the completions of our sends. */
async function received(signal?: AbortSignal): Promise<string> {
  for (;;) {
    const [completion] = await queue.wait({ most: 1, signal })
    if (completion === undefined) continue
    if (!completion.ok) throw new Error(explainStatus(completion.status))
    if (completion.operation === 'receive') {
      return Buffer.from(bytes.subarray(0, messageBytes)).toString().replaceAll('\0', '')
    }
  }
}
