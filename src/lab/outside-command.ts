import { spawn } from 'node:child_process'
import { PinfoldError } from '../errors.js'

interface Surroundings {
  /** The folder in which the command runs; the current one by default. */
  readonly folder?: string | undefined
  /** The command that repairs a failure. */
  readonly hint?: string | undefined
}

/** Runs a command, and returns its stdout. @throws PinfoldError `ERR_LAB_UNAVAILABLE` with the end of its stderr */
export async function outputOf(
  command: string,
  args: readonly string[],
  { folder, hint }: Surroundings = {},
): Promise<string> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    ...(folder === undefined ? {} : { cwd: folder }),
  })
  let said = ''
  let complained = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complained += text
  })
  const status = await new Promise<number | string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (status, signal) => resolve(status ?? signal ?? 'ended'))
  })
  if (status === 0) return said
  const line = [command, ...args].join(' ')
  throw new PinfoldError(`lab: '${line}' failed (${status}): ${complained.trim().split('\n').slice(-3).join('; ')}`, {
    code: 'ERR_LAB_UNAVAILABLE',
    values: { command: line, status },
    ...(hint === undefined ? {} : { hint }),
  })
}
