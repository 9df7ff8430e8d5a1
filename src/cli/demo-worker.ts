import { parentPort, threadId, workerData } from 'node:worker_threads'
import type { RegionHandle } from '../memory/region-handle.js'
import { attachRegion } from '../registry/region.js'
import { countDifferences, writePattern } from './demo/pattern.js'

/** The task that the demo gives its worker: a handle, never bytes. */
export interface WorkerTask {
  readonly handle: RegionHandle
  /** The pattern that the worker must find. */
  readonly expected: number
  /** The pattern that the worker writes. */
  readonly answer: number
}

/** The worker's result. */
export interface WorkerResult {
  readonly thread: number
  /** The region's address, the same as in the main thread, since it is the same mapping. */
  readonly address: bigint
  /** The number of 32-bit words that were not as expected. */
  readonly differences: number
  readonly milliseconds: number
}

// The cast is right: demo/hand-over.ts is the only code that starts this worker, and passes a WorkerTask.
const { handle, expected, answer } = workerData as WorkerTask
const begin = performance.now()
const region = attachRegion(handle)
try {
  const differences = countDifferences(region.bytes, expected)
  writePattern(region.bytes, answer)
  const milliseconds = performance.now() - begin
  parentPort?.postMessage({
    thread: threadId,
    address: region.address,
    differences,
    milliseconds,
  } satisfies WorkerResult)
} finally {
  region.close()
}
