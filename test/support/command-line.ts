import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Child } from './child-process.js'

/** The built command. The tests run it as users do, and `npm test` builds it first. */
export const mainScript = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** The outcome of a run. */
export interface Run {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** A command that runs the rest of its line, such as setpriv and its options. */
  readonly prefix?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly script?: string
}

/** `pinfold <words>` while it runs. It is killed when it is disposed. */
export class RunningCommand {
  readonly #process
  readonly #lines: AsyncIterator<string>
  readonly ended: Promise<Run>

  constructor(
    words: readonly (string | number | bigint)[],
    { prefix = [], env = {}, script = mainScript }: RunOptions = {},
  ) {
    const [command = '', ...rest] = [...prefix, process.execPath, script, ...words.map(String)]
    const child = spawn(command, rest, {
      // Other variables of CI, of a terminal or of npm would change the output.
      env: { PATH: process.env.PATH, HOME: '/', ...env },
      stdio: 'pipe',
    })
    this.#process = child
    // The pid counts as this test's own, so that the command's loans count, too.
    Child.pids.add(child.pid ?? 0)
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.on('data', (chunk) => {
      stderr += chunk
    })
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    this.ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }))
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** Waits for a line of stdout that matches. Fails if the command ends without one. */
  async line(pattern: RegExp): Promise<string> {
    while (true) {
      const { done, value } = await this.#lines.next()
      if (done) throw new Error(`no line matched ${pattern}: ${JSON.stringify(await this.ended)}`)
      if (pattern.test(value)) return value
    }
  }

  /** Writes `text` to its stdin, and ends it. */
  say(text: string): void {
    this.#process.stdin.end(text)
  }

  kill(signal: NodeJS.Signals): Promise<Run> {
    this.#process.kill(signal)
    return this.ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGKILL')
  }
}

/** Runs `pinfold <words>` to its end. */
export async function pinfold(words: readonly (string | number | bigint)[], options: RunOptions = {}): Promise<Run> {
  await using command = new RunningCommand(words, options)
  command.say('')
  return await command.ended
}

/** The one JSON object that a run has printed. */
export function jsonOf({ stdout }: Run) {
  return JSON.parse(stdout)
}
