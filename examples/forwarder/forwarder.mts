// An IPv4 forwarder on two threads. One worker is the network port: it receives packets (here it generates them), and
// sends those that come back. The other worker is the router: it finds the route of each packet, and rewrites its
// header. The packets stay where they are. The workers hand over their numbers, in bursts, through two rings.
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { attachLayout, attachRegion, layoutBytes, openRegistry, type RegionHandle } from 'pinfold'
import { checksum, destination, frameBytes, frameTo, headerSum, timeToLive } from './frame.mts'

const ring = { kind: 'ring', count: 2048, producers: 'one', consumers: 'one' } as const
const parts = { packets: { count: 8192 }, received: ring, transmit: ring } as const
const burstSize = 32
// A ring holds any 32-bit value, and no packet has these numbers.
const [ready, end] = [0xfffffffe, 0xffffffff]

/** Sleeps for 50 µs. On processors of its own, a thread would ask its ring again instead. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.05)
}

interface Job {
  readonly role: 'port' | 'router'
  readonly handle: RegionHandle
  /** How many packets the port receives. */
  readonly wanted: number
  /** How many of them come in a second. Infinity: as many as the receive ring has room for, so that none is lost. */
  readonly rate: number
}
type Counts = Record<string, number>

function open(handle: RegionHandle) {
  const region = attachRegion(handle)
  const { buffer, byteOffset, length } = region.bytes
  // The packets are the first part, so that their offsets are offsets in the region.
  return { ...attachLayout(region, parts), bytes: region.bytes, frames: new DataView(buffer, byteOffset, length) }
}

function runPort({ handle, wanted, rate }: Job): Counts {
  const { packets, received, transmit, bytes, frames } = open(handle)
  const counts = { received: 0, sent: 0, 'lost, receive ring full': 0 }
  // Of 16 packets, 14 have a route, one is at the end of its life, and one goes to a network that has no route.
  const samples = Array.from({ length: 16 }, (_, host) => frameTo(0xc6336400 + host, host === 5 ? 1 : 64))
  samples[11] = frameTo(0xcb007101, 64)
  const burst = packets.burst(burstSize) // rings and packets use such an array without copying it
  let hasEnded = false

  function receive(count: number): void {
    if (packets.allocateBulk(burst, count, 0) === 0) throw new Error('there are fewer packets than places in the rings')
    for (let i = 0; i < count; i++) bytes.set(samples[i % 16] ?? [], packets.append(burst[i] ?? 0, frameBytes))
    const queued = received.enqueueBurst(burst, count, 0)
    packets.freeBulk(burst, count - queued, queued)
    counts.received += queued
    counts['lost, receive ring full'] += count - queued
  }

  /** Returns how many values it has taken from the router. */
  function send(): number {
    const taken = transmit.dequeueBurst(burst, burstSize, 0)
    hasEnded = taken > 0 && burst[taken - 1] === end
    const count = hasEnded ? taken - 1 : taken
    for (const index of burst.subarray(0, count)) {
      if (headerSum(frames, packets.offset(index)) !== 0xffff) throw new Error(`packet ${index} is damaged`)
    }
    packets.freeBulk(burst, count, 0)
    counts.sent += count
    return taken
  }

  while (transmit.dequeue() !== ready) pause()
  const begun = performance.now()
  for (let come = 0; come < wanted; come += burstSize) {
    while (rate === Infinity ? received.free < burstSize : performance.now() < begun + (come / rate) * 1000) {
      if (send() === 0) pause()
    }
    receive(Math.min(wanted - come, burstSize))
    send()
  }
  while (!received.enqueue(end)) send()
  while (!hasEnded) if (send() === 0) pause()
  return { ...counts, seconds: (performance.now() - begun) / 1000 }
}

function runRouter({ handle }: Job): Counts {
  const { packets, received, transmit, bytes, frames } = open(handle)
  const counts = { 'freed, end of life': 0, 'freed, no route': 0, 'lost, transmit ring full': 0 }
  const nextHops = new Map([[0xc63364, Uint8Array.of(2, 0, 0, 0, 0, 1)]]) // by network: 198.51.100.0/24
  const burst = packets.burst(burstSize)

  /** Frees a packet, or returns true when its header is rewritten. */
  function route(index: number): boolean {
    const at = packets.offset(index)
    const nextHop = nextHops.get(frames.getUint32(at + destination) >>> 8)
    const lifetime = frames.getUint8(at + timeToLive) - 1
    if (nextHop === undefined || lifetime < 1) {
      counts[nextHop === undefined ? 'freed, no route' : 'freed, end of life'] += 1
      packets.free(index)
      return false
    }
    bytes.set(nextHop, at)
    frames.setUint8(at + timeToLive, lifetime)
    const sum = frames.getUint16(at + checksum) + 0x0100 // for a lifetime of one less (RFC 1141)
    frames.setUint16(at + checksum, sum >= 0xffff ? sum + 1 : sum)
    return true
  }

  transmit.enqueue(ready)
  for (let isLast = false; !isLast; ) {
    const taken = received.dequeueBurst(burst, burstSize, 0)
    isLast = taken > 0 && burst[taken - 1] === end
    if (taken === 0) pause()
    let kept = 0
    for (const index of burst.subarray(0, isLast ? taken - 1 : taken)) if (route(index)) burst[kept++] = index
    const passed = transmit.enqueueBurst(burst, kept, 0)
    packets.freeBulk(burst, kept - passed, passed)
    counts['lost, transmit ring full'] += kept - passed
  }
  while (!transmit.enqueue(end)) pause()
  return counts
}

async function main(packets = '2000000', packetsInASecond = 'Infinity'): Promise<void> {
  const [wanted, rate] = [Number(packets), Number(packetsInASecond)]
  if (!Number.isSafeInteger(wanted) || wanted < 1) throw new Error(`packets: expected 1 or more, received '${packets}'`)
  if (!(rate > 0)) throw new Error(`packets in a second: expected a number above 0, received '${packetsInASecond}'`)
  using memory = await openRegistry()
  const region = await memory.allocate('packets', { size: layoutBytes(parts) })
  using all = memory.layout(region, parts)
  const start = (role: Job['role']) =>
    new Worker(new URL(import.meta.url), { workerData: { role, handle: region.handle, wanted, rate } })
  const workers = [start('port'), start('router')]
  try {
    // If a worker fails, `once` rejects. The other worker would then wait for ever, so it is terminated.
    const counts: Counts[] = (await Promise.all(workers.map((worker) => once(worker, 'message')))).flat()
    const { seconds = 0, ...table }: Counts = Object.assign({}, ...counts)
    for (const [what, count] of Object.entries(table)) console.log(`${what}: ${count.toLocaleString('en')}`)
    console.log(`${((table.sent ?? 0) / seconds / 1e6).toFixed(2)} million packets were forwarded in a second`)
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  console.log(`${all.packets.available} of ${all.packets.capacity} packets are free again`)
}

if (isMainThread) await main(...process.argv.slice(2))
else parentPort?.postMessage((workerData.role === 'port' ? runPort : runRouter)(workerData))
