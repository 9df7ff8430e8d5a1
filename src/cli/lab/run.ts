import { constants } from 'node:os'
import type { Transform } from 'node:stream'
import { defineCommand } from 'citty'
import { mostHosts } from '../../lab/lab-options.js'
import { type LabResult, runLab } from '../../lab/run-lab.js'
import { ownCommand } from '../../system/own-command.js'
import { badArgument, parseCount } from '../arguments.js'
import { Output } from '../output.js'
import { labelled } from './labelled.js'
import { machineArguments, machineOptions } from './machine-arguments.js'

const hostNames = ['host0', 'host1', 'host2', 'host3', 'host4', 'host5', 'host6', 'host7'] as const
type HostWords = { readonly [name in (typeof hostNames)[number] | 'hosts']?: string | undefined }

const ofHost = (host: number) =>
  ({
    type: 'string',
    description: `The command of machine ${host}, for a shell, in place of the one after --`,
  }) as const
const hostArguments = {
  host0: ofHost(0),
  host1: ofHost(1),
  host2: ofHost(2),
  host3: ofHost(3),
  host4: ofHost(4),
  host5: ofHost(5),
  host6: ofHost(6),
  host7: ofHost(7),
}

/** Runs a command in one or several virtual machines, and returns its exit status. */
export const run = defineCommand({
  meta: {
    name: 'run',
    description: 'Run a command in virtual machines that see this machine’s files: run [options] -- command…',
  },
  args: {
    command: { type: 'positional', description: 'The command and its arguments, after --', required: false },
    hosts: { type: 'string', description: 'The number of machines, connected to each other (default: 1)' },
    ...hostArguments,
    ...machineArguments,
    json: { type: 'boolean', description: 'Print one JSON object about the run, on stderr, when it is over' },
  },
  async run({ args, rawArgs }) {
    const output = new Output({ json: false })
    const commands = commandsOf(args, rawArgs)
    const hosts = commands.length
    const options = { ...machineOptions(args, rawArgs), commands }
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
    else if (hosts > 1) output.complain(result.hosts.map(ending).join('; '))
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

/** How a host ended, and after how long. */
function ending(result: LabResult['hosts'][number], host: number): string {
  if (result === undefined) return `host ${host} was shut down`
  return `host ${host} ended with ${result.status} after ${result.seconds.toFixed(1)} s`
}

/** The command of each host: its own, which a shell runs, or the words after `--`. */
function commandsOf(args: HostWords, rawArgs: readonly string[]): (readonly string[])[] {
  const dashes = rawArgs.indexOf('--')
  const common = dashes < 0 ? [] : rawArgs.slice(dashes + 1)
  const own = hostNames.map((name) => args[name])
  const last = own.findLastIndex((words) => words !== undefined)
  const hosts = args.hosts === undefined ? Math.max(1, last + 1) : parseCount(args.hosts, 'machines', 1)
  if (last >= hosts) throw badArgument(`--hosts ${last + 1} or more for --host${last}`, args.hosts)
  if (hosts > mostHosts) throw badArgument(`--hosts from 1 to ${mostHosts}`, args.hosts)
  return Array.from({ length: hosts }, (_, host) => {
    const words = own[host]
    if (words !== undefined) return ['sh', '-c', words]
    if (common.length > 0) return common
    const example = last < 0 ? 'lab run -- ibv_devinfo' : `lab run --host${host} 'ibv_devinfo'`
    const what = last < 0 ? 'a command after --' : `a command for host ${host}`
    throw badArgument(`${what}, such as: ${ownCommand(example)}`, rawArgs[0])
  })
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
