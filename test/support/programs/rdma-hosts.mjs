// Runs in the lab on two hosts. Host 1 accesses host 0's memory over the wire, loses the link, and accesses the memory
// again when the link is back. Each host prints what it saw, one JSON object a line. The hosts talk over TCP, line by
// line.
import { execFileSync } from 'node:child_process'
import { createConnection, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { openDevice, openRegistrySync, parseRemoteMemory } from '../../../dist/index.js'

const { LAB_HOST, LAB_ADDRESS, LAB_PEERS } = process.env
const isServer = LAB_HOST === '0'
const size = 2 ** 20
const all = ['localWrite', 'remoteWrite', 'remoteRead', 'remoteAtomic']
// A busy emulated machine may stand still for longer than a few transmissions of 17 ms.
const patient = { timeout: 16, retryCount: 6 }
const impatient = { timeout: 12, retryCount: 2 }
const say = (of) => console.log(JSON.stringify({ host: Number(LAB_HOST), ...of }))

const memory = openRegistrySync({})
const region = memory.allocateSync('shared', { size, pages: 'base' })
const device = openDevice('rxe0')
const domain = device.createDomain()
const completions = device.createCompletionQueue({ entries: 512 })
const registration = memory.registerSync(region, domain, all)
const events = device.events()

const { send, next } = await peer()
let pair = await connected(patient)
if (isServer) await serve()
else await use()
memory.close()
device.close({ force: true })
say({ closed: true })
process.exit()

/** Connects the hosts, to exchange lines of JSON. */
async function peer() {
  const socket = isServer ? await accepted() : await connectedTo(LAB_PEERS)
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  return {
    send: (of) => socket.write(`${JSON.stringify(of)}\n`),
    next: async () => JSON.parse((await lines.next()).value),
  }
}

function accepted() {
  return new Promise((resolve) => createServer(resolve).listen(7000, LAB_ADDRESS))
}

async function connectedTo(address) {
  for (;;) {
    const socket = createConnection(7000, address)
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    if (isOpen) return socket
    await new Promise((resolve) => setTimeout(resolve, 100)) // until the other host listens
  }
}

async function connected(timing) {
  const made = domain.createQueuePair({ sendQueue: completions, sendRequests: 128, receiveRequests: 16 })
  send(made.describe())
  made.connect(await next(), { access: all.slice(1), ...timing })
  send('connected')
  await next()
  return made
}

async function completed(count) {
  const found = []
  while (found.length < count) found.push(...(await completions.wait({ signal: AbortSignal.timeout(60_000) })))
  return found.map(({ status }) => status)
}

/** Waits for the next event of these types. */
async function event(...types) {
  for (;;) {
    const { value } = await events.next()
    if (types.includes(value.type)) return value.type
  }
}

async function serve() {
  pair.postReceive({ memory: registration.slice(size - 4096, 64), id: 1 })
  send(registration.describe())
  say({ received: await completed(1) })
  await next()
  const bytes = region.view(0, 65536)
  say({
    written: bytes.every((byte, index) => byte === (index & 0xff)),
    counter: new DataView(region.bytes.buffer).getBigUint64(size - 8, true).toString(),
  })
  // The link goes down during the transfers of the other host, and comes back.
  pair.close()
  pair = await connected(impatient)
  await next()
  execFileSync('ip', ['link', 'set', 'eth0', 'down'])
  say({ event: await event('PORT_ERR') })
  const state = device.port(1).state
  execFileSync('/bin/sh', ['-c', 'sleep 3; ip link set eth0 up; ip addr replace 10.77.0.1/24 dev eth0'])
  say({ event: await event('PORT_ACTIVE'), whileDown: state, now: device.port(1).state })
  await next()
  pair.close()
  pair = await connected(patient)
  send(registration.describe())
  await next()
  say({ again: region.view(0, 4096).every((byte) => byte === 0xaa) })
}

async function use() {
  const remote = parseRemoteMemory(await next())
  const bytes = region.bytes
  for (let index = 0; index < 65536; index++) bytes[index] = index & 0xff
  pair.post([
    { operation: 'write', memory: registration.slice(0, 65536), remote: remote.slice(0, 65536), id: 1 },
    { operation: 'read', memory: registration.slice(131072, 65536), remote: remote.slice(0, 65536), id: 2 },
    {
      operation: 'fetchAndAdd',
      memory: registration.slice(262144, 8),
      remote: remote.slice(size - 8, 8),
      add: 41n,
      id: 3,
    },
    {
      operation: 'fetchAndAdd',
      memory: registration.slice(262144, 8),
      remote: remote.slice(size - 8, 8),
      add: 1n,
      id: 4,
    },
    { operation: 'sendWithImmediate', memory: registration.slice(0, 64), immediate: 7, id: 5 },
  ])
  say({
    transferred: await completed(5),
    readBack: region.view(131072, 65536).every((byte, index) => byte === (index & 0xff)),
  })
  send('done')
  // Writes until a write fails, since the link goes down.
  pair.close()
  pair = await connected(impatient)
  send('down')
  let failed = []
  while (failed.length === 0) {
    const batch = Array.from({ length: 16 }, () => ({
      operation: 'write',
      memory: registration.slice(0, 65536),
      remote: remote.slice(0, 65536),
    }))
    const posted = pair.post(batch)
    failed = (await completed(posted)).filter((status) => status !== 'SUCCESS')
  }
  say({ lost: failed[0], flushed: [...new Set(failed.slice(1))] })
  pair.close()
  send('again')
  pair = await connected(patient)
  const again = parseRemoteMemory(await next())
  bytes.fill(0xaa, 0, 4096)
  pair.post({ operation: 'write', memory: registration.slice(0, 4096), remote: again.slice(0, 4096) })
  say({ again: await completed(1) })
  send('done')
}
