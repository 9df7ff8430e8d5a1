import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { arch } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { root } from './child-process.js'
import { mainScript } from './command-line.js'

/** The reason why the lab cannot start a machine here. QEMU and a kernel are fetched if they are missing. */
export function whyNoLab(): string | undefined {
  if (arch() !== 'x64') return 'the lab runs on x86-64 only'
  if (!existsSync(mainScript)) return 'dist/ is not built: npm run build'
  return existsSync('/usr/bin/apt-get') ? undefined : 'this machine has no apt-get, to fetch QEMU and a kernel with'
}

export interface LabOutcome {
  readonly status: number
  readonly stdout: Buffer
  readonly stderr: string
}

export interface LabSurroundings {
  /** The stdin of the command; 'later' if `end` gives it. */
  readonly input?: Buffer | 'later' | undefined
  readonly env?: Readonly<Record<string, string>>
  /** The folder in which the lab is started; the root of the checkout by default. */
  readonly cwd?: string | undefined
}

/** A `pinfold lab …` that is under way. */
export class LabRun {
  readonly #child
  readonly #mark = `PINFOLD_LAB_TEST=${randomUUID()}`
  #stdout: Buffer[] = []
  #stderr = ''

  constructor(words: readonly string[], { input, env = {}, cwd = root }: LabSurroundings = {}) {
    this.#child = spawn(process.execPath, [mainScript, 'lab', ...words], {
      cwd,
      env: { ...process.env, ...env, ...Object.fromEntries([this.#mark.split('=')]) },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    if (input !== 'later') this.#child.stdin?.end(input)
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#stdout.push(chunk))
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString()
    })
  }

  /** Resolves when its stdout contains the text. */
  said(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (Buffer.concat(this.#stdout).includes(text)) resolve()
      }
      this.#child.stdout?.on('data', look)
      this.#child.on('close', () => reject(new Error(`it ended without saying '${text}':\n${this.#stderr}`)))
      look()
    })
  }

  /** The processes that the lab has started and that still run, whatever process is their parent now. */
  processes(): number[] {
    return processes().filter(
      (pid) => pid !== this.#child.pid && isRunning(pid) && readText(`/proc/${pid}/environ`).includes(this.#mark),
    )
  }

  /** Resolves when none of these processes is left. */
  async gone(): Promise<void> {
    for (let left = 200; this.processes().length > 0; left--) {
      if (left === 0) throw new Error(`the lab has left processes: ${this.processes()}`)
      await setTimeout(50)
    }
  }

  /** Writes the rest of the stdin of its command. */
  end(input: string): void {
    this.#child.stdin?.end(input)
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  ended(): Promise<LabOutcome> {
    return new Promise((resolve) => {
      this.#child.on('close', (status, signal) => {
        resolve({
          status: status ?? (signal === null ? -1 : 128),
          stdout: Buffer.concat(this.#stdout),
          stderr: this.#stderr,
        })
      })
    })
  }
}

/** Runs `pinfold lab …` to its end. */
export async function lab(words: readonly string[], input?: Buffer): Promise<LabOutcome> {
  const run = new LabRun(words, { input })
  const outcome = await run.ended()
  const left = run.processes()
  if (left.length > 0) throw new Error(`the lab has left processes: ${left}`)
  return outcome
}

function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

/** True if a process exists and is not a zombie. */
function isRunning(pid: number): boolean {
  const state = /^State:\t(\w)/m.exec(readText(`/proc/${pid}/status`))?.[1]
  return state !== undefined && state !== 'Z'
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // the process is gone
  }
}
