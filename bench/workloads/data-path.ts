import { fileURLToPath } from 'node:url'
import { native } from '../../src/native.js'
import { MiB } from '../../src/sizes.js'
import { interleave, secondsSince, timed } from '../measure.js'
import { pinfold } from '../package.js'
import { Peer } from '../peer.js'
import { bytesAtMost, rateAtLeast, ratioAtMost, timeAtMost } from '../row.js'
import type { Report, Suite } from '../suite.js'

const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const inLab = fileURLToPath(new URL('../lab/data-path.mjs', import.meta.url))
const pyverbs = fileURLToPath(new URL('../peers/pyverbs_post.py', import.meta.url))
const nanoseconds = 1e9
const microseconds = 1e6
const burst = 32
const pieces = 10_000
const pieceBytes = 4096

// Each is measured in a process of its own: in one process, V8 compiles their shared code for all of them, which costs each
// request 10 to 15 ns more.
const bursts = {
  last: { name: 'the last one signaled', inC: 'last', most: 36 },
  series: { name: 'written as a series', inC: 'last', most: 24 },
  all: { name: 'all signaled', inC: 'all', most: 52 },
} as const
type BurstPart = keyof typeof bursts
const burstParts = Object.keys(bursts) as BurstPart[]
const isBurstPart = (part: string | undefined): part is BurstPart => part !== undefined && part in bursts

export const suite: Suite = {
  about: 'RDMA requests: bursts and single ones beside C, on a table of functions that do nothing; joined writes',
  hugepages: 64,
  oneProcessor: [...burstParts, 'single', 'joined', 'memory'],
  parts: [...burstParts, 'single', 'joined', 'memory', 'lab'],
  async run(report, part) {
    if (isBurstPart(part)) await report.section(`bursts of 32: ${bursts[part].name}`, () => measureBursts(report, part))
    if (part === 'single') await report.section('one request at a time', () => measureSingle(report))
    if (part === 'joined') await report.section('neighbouring writes', () => measureJoined(report))
    if (part === 'lab') await report.section('lab: writes beside perftest and pyverbs', () => measureInLab(report))
    if (part === 'memory') await report.section('heap', () => measureHeap(report))
  },
}

/** A device whose functions do nothing: the time is that of JavaScript, and of the way to native code. */
function idleDevice() {
  native.verbs.test.choose(true, false)
  try {
    return pinfold.openDevice('noop0')
  } finally {
    native.verbs.test.choose(false, false)
  }
}

/** A queue pair that is connected, and memory for 32 pieces of 64 bytes at both ends. */
function connected(device = idleDevice(), bytes = 2 * MiB) {
  const memory = pinfold.openRegistrySync({})
  const region = memory.allocateSync('ends', { size: 2 * bytes, pages: ['2MiB', 'base'] })
  const domain = device.createDomain()
  const completions = device.createCompletionQueue({ entries: 512 })
  const ours = domain.createQueuePair({ sendQueue: completions, sendRequests: 128 })
  const theirs = domain.createQueuePair({ sendQueue: completions })
  ours.connect(theirs.describe(), { port: 1 })
  theirs.connect(ours.describe(), { port: 1, access: ['remoteWrite'] })
  const source = memory.registerSync(region.slice(0, bytes), domain, [])
  const target = memory.registerSync(region.slice(bytes, bytes), domain, ['localWrite', 'remoteWrite'])
  const remote = pinfold.parseRemoteMemory(target.describe())
  const places = Array.from({ length: burst }, (_, index) => index * 64)
  const close = () => {
    memory.close()
    device.close({ force: true })
  }
  return {
    completions,
    ours,
    source,
    remote,
    froms: places.map((offset) => source.slice(offset, 64)),
    tos: places.map((offset) => remote.slice(offset, 64)),
    arrived: new pinfold.Completions(64),
    [Symbol.dispose]: close,
  }
}

/** Rounds that are whole bursts. */
const whole = (rounds: number) => Math.ceil(rounds / burst) * burst

