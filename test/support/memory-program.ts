import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Advice of madvise(2) by number (include/uapi/asm-generic/mman-common.h), since JavaScript has no names for it. */
export const advice = { hugepage: 14, dontNeed: 4, pageOut: 21, collapse: 25, guard: 102 } as const

/** The program of test/support/programs/memory.c, compiled once for a test file. It is removed when it is disposed. */
export class MemoryProgram {
  readonly #folder = mkdtempSync(`${tmpdir()}/pinfold-memory-`)
  readonly path = `${this.#folder}/memory`

  constructor() {
    const source = fileURLToPath(new URL('./programs/memory.c', import.meta.url))
    execFileSync('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', this.path, source])
  }

  /** Lets another process give advice about memory of this process (process_madvise(2)). Returns 0 or an errno. */
  advise(address: bigint, length: number, which: keyof typeof advice): number {
    const args = ['advise', process.pid, address, length, advice[which]].map(String)
    return Number(execFileSync(this.path, args, { encoding: 'utf8' }))
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A process that holds memory, and uses it as it is told. */
export class MemoryChild {
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>
  /** The start of its memory, at a 2 MiB boundary. */
  readonly address: bigint

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, address: bigint) {
    this.#process = child
    this.#lines = lines
    this.address = address
  }

  static async start(
    program: MemoryProgram,
    kind: 'anonymous' | 'shared',
    bytes: number,
    prefix: readonly string[] = [],
  ): Promise<MemoryChild> {
    const [command = '', ...args] = [...prefix, program.path, 'hold', kind, String(bytes)]
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    return new MemoryChild(child, lines, BigInt((await lines.next()).value ?? 0))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  write(offset: number, length: number): Promise<void> {
    return this.#done('write', offset, length)
  }

  read(offset: number, length: number): Promise<void> {
    return this.#done('read', offset, length)
  }

  /** Gives advice with madvise(2). Returns 0, or the errno of a kernel that refuses. */
  advise(offset: number, length: number, which: keyof typeof advice): Promise<number> {
    return this.#say('advise', offset, length, advice[which])
  }

  /** Write-protects memory by userfaultfd(2). Returns 0, or the errno of a kernel that cannot. */
  protect(offset: number, length: number): Promise<number> {
    return this.#say('protect', offset, length)
  }

  async #done(...words: readonly (string | number)[]): Promise<void> {
    const errno = await this.#say(...words)
    if (errno !== 0) throw new Error(`the child could not ${words.join(' ')}: errno ${errno}`)
  }

  async #say(...words: readonly (string | number)[]): Promise<number> {
    this.#process.stdin?.write(`${words.join(' ')}\n`)
    const { done, value } = await this.#lines.next()
    if (done) throw new Error(`the child ended where '${words.join(' ')}' was to be answered`)
    return Number(value)
  }

  /** Kills the process, and waits until it is reaped. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await gone
  }
}
