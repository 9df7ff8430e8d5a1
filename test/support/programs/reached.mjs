import { writeSync } from 'node:fs'
import * as pinfold from '../../../dist/index.js'

// Reads, calls and changes each property of public objects and of their classes, and then uses the objects. Prints a
// name before each change, so that the test knows which change never returned, and 'done' at the end. The argument is
// the index in the list at which the program begins.

process.on('unhandledRejection', () => {})
let isLiving = false
process.on('uncaughtException', (error) => {
  if (isLiving) return
  writeSync(2, `${error.stack}\n`)
  process.exit(1)
})
process.on('warning', () => {})

function attempt(call) {
  try {
    return call()
  } catch {
    return undefined // everything may throw
  }
}

function made() {
  const memory = pinfold.openRegistrySync({ leaks: 'off' })
  const allocate = (name) => memory.allocateSync(name, { size: 524288, pages: 'base' })
  const [region, second, third, fourth] = ['one', 'two', 'three', 'four'].map(allocate)
  const device = pinfold.openDevice({ loopback: true })
  const domain = device.createDomain()
  const channel = device.createCompletionChannel()
  const queue = device.createCompletionQueue({ entries: 256, channel })
  const shared = domain.createSharedReceiveQueue({ requests: 8 })
  const pair = domain.createQueuePair({ sendQueue: queue })
  pair.connect(pair.describe(), { access: ['remoteWrite'] })
  const datagrams = domain.createQueuePair({ type: 'UD', sendQueue: queue })
  datagrams.activate()
  const registration = memory.registerSync(region, domain, ['localWrite', 'remoteWrite', 'remoteRead', 'bindWindow'])
  const remote = pinfold.parseRemoteMemory(registration.describe())
  const translation = attempt(() => region.translate()) ?? {}
  return {
    memory,
    region,
    slice: region.slice(64, 4096),
    hold: second.hold('reached'),
    translation,
    ring: pinfold.createRing(second.slice(0, 262144), { count: 64, patience: 1 }),
    pool: pinfold.createBufferPool(third.slice(0, 262144), { elementSize: 64, count: 100, cache: 8, patience: 1 }),
    tracked: pinfold.createBufferPool(third.slice(262144, 262144), {
      elementSize: 64,
      count: 100,
      cache: 8,
      patience: 1,
      tracking: 'all',
    }),
    packets: pinfold.createPackets(fourth, { bufferSize: 256, count: 16 }),
    heap: pinfold.createHeap(second.slice(262144, 262144), { blocks: 16 }),
    device,
    domain,
    channel,
    queue,
    shared,
    pair,
    sends: pair.sends,
    receives: pair.receives,
    datagrams,
    registration,
    part: registration.slice(0, 64),
    remote,
    remotePart: remote.slice(64, 64),
    window: domain.allocateWindow(),
    addressHandle: domain.createAddressHandle({ gid: device.bestGid(1).gid }),
    deviceMemory: device.allocateDeviceMemory({ size: 4096 }),
    completions: new pinfold.Completions(4),
  }
}

const burst = new Uint32Array(8)

/** Uses of each kind of object. Each use may throw. */
const uses = [
  ({ region }) => region.view(0, 64).fill(1),
  ({ region }) => region.bytes[0],
  ({ slice }) => slice.bytes.fill(2),
  ({ slice }) => slice.slice(0, 64).view(0, 8),
  ({ translation }) => translation.physicalAt(0),
  ({ translation }) => translation.verify(),
  ({ ring }) => ring.enqueue(1),
  ({ ring }) => ring.enqueueBulk(burst),
  ({ ring }) => ring.dequeueBurst(burst),
  ({ ring }) => ring.reserveEnqueueBulk(2),
  ({ ring }) => ring.commitEnqueue(),
  ({ pool }) => pool.put(pool.get()),
  ({ pool }) => pool.getBulk(burst),
  ({ pool }) => pool.putBulk(burst),
  ({ pool }) => pool.view(3).fill(1),
  ({ pool }) => pool.give(pool.take(2) < 0 ? 0 : 2),
  ({ pool }) => pool.stats(),
  ({ tracked }) => tracked.put(tracked.get()),
  ({ tracked }) => tracked.reclaimTaken(),
  ({ packets }) => packets.free(packets.allocate()),
  ({ heap }) => heap.free(heap.allocate(64)),
  ({ heap }) => heap.check(),
  ({ pair, part, remotePart }) => pair.post({ operation: 'write', memory: part, remote: remotePart }),
  ({ pair, part }) => pair.postReceive({ memory: part }),
  ({ pair, part }) => pair.post({ operation: 'send', memory: part }),
  ({ pair, window, part }) => pair.post({ operation: 'bind', window, memory: part, access: ['remoteRead'] }),
  ({ datagrams, part, addressHandle }) =>
    datagrams.post({ operation: 'send', memory: part, to: { addressHandle, queuePair: 17, queueKey: 5 } }),
  ({ shared, part }) => shared.post({ memory: part }),
  ({ queue }) => queue.poll(),
  ({ queue, completions }) => queue.pollInto(completions),
  ({ completions }) => completions.at(0),
  ({ pair }) => pair.query(),
  ({ deviceMemory }) => deviceMemory.write(0, new Uint8Array(8)),
  ({ device }) => device.ports,
  ({ memory, domain, slice }) => memory.registerSync(slice, domain, ['localWrite']).close(),
  ({ memory }) => memory.stats(),
]

