import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { RegionHandle } from '../../src/index.js'
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
  // One for ours, and what DPDK takes for itself.
  hugepages: 16,
  oneProcessor: true,
  async run(report) {
    await report.section('ring', () => measureAlone(report))
    await report.section('ring between two threads', () => measureBetween(report))
  },
}

interface Shape {
  readonly name: string
  readonly threads: 'one' | 'many'
  readonly burst: 1 | 8 | 32
  readonly target?: Target
}

const shapes: readonly Shape[] = [
  { name: 'single_1', threads: 'one', burst: 1 },
  { name: 'single_8', threads: 'one', burst: 8 },
  { name: 'single_32', threads: 'one', burst: 32, target: rateAtLeast(0.9) },
  // As a program has it before a second thread comes: the first keeps both sides.
  { name: 'shared_1', threads: 'many', burst: 1, target: rateAtLeast(0.45) },
  { name: 'shared_8', threads: 'many', burst: 8 },
  { name: 'shared_32', threads: 'many', burst: 32, target: rateAtLeast(0.55) },
]

async function measureAlone(report: Report): Promise<void> {
  for (const { name, threads, burst, target } of shapes) {
    const taken = await measureShape(name, threads, burst, false)
    report.add({ ...taken, ...(target === undefined ? {} : { target }) })
  }
  // How it is once a second thread has come: a compare-exchange for each call.
  for (const burst of [1, 32] as const) report.add(await measureShape(`shared_${burst}`, 'many', burst, true))
}

async function measureShape(name: string, threads: 'one' | 'many', burst: 1 | 8 | 32, turns: boolean): Promise<Figure> {
  using memory = pinfold.openRegistrySync({})
  const region = memory.allocateSync('rings', { size: 2 * MiB, pages: '2MiB' })
  using ring = pinfold.createRing(region, { count, producers: threads, consumers: threads })
  await using dpdk = await Peer.start('dpdk_ring', count)
  if (turns) {
    ring.enqueue(0)
    ring.dequeue()
  }
  await using worker = await RingWorker.start({ handle: region.handle, work: burst })
  const contenders: Record<'ours' | 'dpdk', Contender> = {
    ours: (rounds) => worker.run(rounds),
    dpdk: dpdk.contender(name),
  }
  const taken = await interleave(contenders, { samples: 401, warmUp: 40, rounds: 20_000 })
  const shape = `ring ${threads === 'one' ? 'SP/SC' : 'MP/MC'}, n = ${burst}`
  return {
    name: turns ? `${shape}, after two threads have used it` : `${shape}, a value in and out`,
    unit: 'ns',
    scale: nanoseconds / burst,
    value: taken.of('ours'),
    peer: { name: 'rte_ring', value: taken.of('dpdk'), ratio: taken.ratio('ours', 'dpdk') },
  }
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

/** Those that this process could use, were it not kept on one. */
function allowedProcessors(): number[] {
  const shown = spawnSync('taskset', ['--cpu-list', '0-1023', 'cat', '/proc/self/status'], { encoding: 'utf8' })
  return parseIndexList(/^Cpus_allowed_list:\s*(\S+)/m.exec(shown.stdout ?? '')?.[1] ?? '')
}

interface RingWork {
  readonly handle: RegionHandle
  /** What ring-worker.mjs does with the ring; a number is a burst that goes in and out. */
  readonly work: 'produce' | 'consume' | 1 | 8 | 32
  readonly barrier?: SharedArrayBuffer
  /** The processor that it is to run on. */
  readonly processor?: number
}

/** A thread at one end of the ring that a region begins with. */
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

  /** Seconds that so many rounds took. */
  async run(rounds: number): Promise<number> {
    const answer = once(this.#worker, 'message')
    this.#worker.postMessage(rounds)
    return Number((await answer)[0])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate()
  }
}
