import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { arch } from 'node:os'
import { root } from '../child-process.js'
import { mainScript } from '../command-line.js'

/** Why no machine can be started here: nothing else than a missing QEMU or kernel that cannot be fetched either. */
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

/** A `pinfold lab …` that is under way. */
export class LabRun {
  readonly #child
  #stdout: Buffer[] = []
  #stderr = ''

  constructor(words: readonly string[], input?: Buffer) {
    this.#child = spawn(process.execPath, [mainScript, 'lab', ...words], {
      cwd: root,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    this.#child.stdin?.end(input)
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#stdout.push(chunk))
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString()
    })
  }

  /** Resolves once its stdout has the text. */
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

  /** The processes of its machines. */
  emulators(): number[] {
    return emulatorsOf(this.#child.pid ?? -1)
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
export function lab(words: readonly string[], input?: Buffer): Promise<LabOutcome> {
  return new LabRun(words, input).ended()
}

function emulatorsOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const status = readText(`/proc/${pid}/status`)
      return new RegExp(`^PPid:\\s${parent}$`, 'm').test(status) && status.startsWith('Name:\tqemu')
    })
}

/** Whether a process is there and is no zombie. */
export function isRunning(pid: number): boolean {
  const state = /^State:\t(\w)/m.exec(readText(`/proc/${pid}/status`))?.[1]
  return state !== undefined && state !== 'Z'
}

/** Abstract sockets of labs. */
export function labSockets(): string[] {
  return readText('/proc/net/unix')
    .split('\n')
    .filter((line) => line.includes('@pinfold-lab-'))
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // the process is gone
  }
}
