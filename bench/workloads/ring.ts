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
}

interface Ring {
  readonly threads: 'one' | 'many'
  /** True if a second thread has used the ring before, so that threads take turns: a compare-exchange for each call. */
  readonly isShared: boolean
}

const bursts = [1, 4, 8, 16, 32, 64] as const
const one: Ring = { threads: 'one', isShared: false }
/** The state of a program before a second thread comes: the first thread keeps both sides. */
const manyBefore: Ring = { threads: 'many', isShared: false }
const manyAfter: Ring = { threads: 'many', isShared: true }
const plain = { call: 'Bulk', isAligned: true, arrays: 1 } as const

const rows: readonly (readonly [Ring, Shape, (Target | undefined)?])[] = [
  [one, { ...plain, burst: 1, call: 'Single' }],
  ...bursts.map((burst) => [one, { ...plain, burst }, burst === 32 ? rateAtLeast(0.9) : undefined] as const),
  ...bursts.map((burst) => [one, { ...plain, burst, call: 'Burst' }] as const),
  ...bursts.slice(1).map((burst) => [one, { ...plain, burst, isAligned: false }] as const),
  ...([4, 32] as const).map((burst) => [one, { ...plain, burst, arrays: 2 }] as const),
  [manyBefore, { ...plain, burst: 1, call: 'Single' }, rateAtLeast(0.45)],
  ...bursts.map((burst) => [manyBefore, { ...plain, burst }, burst === 32 ? rateAtLeast(0.55) : undefined] as const),
  [manyAfter, { ...plain, burst: 1, call: 'Single' }],
  ...bursts.map((burst) => [manyAfter, { ...plain, burst }] as const),
  [manyAfter, { ...plain, burst: 32, call: 'Burst' }],
  [manyAfter, { ...plain, burst: 32, isAligned: false }],
  [manyAfter, { ...plain, burst: 32, arrays: 2 }],
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

function nameOf({ threads, isShared }: Ring, { burst, call, isAligned, arrays }: Shape): string {
  const calls = call === 'Burst' ? ', in bursts' : call === 'Bulk' && burst === 1 ? ', in bulk' : ''
  return [
    `ring ${threads === 'one' ? 'SP/SC' : 'MP/MC'}, n = ${burst}${calls}`,
    isAligned ? '' : 'at an odd place',
    arrays === 1 ? '' : 'two arrays in turn',
    isShared ? 'after two threads have used it' : 'a value in and out',
  ]
    .filter((part) => part !== '')
    .join(', ')
}

async function measureBetween(report: Report): Promise<void> {
  const [first, second] = allowedProcessors()
  if (first === undefined || second === undefined) throw new Error('there is one processor only')
  using memory = pinfold.openRegistrySync({})
  const region = memory.allocateSync('rings', { size: 2 * MiB, pages: '2MiB' })
  using _ = pinfold.createRing(region, { count, producers: 'one', consumers: 'one' })
  await using dpdk = await Peer.start('dpdk_ring', count, first, second)
  const barrier = new SharedArrayBuffer(4)
  await using producer = await RingWorker.start({ handle: region.handle, work: 'produce', barrier, processor: first })
  await using consumer = await RingWorker.start({ handle: region.handle, work: 'consume', barrier, processor: second })
  const workers: Contender = async (rounds) => {
    new Int32Array(barrier).fill(0)
    const [, seconds] = await Promise.all([producer.run(rounds), consumer.run(rounds)])
    return seconds
  }
  const contenders = { workers, threads: dpdk.contender('between_32') }
  const taken = await interleave(contenders, { samples: 61, warmUp: 10, rounds: 50_000 })
  report.add({
    name: 'ring between two threads on two cores, n = 32, a value',
    unit: 'ns',
    scale: nanoseconds / 32,
    value: taken.of('workers'),
    peer: { name: 'rte_ring, two threads', value: taken.of('threads'), ratio: taken.ratio('workers', 'threads') },
    target: rateAtLeast(0.7),
  })
}

/** The processors that this process could use if the benchmark had not bound it to one. */
function allowedProcessors(): number[] {
  const shown = spawnSync('taskset', ['--cpu-list', '0-1023', 'cat', '/proc/self/status'], { encoding: 'utf8' })
  return parseIndexList(/^Cpus_allowed_list:\s*(\S+)/m.exec(shown.stdout ?? '')?.[1] ?? '')
}

interface RingWork {
  readonly handle: RegionHandle
  /** The work of ring-worker.mjs on the ring. */
  readonly work: 'produce' | 'consume' | Shape
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
