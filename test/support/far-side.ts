import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

const program = new URL('programs/loopback-far.mjs', import.meta.url)

export type Whose = 'thread' | 'process'

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** The other side of a loopback connection, in a thread or process of its own (programs/loopback-far.mjs). */
export class FarSide {
  readonly #peer: Worker | ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended: Promise<unknown>
  #next = 0

  constructor(whose: Whose) {
    this.#peer = whose === 'thread' ? new Worker(program) : fork(fileURLToPath(program))
    this.#peer.on('message', (text: string) => this.#take(text))
    this.#ended = once(this.#peer, 'exit')
  }

  get pid(): number | undefined {
    return this.#peer instanceof Worker ? undefined : this.#peer.pid
  }

  /** Calls a command of the program. The test knows the type of its result. */
  call<Result = unknown>(name: string, ...given: readonly unknown[]): Promise<Result> {
    const number = this.#next++
    const result = new Promise<Result>((resolve, reject) => this.#waiting.set(number, { resolve, reject }))
    this.tell(name, given, number)
    return result
  }

  /** As `call`, but nobody waits for the result. */
  tell(name: string, given: readonly unknown[] = [], number = this.#next++): void {
    const text = JSON.stringify([number, name, given])
    if (this.#peer instanceof Worker) this.#peer.postMessage(text)
    else this.#peer.send(text)
  }

  /** Ends it in the middle of whatever it does: kill -9, or worker.terminate(). */
  async kill(): Promise<void> {
    if (this.#peer instanceof Worker) await this.#peer.terminate()
    else this.#peer.kill('SIGKILL')
    await this.#ended
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    if (!(this.#peer instanceof Worker)) this.#peer.kill(name)
  }

  /** Closes its device, and lets it end by itself. */
  async end(): Promise<void> {
    this.tell('end')
    await this.#ended
  }

  #take(text: string): void {
    const [number, result, error]: [number, unknown, string?] = JSON.parse(text)
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(new Error(error))
  }
}