async function measureBursts(report: Report, part: BurstPart): Promise<void> {
  using ends = connected()
  const { completions, ours, source, remote, froms, tos, arrived } = ends
  const { sends } = ours
  const [firstFrom, firstTo] = [froms[0], tos[0]]
  if (firstFrom === undefined || firstTo === undefined) throw new Error('no pieces')
  await using peer = await Peer.start('verbs_calls')
  // The three loops are written out: see measure.ts.
  const loops = {
    last: timed((rounds) => {
      let sum = 0
      for (let done = 0; done < rounds; done += burst) {
        for (let index = 0; index < burst; index++) {
          const isLast = index === burst - 1
          sends.write(froms[index] ?? firstFrom, tos[index] ?? firstTo, index, isLast ? pinfold.sendFlags.signaled : 0)
        }
        sends.post()
        sum += completions.pollInto(arrived)
      }
      return sum
    }),
    series: timed((rounds) => {
      let sum = 0
      for (let done = 0; done < rounds; done += burst) {
        sends.writeSeries(source, remote, { count: burst, step: 64 })
        sends.post()
        sum += completions.pollInto(arrived)
      }
      return sum
    }),
    all: timed((rounds) => {
      let sum = 0
      for (let done = 0; done < rounds; done += burst) {
        for (let index = 0; index < burst; index++) sends.write(froms[index] ?? firstFrom, tos[index] ?? firstTo, index)
        sends.post()
        sum += completions.pollInto(arrived)
      }
      return sum
    }),
  }
  const { name, inC, most } = bursts[part]
  const contenders = { ours: loops[part], inC: peer.contender(inC) }
  const taken = await interleave(contenders, { samples: 401, warmUp: 60, rounds: whole(10_000) })
  report.add({
    name: `a request of a burst of 32, filled, posted and polled: ${name}`,
    unit: 'ns',
    scale: nanoseconds,
    value: taken.of('ours'),
    peer: { name: 'the same in C', value: taken.of('inC'), ratio: taken.ratio('ours', 'inC') },
    target: timeAtMost(most, 'ns'),
  })
}

async function measureSingle(report: Report): Promise<void> {
  using ends = connected()
  const { completions, ours, froms, tos, arrived } = ends
  const { sends } = ours
  const [memory, remote] = [froms[0], tos[0]]
  if (memory === undefined || remote === undefined) throw new Error('no pieces')
  await using peer = await Peer.start('verbs_calls')
  const batch = timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      sends.write(memory, remote, round)
      sends.post()
      sum += completions.pollInto(arrived)
    }
    return sum
  })
  const object = timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      ours.post({ operation: 'write', memory, remote, id: round })
      sum += completions.pollInto(arrived)
    }
    return sum
  })
  const waited = async (rounds: number) => {
    let seconds = 0
    for (let round = 0; round < rounds; round++) {
      sends.write(memory, remote, round)
      sends.post()
      const start = process.hrtime.bigint()
      const [first] = await completions.wait()
      seconds += secondsSince(start)
      if (first?.ok !== true) throw new Error('no completion')
    }
    return seconds
  }
  const requested = async (rounds: number) => {
    const start = process.hrtime.bigint()
    for (let round = 0; round < rounds; round++) await ours.request({ operation: 'write', memory, remote })
    return secondsSince(start)
  }
  const taken = await interleave(
    { batch, object, waited, requested, inC: peer.contender('one') },
    { samples: 301, warmUp: 60, rounds: 1500 },
  )
  const figure = { unit: 'ns', scale: nanoseconds }
  for (const [name, row, most] of [
    ['by the batch', 'batch', 250],
    ['by post({ … })', 'object', 900],
    ['await wait() alone, with the completion there', 'waited', 600],
    ['by await request({ … })', 'requested', undefined],
  ] as const) {
    report.add({
      ...figure,
      name: `one request, posted and polled: ${name}`,
      value: taken.of(row),
      peer: { name: 'the same in C', value: taken.of('inC'), ratio: taken.ratio(row, 'inC') },
      ...(most === undefined ? {} : { target: timeAtMost(most, 'ns') }),
    })
  }
}

async function measureJoined(report: Report): Promise<void> {
  const bytes = pieces * pieceBytes
  const span = Math.ceil(bytes / MiB) * MiB
  using ends = connected(pinfold.openDevice({ loopback: true }), span)
  const { completions, ours, source, remote, arrived } = ends
  const joining = ours.createBatch({ coalesce: true })
  const froms = Array.from({ length: pieces }, (_, index) => source.slice(index * pieceBytes, pieceBytes))
  const tos = Array.from({ length: pieces }, (_, index) => remote.slice(index * pieceBytes, pieceBytes))
  const [whole, wholeRemote] = [source.slice(0, bytes), remote.slice(0, bytes)]
  const joined = timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      for (let index = 0; index < pieces; index++) {
        const flags = index === pieces - 1 ? pinfold.sendFlags.signaled : 0
        joining.write(froms[index] ?? whole, tos[index] ?? wholeRemote, index, flags)
      }
      joining.post()
      sum += completions.pollInto(arrived)
    }
    return sum
  })
  const large = timed((rounds) => {
    let sum = 0
    for (let round = 0; round < rounds; round++) {
      ours.sends.write(whole, wholeRemote)
      ours.sends.post()
      sum += completions.pollInto(arrived)
    }
    return sum
  })
  const taken = await interleave({ joined, large }, { samples: 101, warmUp: 10, rounds: 1 })
  report.add({
    name: `${pieces} neighbouring writes of 4 KiB on the loopback, joined`,
    unit: 'us',
    scale: microseconds,
    value: taken.of('joined'),
    peer: { name: 'one write of all bytes', value: taken.of('large'), ratio: taken.ratio('joined', 'large') },
    target: ratioAtMost(1.2),
    note: `${joining.coalesced} requests were joined`,
  })
}

