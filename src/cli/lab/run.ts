import { constants } from 'node:os'
import type { Transform } from 'node:stream'
import { defineCommand } from 'citty'
import { type LabResult, runLab } from '../../lab/run-lab.js'
import { ownCommand } from '../../system/own-command.js'
import { badArgument, parseCount } from '../arguments.js'
import { Output } from '../output.js'
import { labelled } from './labelled.js'
import { machineArguments, machineOptions } from './machine-arguments.js'

/** Runs a command in one or several virtual machines, and returns its exit status. */
export const run = defineCommand({
  meta: {
    name: 'run',
    description: 'Run a command in virtual machines that see this machine’s files: run [options] -- command…',
  },
  args: {
    command: { type: 'positional', description: 'The command and its arguments, after --', required: false },
    hosts: { type: 'string', description: 'The number of machines, connected to each other (default: 1)' },
    ...machineArguments,
    json: { type: 'boolean', description: 'Print one JSON object about the run, on stderr, when it is over' },
  },
  async run({ args, rawArgs }) {
    const output = new Output({ json: false })
    const hosts = args.hosts === undefined ? 1 : parseCount(args.hosts, 'machines', 1)
    const options = { ...machineOptions(args, rawArgs), hosts, command: commandOf(rawArgs) }
    const labels: Transform[] = []
    const saidBy = (stream: NodeJS.WriteStream, host: number) => {
      if (hosts === 1) return stream
      const label = labelled(stream, host)
      labels.push(label)
      return label
    }
    const result = await whileInterruptible((signal) =>
      runLab(
        { ...options, signal },
        (host) => ({
          stdin: host === 0 && process.stdin.isTTY !== true ? process.stdin : undefined,
          stdout: saidBy(process.stdout, host),
          stderr: saidBy(process.stderr, host),
          console: args.verbose === true ? process.stderr : undefined,
        }),
        (what) => output.progress(what),
      ).finally(() => {
        output.clearProgress()
        for (const label of labels) label.end()
      }),
    )
    // A pipe on stdin that is still open would keep this process alive.
    process.stdin.destroy()
    if (typeof result === 'number') return result
    if (result.timedOut) output.complain(`the lab was shut down after ${args['time-limit']} seconds`)
    if (result.out !== undefined && args.out === undefined) output.complain(`$LAB_OUT is in ${result.out}`)
    if (args.json === true) output.complain(JSON.stringify(report(result)))
    return result.status
  },
})

function report({ status, timedOut, hosts, arch, accelerator, kernel, out }: LabResult) {
  return {
    schema: 'pinfold/lab-run/1',
    status,
    timedOut,
    arch,
    accelerator,
    kernel,
    out: out ?? null,
    hosts: hosts.map((host) => (host === undefined ? null : { ...host })),
  }
}

/** The words after `--`. */
function commandOf(words: readonly string[]): string[] {
  const dashes = words.indexOf('--')
  const command = dashes < 0 ? [] : words.slice(dashes + 1)
  if (command.length > 0) return command
  throw badArgument(`a command after --, such as: ${ownCommand('lab run -- ibv_devinfo')}`, words[0])
}

/**
 * Runs `body`, and aborts it on Ctrl-C, SIGTERM or SIGHUP, which shuts the machines down. The status is then the one
 * that a shell gives for the signal.
 */
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
