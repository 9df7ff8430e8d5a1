import { serialize } from 'node:v8'
import { Worker } from 'node:worker_threads'
import type { WorkerResult, WorkerTask } from '../demo-worker.js'

/** Starts a worker on a region, and returns the worker's result after its thread has ended. */
export async function handToWorker(task: WorkerTask): Promise<WorkerResult & { readonly handleBytes: number }> {
  const worker = new Worker(new URL('../demo-worker.js', import.meta.url), { workerData: task })
  const result = await new Promise<WorkerResult>((resolve, reject) => {
    let message: WorkerResult | undefined
    worker.once('message', (value: WorkerResult) => {
      message = value
    })
    worker.once('error', reject)
    // The promise resolves at the exit and not at the message: the thread's own attachment must be gone before the
    // region counts as closed.
    worker.once('exit', (code) => {
      if (message === undefined) reject(new Error(`the worker ended with exit code ${code} before it answered`))
      else resolve(message)
    })
  })
  return { ...result, handleBytes: serialize(task.handle).byteLength }
}
