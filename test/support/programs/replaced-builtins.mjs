import { writeSync } from 'node:fs'
import * as pinfold from '../../../dist/index.js'

// Makes, uses and closes every kind of object again and again, each time with another builtin function replaced. Prints
// the name of a function before it replaces it, so that the test knows which one never returned, and 'done' at the end.
// The argument is the index in the list at which the program begins.

const { defineProperty, getOwnPropertyDescriptor, getOwnPropertyNames, getOwnPropertySymbols, getPrototypeOf } = Object
const { apply } = Reflect
const turn = setImmediate
const exit = process.exit.bind(process)
const OwnPromise = Promise
const callListeners = () => {}
process.on('unhandledRejection', callListeners)
process.on('uncaughtException', callListeners)
process.on('warning', callListeners)

const iteratorOf = (iterable) => getPrototypeOf(iterable[Symbol.iterator]())
const holders = {
  Array,
  'Array.prototype': Array.prototype,
  ArrayIterator: iteratorOf([]),
  Iterator: getPrototypeOf(iteratorOf([])),
  'Map.prototype': Map.prototype,
  MapIterator: iteratorOf(new Map()),
  'Set.prototype': Set.prototype,
  SetIterator: iteratorOf(new Set()),
  'WeakMap.prototype': WeakMap.prototype,
  'WeakSet.prototype': WeakSet.prototype,
  'WeakRef.prototype': WeakRef.prototype,
  'FinalizationRegistry.prototype': FinalizationRegistry.prototype,
  Promise,
  'Promise.prototype': Promise.prototype,
  Generator: getPrototypeOf(getPrototypeOf((function* () {})())),
  TypedArray: getPrototypeOf(Uint8Array),
  'TypedArray.prototype': getPrototypeOf(Uint8Array.prototype),
  'ArrayBuffer.prototype': ArrayBuffer.prototype,
  'DataView.prototype': DataView.prototype,
  Atomics,
  Math,
  Number,
  'Number.prototype': Number.prototype,
  BigInt,
  'BigInt.prototype': BigInt.prototype,
  String,
  'String.prototype': String.prototype,
  'RegExp.prototype': RegExp.prototype,
  Object,
  'Object.prototype': Object.prototype,
  Reflect,
  JSON,
  Date,
  'Error.prototype': Error.prototype,
  Error,
  'Function.prototype': Function.prototype,
  'EventTarget.prototype': EventTarget.prototype,
  performance: getPrototypeOf(performance),
  global: globalThis,
}

/**
 * Functions that are not replaced. The process or this program needs some of them. Others end loops of the language or
 * of zod: every `for … of` calls `next` until it is done, and a `replace` of all matches calls `exec` until there is
 * none.
 */
const spared = {
  ArrayIterator: ['next'],
  MapIterator: ['next'],
  SetIterator: ['next'],
  Generator: ['next'],
  'RegExp.prototype': ['exec'],
  // The registry freezes the result of fromEntries. If that were Object itself, this program could not restore
  // anything.
  Object: ['getPrototypeOf', 'fromEntries'],
  'Object.prototype': ['constructor', '__proto__'],
  global: ['global', 'globalThis', 'process', 'undefined', 'NaN', 'Infinity', 'eval', 'queueMicrotask', 'setImmediate'],
}

const targets = []
for (const name of Object.keys(holders)) {
  for (const key of [...getOwnPropertyNames(holders[name]), ...getOwnPropertySymbols(holders[name])]) {
    const descriptor = getOwnPropertyDescriptor(holders[name], key)
    const isFunction = typeof descriptor.value === 'function' || typeof descriptor.get === 'function'
    if (!descriptor.configurable || !isFunction || spared[name]?.includes(key)) continue
    if (name === 'global' && !/^[A-Z]/.test(String(key))) continue
    targets.push({ name: `${name}.${String(key)}`, holder: holders[name], key, descriptor })
  }
}

const answers = [
  () => undefined,
  () => 0,
  () => -1,
  () => true,
  () => 2 ** 40,
  () => ({}),
  function () {
    return this
  },
  thrower,
]

function thrower() {
  throw new Error('hostile')
}

function immediate() {
  return new OwnPromise((resolve) => apply(turn, undefined, [resolve]))
}

function attempt(call) {
  try {
    return call()
  } catch {
    return undefined // everything may throw
  }
}

