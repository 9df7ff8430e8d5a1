import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Region, RegionHandle } from '../../src/index.js'
import { MiB } from '../../src/sizes.js'
import { parseIndexList } from '../../src/system/kernel-files.js'
import { type Contender, interleave } from '../measure.js'
import { pinfold } from '../package.js'
import { Peer } from '../peer.js'
import { rateAtLeast, type Target } from '../row.js'
import type { Figure, Report, Suite } from '../suite.js'

const count = 1024
const nanoseconds = 1e9

export const suite: Suite = {
  about: 'values through a ring, by one thread and by two, beside rte_ring of DPDK',
  // One page for our rings, the others for DPDK.
  hugepages: 16,
  oneProcessor: true,
  async run(report) {
    await report.section('ring', () => measureAlone(report))
    await report.section('ring between two threads', () => measureBetween(report))
  },
}

/** The way in which ring-worker.mjs passes values through a ring. */
interface Shape {
  /** Values in each call. */
  readonly burst: 1 | 4 | 8 | 16 | 32 | 64
  /** enqueue and dequeue; enqueueBulk and dequeueBulk; enqueueBurst and dequeueBurst. */
  readonly call: 'Single' | 'Bulk' | 'Burst'
  /** True if the positions in the ring are multiples of the burst; else they are odd. */
  readonly isAligned: boolean
  /** The caller's arrays on each side, which it uses in turn. */
  readonly arrays: 1 | 2
  /** True if the ring has made the arrays; else their values are copied before each call. */
  readonly isOwn: boolean
}

interface Ring {
  readonly threads: 'one' | 'many'
  /** True if a second thread has used the ring before. */
  readonly isShared: boolean
}

const bursts = [1, 4, 8, 16, 32, 64] as const
const one: Ring = { threads: 'one', isShared: false }
/** The state of a program before a second thread comes. */
const manyBefore: Ring = { threads: 'many', isShared: false }
const manyAfter: Ring = { threads: 'many', isShared: true }
const plain = { call: 'Bulk', isAligned: true, arrays: 1, isOwn: true } as const

/** The rates that must be reached, as a part of DPDK's, by burst. */
const targetsOfOne: Record<number, Target> = { 8: rateAtLeast(0.45), 32: rateAtLeast(0.9), 64: rateAtLeast(0.95) }
const targetsOfMany: Record<number, Target> = { 8: rateAtLeast(0.5), 32: rateAtLeast(0.85) }

const rows: readonly (readonly [Ring, Shape, (Target | undefined)?])[] = [
  [one, { ...plain, burst: 1, call: 'Single' }, rateAtLeast(0.5)],
  ...bursts.map((burst) => [one, { ...plain, burst }, targetsOfOne[burst]] as const),
  ...bursts.map((burst) => [one, { ...plain, burst, call: 'Burst' }, targetsOfOne[burst]] as const),
  ...bursts.slice(1).map((burst) => [one, { ...plain, burst, isAligned: false }] as const),
  ...([4, 32] as const).map((burst) => [one, { ...plain, burst, arrays: 2 }] as const),
  ...([1, 4, 8, 32, 64] as const).map((burst) => [one, { ...plain, burst, isOwn: false }] as const),
  [manyBefore, { ...plain, burst: 1, call: 'Single' }, rateAtLeast(0.45)],
  ...([8, 32] as const).map((burst) => [manyBefore, { ...plain, burst }] as const),
  [manyAfter, { ...plain, burst: 1, call: 'Single' }, rateAtLeast(0.45)],
  ...bursts.map((burst) => [manyAfter, { ...plain, burst }, targetsOfMany[burst]] as const),
  ...([8, 32] as const).map((burst) => [manyAfter, { ...plain, burst, call: 'Burst' }, targetsOfMany[burst]] as const),
  [manyAfter, { ...plain, burst: 32, isAligned: false }],
  [manyAfter, { ...plain, burst: 32, arrays: 2 }],
  [manyAfter, { ...plain, burst: 32, isOwn: false }],
]

async function measureAlone(report: Report): Promise<void> {
  using memory = pinfold.openRegistrySync({})
  const region = memory.allocateSync('rings', { size: 2 * MiB, pages: '2MiB' })
  await using dpdk = await Peer.start('dpdk_ring', count)
  for (const [ring, shape, target] of rows) {
    const figure = await measureShape(region, dpdk, ring, shape)
    report.add({ ...figure, ...(target === undefined ? {} : { target }) })
  }
}

async function measureShape(region: Region, dpdk: Peer, { threads, isShared }: Ring, shape: Shape): Promise<Figure> {
  const { burst, call, isAligned, arrays } = shape
  using ring = pinfold.createRing(region, { count, producers: threads, consumers: threads })
  if (isShared) {
    // This passes as many values as the largest burst contains, so that all positions stay multiples of the burst.
    ring.enqueueBulk(new Uint32Array(64))
    ring.dequeueBulk(new Uint32Array(64))
  }
  await using worker = await RingWorker.start({ handle: region.handle, work: shape })
  const place = isAligned ? '' : '_odd'
  const calls = call === 'Burst' ? '_burst' : ''
  const workload = `${threads === 'one' ? 'single' : 'shared'}${place}${calls}${arrays === 2 ? '_two' : ''}_${burst}`
  const contenders: Record<'ours' | 'dpdk', Contender> = {
    ours: (rounds) => worker.run(rounds),
    dpdk: dpdk.contender(workload),
  }
  // With this many rounds, a sample of ours takes about half a millisecond.
  const rounds = burst <= 8 ? 20_000 : Math.ceil(320_000 / burst)
  const taken = await interleave(contenders, { samples: 401, warmUp: 40, rounds })
  return {
    name: nameOf({ threads, isShared }, shape),
    unit: 'ns',
    scale: nanoseconds / burst,
    value: taken.of('ours'),
    peer: { name: 'rte_ring', value: taken.of('dpdk'), ratio: taken.ratio('ours', 'dpdk') },
  }
}

