import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'

export interface Finished {
  /** Exit status; 128 + the signal's number if a signal ended the command, 127 if it could not be started. */
  readonly status: number
  /** stdout and stderr as they came; empty if they were shown. */
  readonly output: string
}

export interface RunOptions {
  /** Shows the output on the terminal instead of collecting it. */
  readonly show?: boolean
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** After this time the command and the processes that it started get SIGTERM, and ten seconds later SIGKILL. */
  readonly minutes?: number
}

const running = new Set<ChildProcess>()

/** Passes a signal on to all running commands. */
export function signalAll(signal: NodeJS.Signals): void {
  for (const child of running) signalGroup(child, signal)
}

/** Each command leads a process group of its own, so a signal also reaches the processes that it has started. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    const gone = error instanceof Error && 'code' in error && error.code === 'ESRCH'
    if (!gone) throw error
  }
}

export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { promise, resolve } = deferred<Finished>()
  const child = spawn(command, args, {
    stdio: options.show ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    detached: true,
    ...(options.cwd ? { cwd: options.cwd } : {}),
  })
  running.add(child)
  let output = ''
  const collect = (chunk: Buffer): void => {
    output += chunk.toString()
  }
  child.stdout?.on('data', collect)
  child.stderr?.on('data', collect)

  const timers: NodeJS.Timeout[] = []
  if (options.minutes) {
    const limit = options.minutes * 60_000
    timers.push(setTimeout(() => signalGroup(child, 'SIGTERM'), limit))
    timers.push(setTimeout(() => signalGroup(child, 'SIGKILL'), limit + 10_000))
  }
  child.on('error', (error) => resolve({ status: 127, output: `${command}: ${error.message}` }))
  // Kill every process that the command has left running: it could change the hugepage pools under a later suite.
  child.on('exit', () => signalGroup(child, 'SIGKILL'))
  child.on('close', (status, signal) => {
    resolve({ status: status ?? 128 + (signal ? constants.signals[signal] : 0), output })
  })
  try {
    return await promise
  } finally {
    running.delete(child)
    for (const timer of timers) clearTimeout(timer)
  }
}

/**
 * Runs a command that has five minutes, and returns its output.
 *
 * @throws with the output, if the command fails
 */
export async function succeed(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { status, output } = await run(command, args, { minutes: 5, ...options })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with status ${status}:\n${output}`)
  return output
}

/** Promise.withResolvers, which Node 20 does not have. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
