import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { compiled } from './compiled-program.js'

/** The root of the checkout, with a slash at its end. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** A command that runs the rest of its line as a user without any privilege. */
export const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all']

/** The end of a process: its exit code or the signal that killed it, and its output on stderr. */
export interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

/** A program in a process of its own. It is killed when it is disposed. */
export class Program {
  /** The pids of all programs of this test file. */
  static readonly pids = new Set<number>()
  readonly #process: ChildProcess
  readonly #lines: AsyncIterator<string>
  /** Settles when the process is reaped and its output is read. Then all its descriptors are closed. */
  readonly ended: Promise<End>

  constructor([command = '', ...args]: readonly string[]) {
    const child = spawn(command, args, { cwd: root, stdio: 'pipe' })
    this.#process = child
    Program.pids.add(child.pid ?? 0)
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    let stderr = ''
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    this.ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stderr }))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Waits for the next line that the program prints. Fails if it ends without one. */
  async line(): Promise<string> {
    const { done, value } = await this.#lines.next()
    if (!done) return value
    const { code, signal, stderr } = await this.ended
    throw new Error(`the child ended with ${signal ?? code} where a line was expected: ${stderr}`)
  }

  /** Writes a line to the program's stdin. */
  say(line: string): void {
    this.#process.stdin?.write(`${line}\n`)
  }

  kill(signal: NodeJS.Signals): Promise<End> {
    this.#process.kill(signal)
    return this.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGKILL')
  }
}

/** A TypeScript file of test/support/programs as a program. */
export class Child extends Program {
  /** @param prefix a command that runs the rest of its line, such as setpriv and its options */
  constructor(script: string, args: readonly (string | number)[] = [], prefix: readonly string[] = []) {
    super([...prefix, process.execPath, compiled(script), ...args.map(String)])
  }
}
