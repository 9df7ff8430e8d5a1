// The other side of a connection over the loopback, in a thread or process of its own. It does what its parent says:
// each message is [number, name of a command, arguments]; each reply [number, result] or [number, undefined, error].
import { parentPort, threadId } from 'node:worker_threads'
import { Completions, openDevice, openRegistrySync, parseRemoteMemory } from '../../../dist/index.js'

const reply = parentPort === null ? (text) => process.send(text) : (text) => parentPort.postMessage(text)
const everyRight = ['localWrite', 'remoteWrite', 'remoteRead', 'remoteAtomic', 'bindWindow']

const device = openDevice({ loopback: true })
const memory = openRegistrySync({ leaks: 'off' })
const region = memory.allocateSync('far', { size: '2MiB', pages: 'base' })
const domain = device.createDomain()
const queue = device.createCompletionQueue({ entries: 4096 })
const registrations = new Map([['all', memory.registerSync(region, domain, everyRight)]])
const pairs = new Map()
let shared
let window
let events

const part = ([offset, length, name = 'all']) => registrations.get(name).slice(offset, length)
const request = ({ memory: places, remote, at = 0, length, handle, compare, swap, add, ...rest }) => ({
  ...rest,
  ...(places === undefined ? {} : { memory: places.map(part) }),
  ...(remote === undefined ? {} : { remote: parseRemoteMemory(remote).slice(at, length) }),
  ...(handle === undefined
    ? {}
    : {
        to: {
          addressHandle: domain.createAddressHandle({ gid: handle.gid }),
          queuePair: handle.number,
          queueKey: handle.queueKey,
        },
      }),
  ...(compare === undefined ? {} : { compare: BigInt(compare), swap: BigInt(swap) }),
  ...(add === undefined ? {} : { add: BigInt(add) }),
})

const commands = {
  who: () => ({ pid: process.pid, threadId }),
  share(requests) {
    shared = domain.createSharedReceiveQueue({ requests })
  },
  pair(name, options = {}) {
    const { isShared, ...rest } = options
    const extra = isShared ? { sharedReceiveQueue: shared } : {}
    pairs.set(name, domain.createQueuePair({ sendQueue: queue, inlineBytes: 64, ...extra, ...rest }))
    return pairs.get(name).describe()
  },
  connect: (name, peer, options) => pairs.get(name).connect(peer, { access: everyRight.slice(1, 4), ...options }),
  activate: (name) => pairs.get(name).activate(),
  modify: (name, change) => pairs.get(name).modify(change),
  state: (name) => pairs.get(name).query().state,
  closePair: (name) => pairs.get(name).close(),
  memory: (name = 'all') => registrations.get(name).describe(),
  register(name, offset, length, access) {
    registrations.set(name, memory.registerSync(region.slice(offset, length), domain, access))
    return registrations.get(name).describe()
  },
  deregister: (name) => registrations.get(name).close(),
  async window(name, offset, length) {
    window = domain.allocateWindow({ type: 2 })
    pairs.get(name).post({ operation: 'bind', window, memory: part([offset, length]), access: ['remoteWrite'] })
    const [{ status }] = await queue.wait()
    return { status, remote: window.describe() }
  },
  fill: (value, from, to) => void region.bytes.fill(value, from, to),
  bytes: (from, to) => [...region.bytes.subarray(from, to)],
  post: (name, requests) => pairs.get(name).post(requests.map(request)),
  postReceive: (name, places) => pairs.get(name).postReceive(places.map((one) => ({ memory: one.map(part) }))),
  postShared: (places) => shared.postReceive(places.map((one) => ({ memory: one.map(part) }))),
  async wait(count) {
    const found = []
    while (found.length < count) found.push(...(await queue.wait({ most: count - found.length })))
    return found
  },
  poll: () => queue.poll(),
  watch() {
    events = device.events()
  },
  async event(type) {
    for await (const event of events) if (event.type === type) return event.type
  },
  /** Sends for ever: writes to the peer, one burst after the other. */
  async flood(name, remote) {
    for (;;) {
      const burst = Array.from({ length: 16 }, () =>
        request({ operation: 'write', memory: [[0, 65536]], remote, length: 65536 }),
      )
      pairs.get(name).post(burst)
      const done = new Completions(16)
      for (let count = 0; count < 16; count += queue.pollInto(done)) await new Promise(setImmediate)
    }
  },
  /** The event loop does not turn. */
  block: (milliseconds) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds),
  closeDevice: () => device.close({ force: true }),
  end() {
    device.close({ force: true })
    memory.close()
    if (parentPort === null) process.disconnect()
    else parentPort.close()
  },
}

async function take(text) {
  const [number, name, given] = JSON.parse(text)
  try {
    const result = await commands[name](...given)
    if (name === 'end') return
    reply(JSON.stringify([number, result ?? null]))
  } catch (error) {
    reply(JSON.stringify([number, null, `${error.code ?? error.name}: ${error.message}`]))
  }
}

if (parentPort === null) process.on('message', take)
else parentPort.on('message', take)
