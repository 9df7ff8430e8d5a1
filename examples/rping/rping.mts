// The protocol of rping(1), from rdma-core: the client tells where its message lies, the server reads it there, and writes
// it back to the place that the client tells next. Either side may be rping itself.
//
//   node rping.mts server [address] [port]
//   node rping.mts client <address> [port] [rounds]
import {
  type Completion,
  type CompletionQueue,
  type Connection,
  type Device,
  explainStatus,
  openDevice,
  openRegistrySync,
  parseRemoteMemory,
  type QueuePair,
  type Registration,
  type RemoteMemory,
} from 'pinfold'

const defaultPort = 7174
const size = 64
/** `struct rping_rdma_info`: address, key, size; big-endian. */
const infoBytes = 16

const [role, address, portText, roundsText = '3'] = process.argv.slice(2)
const port = Number(portText ?? defaultPort)

const device = openDevice(process.env.RPING_DEVICE)
const memory = openRegistrySync({ regions: { buffers: { size: '64KiB', pages: 'base' } } })
const ends = endsOf(device)

try {
  if (role === 'server') await serve()
  else await ping(address ?? '127.0.0.1', Number(roundsText))
} finally {
  device.close({ force: true })
  memory.close()
}

function endsOf(of: Device) {
  const domain = of.createDomain()
  const queue = of.createCompletionQueue({ entries: 256 })
  const queuePair = domain.createQueuePair({ sendQueue: queue, sendRequests: 8, receiveRequests: 8 })
  const registration = memory.registerSync(memory.regions.buffers, domain, ['localWrite', 'remoteRead', 'remoteWrite'])
  return { queue, queuePair, registration }
}

/** Places in the region: a message that comes, a message that goes, the data at its source, and where it comes back to. */
function places(registration: Registration) {
  const slice = (index: number, length: number) => registration.slice(index * 4096, length)
  return { received: slice(0, infoBytes), sent: slice(1, infoBytes), source: slice(2, size), sink: slice(3, size) }
}

async function serve(): Promise<void> {
  const listener = device.listen({ address: address ?? '0.0.0.0', port })
  console.log(`server: listens on port ${port}`)
  const request = await listener.next()
  const { queuePair, queue, registration } = ends
  const { received, source } = places(registration)
  receive(queuePair, registration)
  const connection = await request.accept({ queuePair })
  await listener.close()
  const arrivals = messagesOf(queue)
  let rounds = 0
  try {
    for (; ; rounds++) {
      const from = infoOf(await arrivals.received())
      receive(queuePair, registration)
      queuePair.post({ operation: 'read', memory: registration.slice(2 * 4096, from.length), remote: from })
      await arrivals.completed()
      tell(queuePair, registration, source.length, 0n, 0)
      const to = infoOf(await arrivals.received())
      receive(queuePair, registration)
      queuePair.post({ operation: 'write', memory: registration.slice(2 * 4096, to.length), remote: to })
      await arrivals.completed()
      tell(queuePair, registration, received.length, 0n, 0)
    }
  } catch (error) {
    // rping disconnects when it has done its rounds: our receives are flushed.
    await connection.disconnect()
    if (rounds === 0) throw error
  }
  console.log(`server: ${rounds} rounds`)
}

async function ping(to: string, rounds: number): Promise<void> {
  const { queuePair, queue, registration } = ends
  receive(queuePair, registration)
  const connection: Connection = await device.connect({
    address: to,
    port,
    queuePair,
    access: ['remoteRead', 'remoteWrite'],
  })
  const arrivals = messagesOf(queue)
  const { source, sink } = places(registration)
  const bytes = memory.regions.buffers.bytes
  for (let round = 0; round < rounds; round++) {
    const text = `rdma-ping-${round}: ABCDEFGHIJKLMNOPQRSTUVWXYZ`.padEnd(size - 1, '.')
    bytes.set(Buffer.from(`${text}\0`), 2 * 4096)
    for (const place of [source, sink]) {
      const { address: start, rkey } = registration.describe()
      tell(queuePair, registration, place.length, BigInt(start) + BigInt(place.offset), rkey)
      await arrivals.received()
      receive(queuePair, registration)
    }
    const back = Buffer.from(bytes.subarray(3 * 4096, 3 * 4096 + size - 1)).toString()
    if (back !== text) throw new Error(`expected '${text}', received '${back}'`)
    console.log(`client: ${back}`)
  }
  await connection.disconnect()
}

function receive(queuePair: QueuePair, registration: Registration): void {
  if (queuePair.state === 'RESET') queuePair.initialize()
  queuePair.postReceive({ memory: places(registration).received })
}

/** Sends an info. The peer that waits for a go-ahead does not look into it. */
function tell(queuePair: QueuePair, registration: Registration, length: number, start: bigint, rkey: number): void {
  const info = Buffer.alloc(infoBytes)
  info.writeBigUInt64BE(start, 0)
  info.writeUInt32BE(rkey, 8)
  info.writeUInt32BE(length, 12)
  memory.regions.buffers.bytes.set(info, 4096)
  queuePair.post({ operation: 'send', memory: places(registration).sent })
}

/** The info that has come. It is the peer's word: `parseRemoteMemory` checks it, and the length is bounded here. */
function infoOf(bytes: Buffer): RemoteMemory {
  const length = bytes.readUInt32BE(12)
  if (length > 4096) throw new Error(`the peer wants ${length} bytes, and at most 4096 are served`)
  return parseRemoteMemory({ address: bytes.readBigUInt64BE(0), rkey: bytes.readUInt32BE(8), length })
}

/** Sorts completions: messages that have come, and one-sided requests that are done. */
function messagesOf(queue: CompletionQueue) {
  const kept: Completion[] = []
  async function next(wanted: (completion: Completion) => boolean): Promise<void> {
    for (;;) {
      const index = kept.findIndex(wanted)
      if (index >= 0) {
        kept.splice(index, 1)
        return
      }
      const found = await queue.wait()
      const failed = found.find(({ ok }) => !ok)
      if (failed !== undefined) throw new Error(explainStatus(failed.status))
      kept.push(...found)
    }
  }
  return {
    async received(): Promise<Buffer> {
      await next(({ operation }) => operation === 'receive')
      return Buffer.from(memory.regions.buffers.bytes.subarray(0, infoBytes))
    },
    completed: () => next(({ operation }) => operation === 'read' || operation === 'write'),
  }
}
