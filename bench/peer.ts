import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Contender } from './measure.js'

const sources = fileURLToPath(new URL('peers/', import.meta.url))
const binaries = fileURLToPath(new URL('../build/bench/', import.meta.url))

/**
 * A program that does the same work as ours and answers with the seconds that it took (peers/line_protocol.h). Most
 * peers are C programs of bench/peers. Between requests a peer waits on its pipe and costs nothing. A peer ends when
 * its stdin ends, so it never outlives this process.
 */
export class Peer {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #write: (line: string) => void
  #answer: PromiseWithResolvers<string> | undefined
  #complaint = ''
  #end: string | undefined

  private constructor(name: string, program: string, args: readonly (number | string)[]) {
    this.#name = name
    const child = spawn(program, args.map(String), { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    this.#write = (line) => child.stdin.write(line)
    // A write to a peer that has just died fails. The peer's exit tells why it died.
    child.stdin.on('error', () => {})
    createInterface({ input: child.stdout }).on('line', (line) => this.#answer?.resolve(line))
    child.stderr.on('data', (text) => {
      this.#complaint += text
    })
    child.on('error', (error) => this.#ended(error.message))
    child.on('close', (status, signal) => {
      const how = `ended with ${signal ?? `status ${status}`}`
      this.#ended(this.#complaint === '' ? how : `${how}: ${this.#complaint.trim()}`)
    })
  }

  /** Builds a program of bench/peers if its source is newer, starts it, and waits until its memory is ready. */
  static async start(name: string, ...args: (number | string)[]): Promise<Peer> {
    return Peer.launch(name, await compilePeer(name), ...args)
  }

  /** Starts any other program that follows the protocol of bench/peers. */
  static async launch(name: string, program: string, ...args: (number | string)[]): Promise<Peer> {
    const peer = new Peer(name, program, args)
    const answer = await peer.#next()
    if (answer !== 'ready') throw new Error(`${name}: ${answer.replace(/^failed /, '')}`)
    return peer
  }

  /** Runs rounds of a workload, and returns the seconds that they took. */
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

/** Builds a program of bench/peers if its source is newer, and returns its path. */
export async function compilePeer(name: string): Promise<string> {
  const source = `${sources}${name}.c`
  const binary = `${binaries}${name}`
  const headers = readdirSync(sources).filter((file) => file.endsWith('.h'))
  const newest = Math.max(changed(source), ...headers.map((header) => changed(sources + header)))
  if (changed(binary) > newest) return binary
  mkdirSync(binaries, { recursive: true })
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread']
  const { cflags, libraries } = await foreign(name)
  try {
    await promisify(execFile)(process.env.CC ?? 'cc', [...flags, ...cflags, '-o', binary, source, ...libraries])
  } catch (error) {
    throw new Error(`${name} cannot be compiled: ${complaintOf(error)}`, { cause: error })
  }
  return binary
}

/** The first error of the compiler or the linker, such as a missing header or a missing library. */
function complaintOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const [, complaint = text] = /(?:error: |ld: )(.*)/.exec(text) ?? []
  return complaint
}

interface Foreign {
  readonly cflags: readonly string[]
  readonly libraries: readonly string[]
}

/** The flags and libraries of a peer that calls another library. The peer's name begins with the library's name. */
async function foreign(name: string): Promise<Foreign> {
  if (name.startsWith('dpdk_')) return dpdk()
  return { cflags: [], libraries: name.startsWith('ibv_') ? ['-libverbs'] : [] }
}

async function dpdk(): Promise<Foreign> {
  const ask = async (what: string) => {
    const { stdout } = await promisify(execFile)('pkg-config', [what, 'libdpdk'])
    return stdout.split(/\s+/).filter((flag) => flag !== '')
  }
  try {
    // DPDK's headers are system headers here, so our warnings do not apply to them.
    const cflags = (await ask('--cflags')).flatMap((flag) =>
      flag.startsWith('-I') ? ['-isystem', flag.slice('-I'.length)] : [flag],
    )
    // DPDK builds itself and its examples with -O3.
    return { cflags: ['-O3', ...cflags], libraries: await ask('--libs') }
  } catch (error) {
    const hint = 'apt-get install libdpdk-dev pkg-config'
    throw Object.assign(new Error('DPDK or pkg-config is not installed', { cause: error }), { hint })
  }
}

function changed(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
