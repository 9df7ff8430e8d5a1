import type { LocalOptions } from '../../perf/local-options.js'
import { mostBytes, type Operation, operations, type Wishes } from '../../perf/plan.js'
import { mtus, queuePairTypes } from '../../rdma/contract/states.js'
import { badArgument, commonArguments, parseCount, parseLength } from '../arguments.js'

/** The TCP port of perftest. */
const defaultTcpPort = 18_515

const text = (description: string, valueHint: string, alias?: string) =>
  ({ type: 'string', description, valueHint, ...(alias === undefined ? {} : { alias }) }) as const
const flag = (description: string, alias?: string) =>
  ({ type: 'boolean', description, ...(alias === undefined ? {} : { alias }) }) as const

/** The options of bandwidth, latency and rate. The letters are those of perftest. */
export const measurementArguments = {
  host: {
    type: 'positional',
    description: 'The host of the server. Without it, this side is the server',
    required: false,
  },
  operation: text(`One of ${operations.join(', ')} (default: write)`, 'name'),
  connection: text('The transport: RC, UC or UD (default: RC)', 'type', 'c'),
  device: text("The RDMA device; 'loopback' for the loopback (default: the first one)", 'name', 'd'),
  'device-port': text('The port of the device (default: 1)', 'number', 'i'),
  'gid-index': text('The index of the GID (default: the best one)', 'number', 'x'),
  'tcp-port': text(
    `The TCP port at which the two sides meet; 0: any, which the server prints (default: ${defaultTcpPort})`,
    'number',
    'p',
  ),
  wait: text('Seconds for which a client tries to reach its server (default: 10)', 'seconds'),
  keep: flag('Server: serve one client after another, until Ctrl-C'),
  size: text('Bytes of a message: 64, 4KiB or several: 64,4KiB', 'sizes', 's'),
  all: flag('Measure all sizes from 2 bytes to 8 MiB, in powers of two', 'a'),
  iterations: text('Messages of each queue pair (default: 5000; latency: 1000)', 'number', 'n'),
  duration: text('Seconds, in place of --iterations', 'seconds', 'D'),
  warmup: text(
    'Messages of each queue pair that do not count (default: 5000, bandwidth: 100, in at most a second)',
    'number',
  ),
  'queue-pairs': text('Queue pairs at the same time, up to 128 (default: 1)', 'number', 'q'),
  'signal-every': text('One completion for so many messages (default: 32; above 8 KiB: 1)', 'number', 'Q'),
  'send-depth': text('Messages that may be on the way on a queue pair (default: 128)', 'number', 't'),
  'receive-depth': text('Receives that are posted on a queue pair (default: 512)', 'number', 'r'),
  'post-list': text('Messages that are posted in one call (default: 1; rate: 32)', 'number', 'l'),
  inline: text('Copy messages up to this size into the request (default: 0; latency: 64)', 'bytes', 'I'),
  mtu: text(`Bytes of a packet: ${[...mtus.keys()].join(', ')} (default: the port's)`, 'bytes', 'm'),
  both: flag('Both sides send at the same time', 'b'),
  events: flag('Wait for completions by events, not by polling', 'e'),
  'connection-manager': flag('Connect the queue pairs by the connection manager (librdmacm)', 'R'),
  'cpu-frequency': flag('Nothing: perftest warns of frequency scaling, pinfold uses no cycle counter', 'F'),
  interval: text('Print a line every so many seconds', 'seconds'),
  rate: text('Send so many messages a second', 'number'),
  validate: flag('Check the bytes of the messages at the receiver'),
  pages: text('Kinds of pages of the memory, in order of preference: 2MiB,base (default: best)', 'kinds'),
  node: text('The NUMA node of the memory', 'number'),
  cpus: text('The CPUs that the measuring thread may run on: 2 or 0-3', 'list'),
  html: text('Also write a page with charts to this file', 'file'),
  ...commonArguments,
} as const

type Words = { readonly [Name in keyof typeof measurementArguments]?: string | boolean | undefined }

/** What the words of a command line ask for. */
export interface Request {
  readonly host: string | undefined
  readonly tcpPort: number
  /** Seconds. */
  readonly wait: number
  readonly keep: boolean
  readonly cpus: string | undefined
  /** The file for the page with charts. */
  readonly html: string | undefined
  readonly wishes: Wishes
  readonly local: LocalOptions
}