function use(objects) {
  for (const one of uses) attempt(() => one(objects))
}

function end(objects) {
  for (const name of ['ring', 'pool', 'tracked', 'packets', 'heap']) attempt(() => objects[name].close({ force: true }))
  attempt(() => objects.hold.release())
  attempt(() => objects.device.close({ force: true }))
  attempt(() => objects.memory.close())
}

const answers = [undefined, -1, 2 ** 40, {}, () => undefined, new Uint32Array(1), 'a']
const notOurs = new Set([Object.prototype, Function.prototype, Array.prototype, Set.prototype, Map.prototype])

/** True for an object whose properties must be walked, too. */
function isOurs(value) {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer)
}

/** All properties to change: first those of a public object, then those of the objects that it leads to. */
function places(objects) {
  const all = []
  const seen = new Set()
  const walk = (name, pathTo, depth) => {
    const value = attempt(() => pathTo(objects))
    if (!isOurs(value) || seen.has(value) || depth > 2) return
    seen.add(value)
    for (let holder = value, level = 0; holder !== null && !notOurs.has(holder); level++) {
      for (const key of Reflect.ownKeys(holder)) {
        if (key === 'constructor') continue
        const holderOf = (from) => {
          let found = pathTo(from)
          for (let up = 0; up < level; up++) found = Object.getPrototypeOf(found)
          return found
        }
        // A property of a class is changed once, whichever object leads to it.
        if (level === 0 || !seen.has(holder))
          all.push({ name: `${name}.${String(key)} (${level})`, holderOf, pathTo, key })
        if (level === 0) walk(`${name}.${String(key)}`, (from) => pathTo(from)[key], depth + 1)
      }
      if (level > 0) seen.add(holder)
      holder = Object.getPrototypeOf(holder)
    }
  }
  for (const name of Object.keys(objects)) walk(name, (from) => from[name], 0)
  return all
}

function reach({ holderOf, pathTo, key }) {
  let objects = made()
  for (const answer of answers) {
    const holder = attempt(() => holderOf(objects))
    const before = holder === undefined ? undefined : Reflect.getOwnPropertyDescriptor(holder, key)
    if (before === undefined) continue
    const isChanged =
      attempt(() => Reflect.defineProperty(holder, key, { value: answer, configurable: true, writable: true })) === true
    if (!isChanged) {
      attempt(() => Reflect.set(holder, key, answer))
      if ('value' in before) attempt(() => Object.assign(holder, { [key]: answer }))
    }
    use(objects)
    if (isChanged) Reflect.defineProperty(holder, key, before)
    else if (before.writable === true) attempt(() => Reflect.set(holder, key, before.value))
  }
  const called = attempt(() => pathTo(objects)[key])
  if (typeof called === 'function') {
    for (const given of [[], [0], [-1, {}], [2 ** 40, 2 ** 40], ['a', 'b'], [{}, {}, {}], [new Uint32Array(1), 9, 9]]) {
      attempt(() =>
        Promise.resolve(
          Reflect.apply(
            called,
            attempt(() => pathTo(objects)),
            given,
          ),
        ).catch(() => {}),
      )
    }
    use(objects)
  }
  end(objects)
  objects = made()
  use(objects)
  end(objects)
}

const sample = made()
const all = places(sample)
end(sample)
isLiving = true
for (let at = Number(process.argv[2] ?? 0); at < all.length; at++) {
  writeSync(1, `${at} ${all[at].name}\n`)
  reach(all[at])
  // Lets finalizers and promises run.
  if (at % 16 === 0) await new Promise(setImmediate)
}
writeSync(1, 'done\n')
process.exit(0)
