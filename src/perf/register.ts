import { Worker } from 'node:worker_threads'
import { PinfoldError } from '../errors.js'
import { checkRange } from '../options.js'
import type { Region } from '../registry/region.js'
import { GiB } from '../sizes.js'
import { basePageSize } from '../system/page-sizes.js'
import { distributionOf } from './distribution.js'
import { Histogram, type HistogramContent } from './histogram.js'
import { memoryFacts } from './host-facts.js'
import type { RegisterMessage, RegisterTask } from './register-worker.js'
import type { Distribution, RegisterResult } from './report.js'

/** One measurement of `pinfold perf register`. */
export interface RegisterShape {
  /** The name of the device. Each thread opens it for itself. */
  readonly device: string
  /** Bytes of one registration. */
  readonly bytes: number
  readonly threads: number
  /** Registrations of each thread: 2 or more, since the first one counts apart. */
  readonly rounds: number
}

/** The bytes that a region needs for a measurement: for each thread a part that begins with a page. */
export function registeredBytes({ bytes, threads }: Pick<RegisterShape, 'bytes' | 'threads'>): number {
  return partBytes(bytes) * threads
}

/**
 * Registers parts of a region in several threads at the same time, and closes them again. The region belongs to the
 * caller and stays open.
 *
 * @throws PinfoldError `ERR_OUT_OF_RANGE` for a region that is too small; the errors of `openDevice` and of registering
 */
export async function measureRegistration(region: Region, shape: RegisterShape): Promise<RegisterResult> {
  const { bytes, threads, rounds } = shape
  checkRange('measureRegistration', 0, registeredBytes(shape), region.size)
  const figures = await runThreads(region, shape)
  const register = sumOf(figures.map(({ register }) => register))
  const { p50 } = register.percentiles
  return {
    bytes,
    threads,
    rounds,
    memory: memoryFacts(region),
    seconds: Math.max(...figures.map(({ seconds }) => seconds)),
    first: sumOf(figures.map(({ first }) => first)),
    register,
    close: sumOf(figures.map(({ close }) => close)),
    nanosecondsPerPage: p50 / Math.ceil(bytes / region.pageSize),
    nanosecondsPerGibibyte: (p50 * GiB) / bytes,
  }
}

/** Starts the threads, lets all of them begin at once, and returns after the last one has ended. */
async function runThreads(region: Region, { device, bytes, threads, rounds }: RegisterShape) {
  const gate = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const workers = Array.from({ length: threads }, (_, index) => {
    return startThread({ handle: region.handle, device, offset: index * partBytes(bytes), bytes, rounds, gate })
  })
  try {
    await Promise.all(workers.map(nextMessage))
    const answers = Promise.all(workers.map(nextMessage))
    Atomics.store(gate, 0, 1)
    Atomics.notify(gate, 0)
    return (await answers).flatMap((message) => (message.kind === 'measured' ? [message.figures] : []))
  } finally {
    // After a failure, the other threads may wait at the gate for ever. A thread that has ended has let go of the region.
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

function startThread(workerData: RegisterTask): Worker {
  return new Worker(new URL('./register-worker.js', import.meta.url), { workerData })
}

/** The next message of a thread. It fails if the thread has failed or ended. */
function nextMessage(worker: Worker): Promise<RegisterMessage> {
  return new Promise((resolve, reject) => {
    worker.once('message', (message: RegisterMessage) => {
      if (message.kind === 'failed') reject(new PinfoldError(message.message, message.details))
      else resolve(message)
    })
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`a thread ended with exit code ${code} before it had measured`)))
  })
}

function partBytes(bytes: number): number {
  return Math.ceil(bytes / basePageSize) * basePageSize
}

function sumOf(contents: readonly HistogramContent[]): Distribution {
  const sum = new Histogram()
  for (const content of contents) sum.add(Histogram.of(content))
  return distributionOf(sum)
}