/** @throws PinfoldError `ERR_INVALID_ARGUMENT` that names the word */
export function requestOf(words: Words): Request {
  const { host } = words
  const isServer = typeof host !== 'string'
  if (isServer && words.wait !== undefined) throw badArgument('--wait on the client alone', words.wait)
  if (!isServer && words.keep === true) throw badArgument('--keep on the server alone', host)
  return {
    host: typeof host === 'string' ? host : undefined,
    tcpPort: count(words['tcp-port'], '--tcp-port') ?? defaultTcpPort,
    wait: seconds(words.wait, '--wait') ?? 10,
    keep: words.keep === true,
    cpus: cpuList(words.cpus),
    html: word(words.html),
    wishes: wishesOf(words),
    local: {
      device: word(words.device),
      port: count(words['device-port'], '--device-port', 1),
      gidIndex: count(words['gid-index'], '--gid-index'),
      pages: word(words.pages)?.split(','),
      node: count(words.node, '--node'),
      isPinned: words.cpus !== undefined,
    },
  }
}

function wishesOf(words: Words): Wishes {
  if (words.size !== undefined && words.all === true) throw badArgument('--size or --all, not both', words.size)
  return {
    operation: oneOf<Operation>(words.operation, 'operation', operations),
    type: oneOf(word(words.connection)?.toUpperCase(), 'transport', queuePairTypes.all),
    sizes: sizesOf(words),
    iterations: count(words.iterations, '--iterations', 1),
    duration: seconds(words.duration, '--duration'),
    warmup: count(words.warmup, '--warmup'),
    queuePairs: count(words['queue-pairs'], '--queue-pairs', 1),
    signalEvery: count(words['signal-every'], '--signal-every', 1),
    sendDepth: count(words['send-depth'], '--send-depth', 1),
    receiveDepth: count(words['receive-depth'], '--receive-depth', 1),
    postList: count(words['post-list'], '--post-list', 1),
    inlineBytes: word(words.inline) === undefined ? undefined : length(words.inline, '--inline', 0),
    mtu: count(words.mtu, '--mtu', 1),
    bothDirections: isGiven(words.both),
    events: isGiven(words.events),
    connectionManager: isGiven(words['connection-manager']),
    validate: isGiven(words.validate),
    interval: seconds(words.interval, '--interval'),
    rate: seconds(words.rate, '--rate'),
  }
}

function sizesOf(words: Words): number[] | undefined {
  if (words.all === true) return Array.from({ length: 23 }, (_, power) => 2 ** (power + 1))
  return word(words.size)
    ?.split(',')
    .map((size) => length(size, '--size', 1))
}

/** A flag that is not given asks for nothing: the peer decides. */
const isGiven = (given: string | boolean | undefined): true | undefined => (given === true ? true : undefined)
const word = (given: string | boolean | undefined): string | undefined =>
  typeof given === 'string' ? given : undefined

function count(given: string | boolean | undefined, what: string, least = 0): number | undefined {
  return typeof given === 'string' ? parseCount(given, what, least) : undefined
}

function length(given: string | boolean | undefined, what: string, least: number): number {
  const bytes = typeof given === 'string' && given !== '0' ? parseLength(given) : 0
  if (bytes >= least && bytes <= mostBytes) return bytes
  throw badArgument(`${what} from ${least} to ${mostBytes} bytes`, given)
}

/** A number above 0, which may have a fraction. */
function seconds(given: string | boolean | undefined, what: string): number | undefined {
  if (typeof given !== 'string') return undefined
  const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN
  if (value > 0) return value
  throw badArgument(`${what} as a number above 0`, given)
}

function oneOf<Name extends string>(
  given: string | boolean | undefined,
  what: string,
  names: readonly Name[],
): Name | undefined {
  if (typeof given !== 'string') return undefined
  const found = names.find((name) => name === given)
  if (found === undefined) throw badArgument(`one of ${names.join(', ')} as the ${what}`, given)
  return found
}

function cpuList(given: string | boolean | undefined): string | undefined {
  if (typeof given !== 'string') return undefined
  if (/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(given)) return given
  throw badArgument("CPUs such as '2', '0,1' or '0-3'", given)
}
