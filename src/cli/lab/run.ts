import { constants } from 'node:os'
import { Transform } from 'node:stream'
import { defineCommand } from 'citty'
import { type LabResult, runLab } from '../../lab/run-lab.js'
import { badArgument, parseCount } from '../arguments.js'
import { Output } from '../output.js'
import { machineArguments, machineOptions } from './machine-arguments.js'

/** Runs a command in one or several virtual machines, and returns its exit status. */
export const run = defineCommand({
  meta: { name: 'run', description: 'Run a command there, over this machine’s files: run [options] -- command…' },
  args: {
    command: { type: 'positional', description: 'The command and its arguments, after --', required: false },
    hosts: { type: 'string', description: 'Machines, joined by a wire (1)' },
    ...machineArguments,
    json: { type: 'boolean', description: 'Print one JSON object about the run, on stderr, when it is over' },
  },
  async run({ args, rawArgs }) {
    const output = new Output({ json: false })
    const hosts = args.hosts === undefined ? 1 : parseCount(args.hosts, 'machines', 1)
    const options = { ...machineOptions(args), hosts, command: commandOf(rawArgs) }
    const result = await whileInterruptible((signal) =>
      runLab(
        { ...options, signal },
        (host) => ({
          stdin: host === 0 && process.stdin.isTTY !== true ? process.stdin : undefined,
          stdout: labelled(process.stdout, host, hosts),
          stderr: labelled(process.stderr, host, hosts),
          console: args.verbose === true ? labelled(process.stderr, host, hosts) : undefined,
        }),
        { progress: (what) => output.progress(what) },
      ).finally(() => output.clearProgress()),
    )
    // A pipe that waits for us to read it would keep this process alive.
    process.stdin.destroy()
    if (typeof result === 'number') return result
    if (result.timedOut) output.complain(`the lab was taken down after ${args['time-limit']} seconds`)
    if (args.json === true) output.complain(JSON.stringify(report(result)))
    return result.status
  },
})

function report({ status, timedOut, hosts, accelerator, kernel, out }: LabResult) {
  return {
    schema: 'pinfold/lab-run/1',
    status,
    timedOut,
    accelerator,
    kernel,
    out: out ?? null,
    hosts: hosts.map((host) => ({ status: host.status, startSeconds: host.startSeconds })),
  }
}

/** The words after `--`. */
function commandOf(words: readonly string[]): string[] {
  const dashes = words.indexOf('--')
  const command = dashes < 0 ? [] : words.slice(dashes + 1)
  if (command.length > 0) return command
  throw badArgument('a command after --, such as: pinfold lab run -- ibv_devinfo', words[0])
}

/** With several machines each line begins with the number of its own. */
function labelled(stream: NodeJS.WriteStream, host: number, hosts: number): NodeJS.WritableStream & Transform {
  let isLineStart = true
  const label = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (hosts === 1) return done(null, chunk)
      const lines = chunk.toString('latin1').split(/(?<=\n)/)
      const text = lines.map((line) => {
        const begin = isLineStart ? `${host}| ` : ''
        isLineStart = line.endsWith('\n')
        return begin + line
      })
      done(null, Buffer.from(text.join(''), 'latin1'))
    },
  })
  label.pipe(stream, { end: false })
  return label
}

/** Ctrl-C, and what else asks a process to end, takes the machines down; the status is the shell's for such an end. */
export async function whileInterruptible<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T | number> {
  const stop = new AbortController()
  let status = 0
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const interrupted = (signal: NodeJS.Signals) => {
    status = 128 + constants.signals[signal]
    stop.abort(new Error(signal))
  }
  for (const signal of signals) process.on(signal, interrupted)
  try {
    return await body(stop.signal)
  } catch (error) {
    if (status !== 0) return status
    throw error
  } finally {
    for (const signal of signals) process.off(signal, interrupted)
  }
}
