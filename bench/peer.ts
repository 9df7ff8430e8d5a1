import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Contender } from './measure.js'

const sources = fileURLToPath(new URL('peers/', import.meta.url))
const binaries = fileURLToPath(new URL('../build/bench/', import.meta.url))

/**
 * A C program of bench/peers that does the same work as ours and answers the seconds that it took
 * (peers/line_protocol.h). While it is not asked it waits on its pipe and costs nothing. It ends with its stdin, so it
 * does not outlive this process by any means.
 */
export class Peer {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #write: (line: string) => void
  #answer: PromiseWithResolvers<string> | undefined
  #end: string | undefined

  private constructor(name: string, args: readonly (number | string)[]) {
    this.#name = name
    const child = spawn(`${binaries}${name}`, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child = child
    this.#write = (line) => child.stdin.write(line)
    // A write to a peer that has just died: its exit tells why.
    child.stdin.on('error', () => {})
    createInterface({ input: child.stdout }).on('line', (line) => this.#answer?.resolve(line))
    child.on('error', (error) => this.#ended(error.message))
    child.on('close', (status, signal) => this.#ended(`ended with ${signal ?? `status ${status}`}`))
  }

  /** Builds it when its source is newer, starts it, and waits until its memory is ready. */
  static async start(name: string, ...args: (number | string)[]): Promise<Peer> {
    await compile(name)
    const peer = new Peer(name, args)
    const answer = await peer.#next()
    if (answer !== 'ready') throw new Error(`${name}: ${answer.replace(/^failed /, '')}`)
    return peer
  }

  /** Seconds that so many rounds of a workload took. */
  async run(workload: string, rounds: number): Promise<number> {
    const answer = this.#next()
    this.#write(`run ${workload} ${rounds}\n`)
    const [, seconds] = /^ok (\S+)$/.exec(await answer) ?? []
    if (seconds === undefined) throw new Error(`${this.#name}: ${(await answer).replace(/^failed /, '')}`)
    return Number(seconds)
  }

  contender(workload: string): Contender {
    return (rounds) => this.run(workload, rounds)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#end !== undefined) return
    const closed = new Promise((resolve) => this.#child.once('close', resolve))
    this.#child.stdin?.end()
    await closed
  }

  #next(): Promise<string> {
    if (this.#end !== undefined) return Promise.reject(new Error(`${this.#name} ${this.#end}`))
    this.#answer = withResolvers()
    return this.#answer.promise
  }

  #ended(how: string): void {
    this.#end ??= how
    this.#answer?.reject(new Error(`${this.#name} ${how}`))
  }
}

/** As `Promise.withResolvers`, which Node 20 lacks. */
interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(reason: Error): void
}

function withResolvers<T>(): PromiseWithResolvers<T> {
  let resolve: (value: T) => void = () => {}
  let reject: (reason: Error) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

async function compile(name: string): Promise<void> {
  const source = `${sources}${name}.c`
  const binary = `${binaries}${name}`
  const headers = readdirSync(sources).filter((file) => file.endsWith('.h'))
  const newest = Math.max(changed(source), ...headers.map((header) => changed(sources + header)))
  if (changed(binary) > newest) return
  mkdirSync(binaries, { recursive: true })
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread']
  const { cflags, libraries } = name.startsWith('dpdk_') ? await dpdk() : { cflags: [], libraries: [] }
  await promisify(execFile)(process.env.CC ?? 'cc', [...flags, ...cflags, '-o', binary, source, ...libraries])
}

/** What a peer that calls DPDK itself is compiled and linked with. */
async function dpdk(): Promise<{ cflags: string[]; libraries: string[] }> {
  const ask = async (what: string) => {
    const { stdout } = await promisify(execFile)('pkg-config', [what, 'libdpdk'])
    return stdout.split(/\s+/).filter((flag) => flag !== '')
  }
  try {
    // Its headers are its own: no warning of ours is about them.
    const cflags = (await ask('--cflags')).flatMap((flag) =>
      flag.startsWith('-I') ? ['-isystem', flag.slice('-I'.length)] : [flag],
    )
    // As DPDK builds itself and its examples.
    return { cflags: ['-O3', ...cflags], libraries: await ask('--libs') }
  } catch (error) {
    const hint = 'apt-get install libdpdk-dev pkg-config'
    throw Object.assign(new Error('DPDK is not here to compile with', { cause: error }), { hint })
  }
}

function changed(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
