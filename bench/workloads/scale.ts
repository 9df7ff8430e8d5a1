import { freemem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { ProtectionDomain, Translation } from '../../src/index.js'
import { formatSize, GiB, MiB } from '../../src/sizes.js'
import { type Contender, distribution, interleave, secondsSince } from '../measure.js'
import { pinfold } from '../package.js'
import { bytesAtMost, ratioAtMost } from '../row.js'
import type { Report, Suite } from '../suite.js'

const microseconds = 1e6
const milliseconds = 1e3

/** Each row measures the same work among few objects and among many, so that no cost grows without being seen. */
export const suite: Suite = {
  about:
    'how costs grow: the same work among few and among many regions, registrations, queue pairs, packets and blocks',
  hugepages: 0,
  oneProcessor: ['registry', 'rdma', 'packets', 'memory', 'heap'], // the work beside the event loop takes others
  parts: ['registry', 'rdma', 'packets', 'memory', 'heap', 'event loop'],
  async run(report, part) {
    for (const [name, measure] of Object.entries(partsOf[part] ?? {})) {
      await report.section(name, () => measure(report, name))
    }
  },
}

type Measure = (report: Report, name: string) => Promise<void>

/** Bytes of the region whose close and translation are measured. */
const closedAtOnce = freemem() > 8 * GiB ? 4 * GiB : GiB

const partsOf: Readonly<Record<string, Readonly<Record<string, Measure>>>> = {
  registry: {
    'closeWhenReleased, regions released one by one, for each of 10,000': (report, name) =>
      growth(report, name, { few: 1000, many: 10_000, cost: releasedOneByOne, most: 2 }),
    'release of a hold while a registry waits to close, with 30,000 registrations': (report, name) =>
      growth(report, name, { few: 30, many: 30_000, cost: releaseBeside, most: 2 }),
    'registrations(region) of one, with 100,000 of another region': (report, name) =>
      growth(report, name, { few: 100, many: 100_000, cost: registrationsBeside, most: 2 }),
    'inspect of a region beside 10,000': (report, name) =>
      growth(report, name, { few: 10, many: 10_000, cost: inspectedBeside, most: 2 }),
    'text of a registry with 3,000 regions': (report, name) =>
      growth(report, name, { few: 100, many: 3000, cost: textOf, most: 3 }),
    'message of a refused close with 100,000 registrations': refusedClose,
  },
  rdma: {
    'forced close of a domain, for each of 10,000 queue pairs and 100,000 windows': (report, name) =>
      growth(report, name, { few: 1000, many: 10_000, cost: forcedClose, most: 2 }),
    'close of a queue pair beside 100,000 windows': (report, name) =>
      growth(report, name, { few: 100, many: 100_000, cost: closeBeside, most: 2 }),
  },
  packets: {
    'chain of 60,000 segments, for each': (report, name) =>
      growth(report, name, { few: 1000, many: 60_000, cost: chained, most: 2 }),
    'freeBulk of 4,096 packets, for each': (report, name) =>
      growth(report, name, { few: 256, many: 4096, cost: freedInBulk, most: 2.5 }),
  },
  memory: {
    'transparent pages on a memfd, 1 GiB': transparentPages,
    'allocate and close beside 28,000 regions': (report, name) =>
      growth(report, name, { few: 10, many: 28_000, cost: allocatedBeside, most: 4 }),
  },
  heap: {
    'longest allocate while a heap grows to 1,000,000 blocks': (report, name) =>
      growth(report, name, { few: 10_000, many: 1_000_000, cost: longestAllocate, most: 5 }),
  },
  'event loop': {
    'longest gap of the event loop: 1,000 allocations of 4 KiB at a time': (report, name) =>
      gap(report, name, () => allocatedTogether('4KiB')),
    'longest gap of the event loop: 1,000 allocations of 1 MiB at a time': (report, name) =>
      gap(report, name, () => allocatedTogether('1MiB')),
    [`longest gap of the event loop: closeAsync of ${formatSize(closedAtOnce)} of base pages`]: (report, name) =>
      gap(report, name, closedBeside),
    [`longest gap of the event loop: addresses of ${formatSize(closedAtOnce)} of base pages, and their check`]: (
      report,
      name,
    ) => gap(report, name, () => translatedBeside((translation) => translation.verifyAsync())),
    [`longest gap of the event loop: runs of ${formatSize(closedAtOnce)} of base pages`]: (report, name) =>
      gap(report, name, () => translatedBeside((translation) => translation.runsAsync())),
  },
}

interface Growth {
  readonly few: number
  readonly many: number
  /** Seconds for one object, among `count`. */
  readonly cost: (count: number) => number | Promise<number>
  /** The ratio that is still no growth: caches hold less of many objects. */
  readonly most: number
}

async function growth(report: Report, name: string, { few, many, cost, most }: Growth): Promise<void> {
  const contenders: Record<'few' | 'many', Contender> = { few: () => cost(few), many: () => cost(many) }
  const taken = await interleave(contenders, { samples: 5, warmUp: 1, rounds: 1 })
  report.add({
    name,
    unit: 'µs',
    scale: microseconds,
    value: taken.of('many'),
    peer: { name: `with ${few}`, value: taken.of('few'), ratio: taken.ratio('many', 'few') },
    target: ratioAtMost(most),
  })
}

const small = { size: '4KiB', pages: 'base', backing: 'anonymous' } as const

function registryOf(count: number) {
  const memory = pinfold.openRegistrySync({ leaks: 'off' })
  const regions = Array.from({ length: count }, (_, index) => memory.allocateSync(`region-${index}`, small))
  return { memory, regions }
}

async function releasedOneByOne(count: number): Promise<number> {
  const { memory, regions } = registryOf(count)
  const holds = regions.map((region) => region.hold('a transfer'))
  const start = process.hrtime.bigint()
  const closed = memory.closeWhenReleased()
  for (const hold of holds) {
    hold.release()
    await undefined
  }
  await closed
  return secondsSince(start) / count
}

function domainOf(): { readonly domain: ProtectionDomain; [Symbol.dispose](): void } {
  const device = pinfold.openDevice('loopback0')
  const domain = device.createDomain()
  return { domain, [Symbol.dispose]: () => device.close({ force: true }) }
}

/** A registry whose region 'many' is registered `count` times. */
function registered(domain: ProtectionDomain, count: number) {
  const memory = pinfold.openRegistrySync({ leaks: 'off', regions: { many: small, one: small } })
  for (let made = 0; made < count; made++) memory.registerSync(memory.regions.many, domain, [])
  return memory
}

async function releaseBeside(count: number): Promise<number> {
  using device = domainOf()
  const memory = registered(device.domain, count)
  const holds = Array.from({ length: 1000 }, () => memory.regions.one.hold('a transfer'))
  const closed = memory.closeWhenReleased()
  const start = process.hrtime.bigint()
  for (const hold of holds) hold.release()
  const seconds = secondsSince(start) / holds.length
  await closed
  return seconds
}

function registrationsBeside(count: number): number {
  using device = domainOf()
  using memory = registered(device.domain, count)
  memory.registerSync(memory.regions.one, device.domain, [])
  const rounds = 1000
  const start = process.hrtime.bigint()
  for (let round = 0; round < rounds; round++) memory.registrations(memory.regions.one)
  return secondsSince(start) / rounds
}

function textOf(count: number): number {
  const { memory } = registryOf(count)
  const rounds = 5
  const start = process.hrtime.bigint()
  for (let round = 0; round < rounds; round++) inspect(memory)
  const seconds = secondsSince(start) / rounds
  memory.close()
  return seconds
}

async function refusedClose(report: Report, name: string): Promise<void> {
  using device = domainOf()
  using memory = registered(device.domain, 100_000)
  const lengths = [memory.regions.many, device.domain].map((held) => {
    try {
      held.close()
    } catch (error) {
      return error instanceof Error ? error.message.length : Number.NaN
    }
    return Number.NaN
  })
  report.add({ name, unit: 'B', scale: 1, value: distribution(lengths), target: bytesAtMost(1000) })
}

function forcedClose(count: number): number {
  using device = domainOf()
  const { domain } = device
  const queue = domain.device.createCompletionQueue({ entries: 2 ** 20 })
  for (let made = 0; made < 10 * count; made++) domain.allocateWindow({ type: 2 })
  for (let made = 0; made < count; made++) domain.createQueuePair({ type: 'RC', sendQueue: queue, receiveQueue: queue })
  const start = process.hrtime.bigint()
  domain.close({ force: true })
  return secondsSince(start) / count
}

function closeBeside(count: number): number {
  using device = domainOf()
  const { domain } = device
  const queue = domain.device.createCompletionQueue({ entries: 2 ** 20 })
  for (let made = 0; made < count; made++) domain.allocateWindow({ type: 2 })
  const pairs = Array.from({ length: 500 }, () =>
    domain.createQueuePair({ type: 'RC', sendQueue: queue, receiveQueue: queue }),
  )
  const start = process.hrtime.bigint()
  for (const pair of pairs) pair.close()
  return secondsSince(start) / pairs.length
}

function packetsOf(count: number) {
  const options = { count, bufferSize: 256, headroom: 0 }
  const memory = pinfold.openRegistrySync({ leaks: 'off' })
  const region = memory.allocateSync('packets', { size: pinfold.packetsBytes(options), pages: 'base' })
  return { memory, packets: pinfold.createPackets(region, options) }
}

function chained(count: number): number {
  const { memory, packets } = packetsOf(count)
  const all = Array.from({ length: count }, () => packets.allocate())
  const [head = 0, ...rest] = all
  const start = process.hrtime.bigint()
  for (const one of rest) packets.chain(head, one)
  const seconds = secondsSince(start) / count
  memory.close()
  return seconds
}

function freedInBulk(count: number): number {
  const { memory, packets } = packetsOf(8192)
  const burst = packets.burst(count)
  const rounds = 64
  let seconds = 0
  for (let round = 0; round < rounds; round++) {
    packets.allocateBulk(burst)
    const start = process.hrtime.bigint()
    packets.freeBulk(burst)
    seconds += secondsSince(start)
  }
  memory.close()
  return seconds / (rounds * count)
}

/** The kernel gives small pages to a file in memory at a fault; `collapse` makes them huge. */
async function transparentPages(report: Report, name: string): Promise<void> {
  const allocated = (backing: 'memfd' | 'anonymous') => () => {
    using memory = pinfold.openRegistrySync()
    const start = process.hrtime.bigint()
    memory.allocateSync('large', { size: GiB, pages: 'transparent', backing })
    return secondsSince(start)
  }
  const contenders = { memfd: allocated('memfd'), anonymous: allocated('anonymous') }
  const taken = await interleave(contenders, { samples: 7, warmUp: 2, rounds: 1 })
  report.add({
    name,
    unit: 'ms',
    scale: milliseconds,
    value: taken.of('memfd'),
    peer: { name: 'anonymous memory', value: taken.of('anonymous'), ratio: taken.ratio('memfd', 'anonymous') },
    target: ratioAtMost(2),
  })
}

function inspectedBeside(count: number): number {
  const { memory, regions } = registryOf(count)
  const region = regions[count >> 1]
  const rounds = 50
  const start = process.hrtime.bigint()
  for (let round = 0; round < rounds; round++) region?.inspect()
  const seconds = secondsSince(start) / rounds
  memory.close()
  return seconds
}

function allocatedBeside(count: number): number {
  const { memory } = registryOf(count)
  const rounds = 500
  const start = process.hrtime.bigint()
  for (let round = 0; round < rounds; round++) memory.allocateSync('more', small).close()
  const seconds = secondsSince(start) / rounds
  memory.close()
  return seconds
}

/** Of each allocation, the quickest of several runs counts, since the kernel may interrupt any call. */
function longestAllocate(count: number): number {
  using memory = pinfold.openRegistrySync()
  const region = memory.allocateSync('heap', { size: Math.ceil((count * 16) / MiB) * MiB, pages: 'base' })
  const quickest = new Float64Array(count).fill(Number.POSITIVE_INFINITY)
  for (let run = 0; run < 4; run++) {
    using heap = pinfold.createHeap(region)
    for (let made = 0; made < count; made++) {
      const start = performance.now()
      heap.allocate(16)
      quickest[made] = Math.min(quickest[made] ?? 0, performance.now() - start)
    }
  }
  return quickest.reduce((longest, time) => Math.max(longest, time), 0) / 1e3
}

/** The longest gap that work may make, in seconds. */
const allowedGap = 0.01

/** Prepares work, and returns the function that does it, and one that cleans up. */
type Preparation = () => Promise<{ readonly work: () => Promise<unknown>; readonly end?: () => Promise<void> }>

/** The longest gap of the event loop while work is done beside it, as a ratio to the allowed one. */
async function gap(report: Report, name: string, prepare: Preparation): Promise<void> {
  const contenders: Record<'work' | 'nothing', Contender> = {
    work: () => longestGap(prepare),
    // Gaps that other programs make, which are in the row, too.
    nothing: () => longestGap(async () => ({ work: () => wait(500) })),
  }
  const taken = await interleave(contenders, { samples: 7, warmUp: 2, rounds: 1 })
  const gaps = taken.of('work')
  const allowed = { median: allowedGap, low: allowedGap, high: allowedGap }
  const { median, low, high } = gaps
  const ratio = { median: median / allowedGap, low: low / allowedGap, high: high / allowedGap }
  report.add({
    name,
    unit: 'ms',
    scale: milliseconds,
    value: gaps,
    peer: { name: 'the gap that is allowed', value: allowed, ratio },
    target: ratioAtMost(1),
    note: `without any work, the longest gap of half a second was ${(taken.of('nothing').median * milliseconds).toFixed(1)} ms`,
  })
}

async function longestGap(prepare: Preparation): Promise<number> {
  const { work, end } = await prepare()
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  await wait(10)
  delays.reset()
  await work()
  await wait(10)
  delays.disable()
  await end?.()
  return delays.max / 1e9
}

async function allocatedTogether(size: string) {
  const memory = pinfold.openRegistrySync({ leaks: 'off' })
  const options = { size, pages: 'base' } as const
  return {
    work: () => Promise.all(Array.from({ length: 1000 }, (_, index) => memory.allocate(`region-${index}`, options))),
    end: () => memory.closeAsync(),
  }
}

async function closedBeside() {
  const memory = pinfold.openRegistrySync({ leaks: 'off' })
  const region = await memory.allocate('large', { size: closedAtOnce, pages: 'base' })
  region.view(0, 4096).fill(1)
  return { work: () => region.closeAsync(), end: () => memory.closeAsync() }
}

async function translatedBeside(then: (translation: Translation) => Promise<unknown>) {
  const memory = pinfold.openRegistrySync({ leaks: 'off' })
  const region = await memory.allocate('large', { size: closedAtOnce, pages: 'base' })
  return {
    work: async () => then(await region.translateAsync()),
    end: () => memory.closeAsync(),
  }
}
