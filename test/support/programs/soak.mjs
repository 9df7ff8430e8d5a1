// Works at random for a while, with regions, registrations, queue pairs, windows, heaps, packets, rings and workers of
// which half are killed. Prints what the process holds, sampled meanwhile and when all is closed, as JSON.
// Arguments: seconds after a start of up to half a minute, seed. Needs --expose-gc.
import { readdirSync, readFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import {
  createHeap,
  createPackets,
  createRing,
  openDevice,
  openRegistrySync,
  parseRemoteMemory,
} from '../../../dist/index.js'
import { native } from '../../../dist/native.js'
import { randomNumbers } from '../random.mjs'

const [seconds, seed] = process.argv.slice(2).map(Number)
const random = randomNumbers(seed)
const memory = openRegistrySync({ leaks: 'off' })
const device = openDevice('loopback0')
const domain = device.createDomain()
const queue = device.createCompletionQueue({ entries: 2 ** 16 })
const mostOpen = 100
let steps = 0
let made = 0

const regions = []
const registrations = []
const pairs = []
const windows = []
const holds = []
const workers = new Set()

const some = (list) => list[random(list.length)]
const takeSome = (list) => list.splice(random(list.length), 1)[0]

const allocation = () => ({
  size: 4096 * (1 + random(64)),
  pages: some(['base', 'base', 'transparent']),
  backing: some(['memfd', 'anonymous']),
})

const acts = {
  allocateSync: () => regions.push(memory.allocateSync(`r${made++}`, allocation())),
  async allocate() {
    const several = Array.from({ length: 1 + random(4) }, () => memory.allocate(`r${made++}`, allocation()))
    regions.push(...(await Promise.all(several)))
  },
  async abort() {
    const stop = new AbortController()
    const wanted = memory.allocate(`r${made++}`, { ...allocation(), signal: stop.signal })
    if (random(2) === 0) await undefined
    stop.abort('enough')
    const [{ status, value }] = await Promise.allSettled([wanted])
    if (status === 'fulfilled') value.close()
  },
  async close() {
    if (regions.length === 0) return
    const region = takeSome(regions)
    try {
      if (random(2) === 0) region.close()
      else await region[Symbol.asyncDispose]()
    } catch (error) {
      if (error.code !== 'ERR_REGION_HELD') throw error
      regions.push(region)
    }
  },
  hold: () => regions.length > 0 && holds.push(some(regions).hold('the soak')),
  release: () => takeSome(holds)?.release(),
  async translate() {
    if (regions.length === 0) return
    const translation = await some(regions).translateAsync()
    if (translation.states.hidden === 0 && translation.states.absent === 0) translation.runs()
  },
  inspect: () => regions.length > 0 && some(regions).inspect(),
  register() {
    if (regions.length === 0) return
    registrations.push(memory.registerSync(some(regions), domain, ['localWrite', 'remoteWrite', 'remoteRead']))
  },
  unregister: () => takeSome(registrations)?.close(),
  connect() {
    const [one, other] = [0, 1].map(() => domain.createQueuePair({ sendQueue: queue }))
    const access = ['remoteWrite', 'remoteRead']
    one.connect(other.describe(), { access })
    other.connect(one.describe(), { access })
    pairs.push([one, other])
  },
  write() {
    if (pairs.length === 0 || registrations.length === 0) return
    const [one] = some(pairs)
    const [from, to] = [some(registrations), some(registrations)]
    const length = 64
    one.sends.write(from.slice(0, length), parseRemoteMemory(to.describe()).slice(0, length))
    one.sends.post()
    for (let done = 0; done < 1; ) done += queue.poll(16).length
  },
  disconnect() {
    for (const pair of takeSome(pairs) ?? []) pair.close()
  },
  window: () => windows.push(domain.allocateWindow({ type: 2 })),
  closeWindow: () => takeSome(windows)?.close(),
  heap() {
    const region = memory.allocateSync(`r${made++}`, { size: '64KiB', pages: 'base' })
    const heap = createHeap(region)
    const blocks = Array.from({ length: 20 }, () => heap.allocate(1 + random(2000)))
    for (const block of blocks) heap.free(block)
    heap.close()
    region.close()
  },
  packets() {
    const region = memory.allocateSync(`r${made++}`, { size: '512KiB', pages: 'base' })
    const packets = createPackets(region, { bufferSize: 512, count: 100 })
    const burst = new Uint32Array(80)
    packets.freeBulk(burst, packets.allocateBulk(burst))
    packets.close()
    region.close()
  },
  async worker() {
    if (workers.size > 2) return
    const region = memory.allocateSync(`r${made++}`, { size: '64KiB', pages: 'base' })
    const ring = createRing(region, { count: 256 })
    const worker = new Worker(new URL('./soak-worker.mjs', import.meta.url), { workerData: { handle: region.handle } })
    workers.add(worker)
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    await new Promise((resolve) => worker.once('message', resolve))
    for (let value = 0; value < 100; value++) ring.enqueue(value)
    if (random(2) === 0) worker.postMessage('end')
    else void worker.terminate()
    await ended
    workers.delete(worker)
    ring.close()
    region.close()
  },
}

const limited = { allocateSync: regions, allocate: regions, register: registrations, connect: pairs, window: windows }
limited.hold = holds
const quick = Object.keys(acts).filter((name) => name !== 'worker')
/** A worker takes a thousand times as long as any other act. */
const chosen = () => (random(1000) === 0 ? 'worker' : some(quick))

function sample() {
  const { heapUsed, rss } = process.memoryUsage()
  return {
    seconds: process.uptime(),
    heap: heapUsed,
    rss,
    descriptors: readdirSync('/proc/self/fd').length,
    mappings: readFileSync('/proc/self/maps', 'latin1').split('\n').length - 1,
  }
}

async function collect() {
  for (let turn = 0; turn < 20 || (native.tableCounts().buffers > 0 && turn < 1000); turn++) {
    globalThis.gc()
    await new Promise(setImmediate)
  }
}

/** Closes what is above `most` of each kind, so that each sample is taken with as many objects open. */
function shrinkTo(most) {
  while (pairs.length > most) acts.disconnect()
  while (windows.length > most) acts.closeWindow()
  while (registrations.length > most) acts.unregister()
  while (holds.length > most) acts.release()
  if (most === 0) for (const region of regions.splice(0)) region.close()
}

async function workFor(milliseconds) {
  for (const end = performance.now() + milliseconds; performance.now() < end; steps++) {
    const name = chosen()
    if (limited[name] !== undefined && limited[name].length >= mostOpen) continue
    await acts[name]()
    if (steps % 64 === 0) await new Promise(setImmediate)
  }
}

await workFor(Math.min(30, seconds / 4) * 1000) // until V8 has compiled what it will, and the heap has its size
shrinkTo(0)
await collect()
const before = sample()
const samples = []
const period = Math.max(1, seconds / 120)
for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
  await workFor(period * 1000)
  shrinkTo(50)
  globalThis.gc()
  samples.push(sample())
}
shrinkTo(0)
await Promise.all([...workers].map((worker) => worker.terminate()))
await collect()
const after = sample()
const stats = memory.stats()
console.log(
  JSON.stringify({ steps, made, before, after, samples, table: native.tableCounts(), regions: stats.regions }),
)
queue.close()
device.close({ force: true })
memory.close()
