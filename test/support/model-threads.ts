import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Region } from '../../src/index.js'

/** An act for a thread of a model. test/support/programs/model-thread.mjs implements the acts. */
export interface Act {
  readonly do: string
  readonly [argument: string]: unknown
}

/** The outcome of an act: the values that went in or came out, or the code of the error. */
export interface Outcome {
  readonly code?: string
  readonly got?: number[]
  readonly put?: number[]
  readonly lent?: number[]
  readonly handed?: number[]
  readonly found?: number
  readonly cached?: number
  readonly available?: number
  readonly wrong?: number
}

/** Threads that get acts: one act at a time, or a list of acts for each thread at once. */
export class Dealt implements AsyncDisposable {
  readonly #workers: readonly Worker[]

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers
  }

  static async start(region: Region, count: number): Promise<Dealt> {
    const workers = Array.from(
      { length: count },
      (_, index) =>
        new Worker(new URL('./programs/model-thread.mjs', import.meta.url), {
          workerData: { handle: region.handle, name: index + 1 },
          // Threads with and without WebAssembly share what is tested.
          env: { ...process.env, ...(index % 2 === 1 ? { PINFOLD_WEBASSEMBLY: 'off' } : {}) },
        }),
    )
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    return new Dealt(workers)
  }

  async act(thread: number, act: Act): Promise<Outcome> {
    const [outcome] = await this.acts(thread, [act])
    return outcome ?? {}
  }

  async acts(thread: number, acts: readonly Act[]): Promise<Outcome[]> {
    const worker = this.#workers[thread]
    if (worker === undefined) throw new Error(`there is no thread ${thread}`)
    const told = once(worker, 'message')
    worker.postMessage(acts)
    return (await told)[0]
  }

  /** Lets every thread do the same act. */
  all(act: Act): Promise<Outcome[]> {
    return Promise.all(this.#workers.map((_, thread) => this.act(thread, act)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}
