import { parentPort, threadId, workerData } from 'node:worker_threads'
import type { RegionHandle } from '../memory/region-handle.js'
import { attachRegion } from '../registry/region.js'
import { countDifferences, writePattern } from './demo/pattern.js'

/** What the demo gives its worker: a handle, never bytes. */
export interface WorkerTask {
  readonly handle: RegionHandle
  /** The pattern that the worker must find. */
  readonly expected: number
  /** The pattern that it leaves. */
  readonly answer: number
}

/** What the worker has seen. */
export interface WorkerResult {
  readonly thread: number
  /** The same as in the main thread, since it is the same mapping. */
  readonly address: bigint
  /** 32-bit words that were not as expected. */
  readonly differences: number
  readonly milliseconds: number
}

// The door to another thread: what comes through was made by demo/hand-over.ts.
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