function nameOf({ threads, isShared }: Ring, { burst, call, isAligned, arrays, isOwn }: Shape): string {
  const calls = call === 'Burst' ? ', in bursts' : call === 'Bulk' && burst === 1 ? ', in bulk' : ''
  return [
    `ring ${threads === 'one' ? 'SP/SC' : 'MP/MC'}, n = ${burst}${calls}`,
    isAligned ? '' : 'at an odd place',
    arrays === 1 ? '' : 'two arrays in turn',
    isOwn ? '' : 'arrays of the caller',
    isShared ? 'after two threads have used it' : 'a value in and out',
  ]
    .filter((part) => part !== '')
    .join(', ')
}

/** Rings between two threads: the threads' roles, and the peer's workload. */
const between = [
  { threads: 'one', burst: 32, roles: ['produce', 'consume'], workload: 'between_32', target: rateAtLeast(0.9) },
  { threads: 'many', burst: 8, roles: ['produce', 'consume'], workload: 'between_shared_8', target: rateAtLeast(0.85) },
  {
    threads: 'many',
    burst: 32,
    roles: ['produce', 'consume'],
    workload: 'between_shared_32',
    target: rateAtLeast(0.9),
  },
  { threads: 'many', burst: 32, roles: ['both', 'both'], workload: 'both_shared_32', target: rateAtLeast(0.75) },
] as const

async function measureBetween(report: Report): Promise<void> {
  const processors = allowedProcessors()
  const [first, second] = processors
  if (first === undefined || second === undefined) throw new Error('there is one processor only')
  using memory = pinfold.openRegistrySync({})
  const region = memory.allocateSync('rings', { size: 2 * MiB, pages: '2MiB' })
  await using dpdk = await Peer.start('dpdk_ring', count, first, second)
  for (const { threads, burst, roles, workload, target } of between) {
    using _ = pinfold.createRing(region, { count, producers: threads, consumers: threads })
    const barrier = new SharedArrayBuffer(4)
    const start = (role: Role, processor: number) =>
      RingWorker.start({ handle: region.handle, work: { role, burst }, barrier, processor })
    await using other = await start(roles[0], first)
    await using self = await start(roles[1], second)
    const workers: Contender = async (rounds) => {
      new Int32Array(barrier).fill(0)
      const [, seconds] = await Promise.all([other.run(rounds), self.run(rounds)])
      return seconds
    }
    const contenders = { workers, threads: dpdk.contender(workload) }
    const taken = await interleave(contenders, { samples: 61, warmUp: 10, rounds: burst === 8 ? 100_000 : 50_000 })
    const way = roles[0] === 'both' ? ', each in and out' : ''
    report.add({
      name: `ring ${threads === 'one' ? 'SP/SC' : 'MP/MC'} between two threads on two cores, n = ${burst}${way}, a value`,
      unit: 'ns',
      scale: nanoseconds / burst,
      value: taken.of('workers'),
      peer: { name: 'rte_ring, two threads', value: taken.of('threads'), ratio: taken.ratio('workers', 'threads') },
      target,
    })
  }
}

/** The processors that this process could use if the benchmark had not bound it to one. */
function allowedProcessors(): number[] {
  const shown = spawnSync('taskset', ['--cpu-list', '0-1023', 'cat', '/proc/self/status'], { encoding: 'utf8' })
  return parseIndexList(/^Cpus_allowed_list:\s*(\S+)/m.exec(shown.stdout ?? '')?.[1] ?? '')
}

type Role = 'produce' | 'consume' | 'both'

interface RingWork {
  readonly handle: RegionHandle
  /** The work of ring-worker.mjs on the ring. */
  readonly work: { readonly role: Role; readonly burst: number } | Shape
  readonly barrier?: SharedArrayBuffer
  /** The processor on which the thread runs. */
  readonly processor?: number
}

/** A thread that uses the ring at the start of a region. */
class RingWorker {
  readonly #worker: Worker

  private constructor(worker: Worker) {
    this.#worker = worker
  }

  static async start({ processor, ...work }: RingWork): Promise<RingWorker> {
    const worker = new Worker(new URL('../ring-worker.mjs', import.meta.url), { workerData: work })
    const [thread] = await once(worker, 'message')
    if (processor !== undefined) spawnSync('taskset', ['-pc', String(processor), String(thread)])
    return new RingWorker(worker)
  }

  /** Runs the rounds, and returns the seconds that they took. */
  async run(rounds: number): Promise<number> {
    const answer = once(this.#worker, 'message')
    this.#worker.postMessage(rounds)
    return Number((await answer)[0])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate()
  }
}