function live() {
  const made = []
  const make = (call) => {
    const one = attempt(call)
    if (one !== undefined && one !== null) made[made.length] = one
    return one
  }
  const memory = make(() => pinfold.openRegistrySync({ budget: '64MiB', leaks: 'off' }))
  const allocate = (name) => make(() => memory.allocateSync(name, { size: 65536, pages: 'base' }))
  const region = allocate('one')
  const other = allocate('two')
  attempt(() => region.view(0, 64).fill(1))
  attempt(() => region.slice(0, 64).view())
  attempt(() => region.translate().runs())
  const hold = attempt(() => region.hold('life'))
  attempt(() => pinfold.attachRegion(region.handle).close())

  const ring = make(() => pinfold.createRing(region, { count: 64, patience: 1 }))
  const burst = new Uint32Array(8)
  attempt(() => ring.enqueue(1))
  attempt(() => ring.enqueueBulk(burst))
  attempt(() => ring.dequeueBurst(burst))
  attempt(() => ring.reserveEnqueueBulk(2))
  attempt(() => ring.commitEnqueue())
  attempt(() => ring.dequeue())
  attempt(() => ring.close())

  const pool = make(() =>
    pinfold.createBufferPool(other, { elementSize: 64, count: 100, cache: 8, tracking: 'all', patience: 1 }),
  )
  const index = attempt(() => pool.get())
  attempt(() => pool.put(index))
  attempt(() => pool.getBulk(burst))
  attempt(() => pool.putBulk(burst))
  attempt(() => pool.reclaimTaken())
  attempt(() => pool.stats())
  attempt(() => pool.close())

  const packets = make(() => pinfold.createPackets(other, { bufferSize: 256, count: 16 }))
  const packet = attempt(() => packets.allocate())
  attempt(() => packets.append(packet, 8))
  attempt(() => packets.free(packet))
  attempt(() => packets.close())

  const heap = make(() => pinfold.createHeap(region, { blocks: 16 }))
  const block = attempt(() => heap.allocate(64))
  attempt(() => heap.check())
  attempt(() => heap.free(block))
  attempt(() => heap.close({ force: true }))

  const device = make(() => pinfold.openDevice({ loopback: true }))
  const domain = make(() => device.createDomain())
  const queue = make(() => device.createCompletionQueue({ entries: 8 }))
  const pair = make(() => domain.createQueuePair({ sendQueue: queue }))
  const second = make(() => domain.createQueuePair({ sendQueue: queue }))
  attempt(() => pair.connect(second.describe(), { access: ['remoteWrite'] }))
  attempt(() => second.connect(pair.describe(), { access: ['remoteWrite'] }))
  const registration = make(() => memory.registerSync(region, domain, ['localWrite', 'remoteWrite', 'bindWindow']))
  const remote = attempt(() => pinfold.parseRemoteMemory(registration.describe()))
  attempt(() => pair.post({ operation: 'write', memory: registration.slice(0, 8), remote: remote.slice(64, 8) }))
  attempt(() => second.postReceive({ memory: registration.slice(0, 8) }))
  attempt(() => pair.post({ operation: 'send', memory: registration.slice(0, 8) }))
  attempt(() => queue.poll())
  const slices = [registration?.slice(0, 8), remote?.slice(64, 8)]
  attempt(() => pair.request({ operation: 'write', memory: slices[0], remote: slices[1] }).catch(callListeners))
  attempt(() => second.receive({ memory: slices[0] }, { stallAfter: 1 }).catch(callListeners))
  const batch = attempt(() => pair.createBatch({ capacity: 8, coalesce: true }))
  attempt(() => batch.writeSeries(registration, remote, { count: 4, step: 8 }))
  attempt(() => batch.start().finished.catch(callListeners))
  attempt(() => domain.allocateWindow().close())
  attempt(() => domain.createAddressHandle({ gid: device.bestGid(1).gid }).close())
  attempt(() => pinfold.numaNodes())
  attempt(() => pinfold.readPools())
  attempt(() => pinfold.formatSize(4096))
  attempt(() => pinfold.listDevices())

  attempt(() => hold.release())
  for (let at = made.length - 1; at >= 0; at--) {
    attempt(() => made[at].close({ force: true }))
    attempt(() => made[at].close())
  }
}

async function liveInTurns() {
  const memory = pinfold.openRegistrySync({ leaks: 'off' })
  try {
    const region = await memory.allocate('one', { size: 65536, pages: 'base' })
    const pool = pinfold.createBufferPool(region, { elementSize: 64, count: 1, cache: 2 })
    const index = await pool.wait()
    const waiting = pool.wait({ signal: AbortSignal.timeout(1) })
    pool.put(index)
    pool.put(await waiting)
    pool.close()
    const device = pinfold.openDevice({ loopback: true })
    const queue = device.createCompletionQueue({ entries: 8 })
    queue.wait().catch(() => {})
    const stream = queue.completions({ spin: 1, signal: AbortSignal.timeout(1) })
    stream.next().catch(callListeners)
    device.close({ force: true })
    const hold = region.hold('life')
    const closing = memory.closeWhenReleased()
    hold.release()
    await closing
  } finally {
    attempt(() => memory.close())
  }
}

async function replacedBy(answer, { holder, key, descriptor }) {
  const hostile = { configurable: true, enumerable: descriptor.enumerable ?? false }
  if ('value' in descriptor) {
    hostile.value = answer
    hostile.writable = true
  } else {
    hostile.get = answer
    hostile.set = descriptor.set
  }
  defineProperty(holder, key, hostile)
  attempt(live)
  attempt(() => liveInTurns().catch(callListeners))
  // Node's own loop over immediates does not end while its callbacks throw.
  if (answer !== thrower) for (let turns = 0; turns < 4; turns++) await immediate()
  defineProperty(holder, key, descriptor)
  await immediate()
}

live()
await liveInTurns()
for (let at = Number(process.argv[2] ?? 0); at < targets.length; at++) {
  writeSync(1, `${at} ${targets[at].name}\n`)
  for (let which = 0; which < answers.length; which++) await replacedBy(answers[which], targets[at])
}
writeSync(1, 'done\n')
exit(0)