/** Bytes that the heap has grown by while no garbage was collected: V8's counter of all allocations. */
async function measureHeap(report: Report): Promise<void> {
  using ends = connected()
  const { completions, ours, froms, tos, arrived } = ends
  const { sends } = ours
  const [memory, remote] = [froms[0], tos[0]]
  if (memory === undefined || remote === undefined) throw new Error('no pieces')
  let collections = 0
  const { PerformanceObserver } = await import('node:perf_hooks')
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length
  })
  observer.observe({ entryTypes: ['gc'] })
  const run = (requests: number) => {
    for (let done = 0; done < requests; done += burst) {
      for (let index = 0; index < burst; index++) sends.write(froms[index] ?? memory, tos[index] ?? remote, index)
      sends.post()
      completions.pollInto(arrived)
    }
  }
  const grown = (requests: number) => {
    const before = process.memoryUsage().heapUsed
    run(requests)
    return process.memoryUsage().heapUsed - before
  }
  grown(1_000_000)
  const own = grown(0)
  const values: number[] = []
  for (let sample = 0; sample < 5; sample++) {
    const bytes = grown(10_000_000) - own
    await new Promise((resolve) => setTimeout(resolve, 10)) // the observer is called in a turn of its own
    if (collections === 0) values.push(Math.max(0, bytes))
    collections = 0
  }
  observer.disconnect()
  if (values.length === 0) throw new Error('V8 collected garbage in each sample')
  const sorted = values.sort((one, other) => one - other)
  const [low = 0, high = 0] = [sorted[0], sorted.at(-1)]
  report.add({
    name: 'heap allocated over 10 million posted and polled requests, in bursts of 32',
    unit: 'B',
    scale: 1,
    value: { median: sorted[Math.floor(sorted.length / 2)] ?? 0, low, high },
    target: bytesAtMost(1023),
  })
}

/**
 * Samples each workload beside its peer in one virtual machine, by its clock. The machine is emulated here: that slows
 * JavaScript, which the emulator translates a second time, about 25 times, and C less. A real card would show the rows
 * of the host.
 */
async function measureInLab(report: Report): Promise<void> {
  const lines = [process.execPath, inLab, pyverbs].map(String)
  const words = [process.execPath, command, 'lab', 'run', '--time-limit', '420', '--', ...lines]
  await using lab = await Peer.launch('pinfold lab run', words[0] ?? '', ...words.slice(1))
  const measured = async (ours: string, theirs: string, samples: number, rounds: number) => {
    const contenders = { ours: lab.contender(ours), theirs: lab.contender(theirs) }
    return interleave(contenders, { samples, warmUp: 1, rounds })
  }
  const rows = [
    ['RDMA write of 64 KiB, depth 128', 'bandwidth', 'bandwidth-perftest', 'ib_write_bw', 0.97, 7, 1024],
    ['RDMA write of 64 B, bursts of 32', 'rate', 'rate-perftest', 'ib_write_bw -l 32', 0.7, 11, 4096],
    ['post 32 writes of 64 B, and poll', 'burst', 'pyverbs', 'pyverbs', 5, 31, 1024],
    // At most 1.5 x the time.
    ['latency of a write of 64 B, median', 'latency', 'latency-perftest', 'ib_write_lat', 1 / 1.5, 7, 1000],
  ] as const
  for (const [name, ours, theirs, peer, share, samples, rounds] of rows) {
    const taken = await measured(ours, theirs, samples, rounds)
    report.add({
      name: `lab: ${name}`,
      unit: 'us',
      scale: microseconds,
      value: taken.of('ours'),
      peer: { name: peer, value: taken.of('theirs'), ratio: taken.ratio('ours', 'theirs') },
      target: rateAtLeast(share),
    })
  }
}
