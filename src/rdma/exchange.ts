import type { Duplex } from 'node:stream'
import * as z from 'zod/mini'
import { isAborted, throwIfAborted } from '../abort.js'
import { now } from '../builtins.js'
import { PinfoldError } from '../errors.js'
import { checked, later, list, optionsObject, optionsOf, signalOption, table, text } from '../options.js'
import { isDuplex, type Limits, MessageStream } from '../streams/message-stream.js'
import {
  type ConnectOptions,
  connectOptions,
  descriptionSchema,
  type QueuePairDescription,
  requireSameType,
} from './connection.js'
import { whole } from './contract/number-options.js'
import type { MemoryWindow } from './memory-window.js'
import { deviceObject } from './object-checks.js'
import type { QueuePair } from './queue-pair.js'
import type { Registration } from './registration.js'
import { type RemoteMemory, remoteMemoryOf, remoteMemorySchema } from './remote-memory.js'

const defaultTimeout = 10_000
const longestTimeout = 2 ** 31 - 1
/** So many descriptions fit into one message. */
const mostMemories = 256
const longestReason = 1000

const memoryName = later(() =>
  z
    .string()
    .check(z.regex(/^[\w.-]{1,64}$/, { error: "expected a name of 1 to 64 letters, digits, '_', '-' and '.'" })),
)
const streamArgument = later(() =>
  z.custom<Duplex>(isDuplex, { error: 'expected a stream that can be read and written (a Duplex of node:stream)' }),
)
const exchangeOptions = later(() =>
  optionsOf<ExchangeOptions>()({
    queuePair: deviceObject('queue pair'),
    memory: z.optional(
      table(memoryName, z.union([deviceObject('registration'), deviceObject('memory window')]), {
        most: mostMemories,
        expected: 'expected registrations and memory windows by name',
      }),
    ),
    connect: z.optional(connectOptions),
    timeout: z.optional(whole(1, longestTimeout)),
    signal: z.optional(signalOption),
  }),
)

const failure = later(() => optionsObject({ failed: text(longestReason) }))
const greetingSchema = later(() =>
  z.union([
    optionsObject({
      exchange: z.literal('queue pair'),
      queuePair: descriptionSchema,
      memory: list(optionsObject({ name: memoryName, memory: remoteMemorySchema }), {
        most: mostMemories,
        expected: 'expected memories',
      }),
    }),
    failure,
  ]),
)
const readySchema = later(() => z.union([optionsObject({ ready: z.literal(true) }), failure]))

/** Options of {@link exchange}. */
export interface ExchangeOptions {
  /** Our queue pair. RC and UC: in RESET or INIT. It is connected to the peer's. UD: it is activated, unless it is. */
  readonly queuePair: QueuePair
  /** Memory that the peer shall reach: registrations and bound memory windows, by name. At most 256. Default: none. */
  readonly memory?: Readonly<Record<string, Registration | MemoryWindow>> | undefined
  /** The options of `queuePair.connect()`. Its `access` gives the peer its rights. Default: none. */
  readonly connect?: ConnectOptions | undefined
  /** Milliseconds for the whole conversation, from 1 to 2^31 - 1. Default: 10,000. */
  readonly timeout?: number | undefined
  /** Stops the conversation. */
  readonly signal?: AbortSignal | undefined
}

/** The result of {@link exchange}. */
export interface Exchanged {
  /** The peer's memory, by the names that the peer has given. */
  readonly remote: Readonly<Record<string, RemoteMemory>>
  /** The description of the peer's queue pair. Datagrams are sent to it by an address handle of its `gid`. */
  readonly peer: QueuePairDescription
}

/**
 * Connects two queue pairs over a stream. Both sides call it, over the two ends of any connected stream: a socket of
 * node:net or node:tls, a pipe of a child process, a pair of Duplex. Each side sends the descriptions of its queue pair
 * and of its memory, checks those of the peer, and connects. Both calls return when both queue pairs are ready, so the
 * first request meets a peer that can receive.
 *
 * The stream belongs to the caller. It stays open, and bytes that the peer sends afterwards stay in it. The keys of the
 * memory pass over it, so use a stream that others cannot read.
 *
 * @param stream - its `data` must not be read by others during the call
 * @throws the signal's reason; PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_OBJECT_CLOSED`; `ERR_PEER_CLOSED`,
 *   `ERR_PEER_TIMEOUT`, `ERR_PEER_PROTOCOL`; `ERR_PEER_REFUSED` when the peer could not do its part; errors of
 *   `connect()`. After an error, the queue pair is in RESET if the call had begun to connect it
 */
export async function exchange(stream: Duplex, options: ExchangeOptions): Promise<Exchanged> {
  const to = checked('exchange: stream', streamArgument, stream)
  const { queuePair, memory, connect, timeout = defaultTimeout, signal } = checked('exchange', exchangeOptions, options)
  throwIfAborted(signal)
  const greeting = {
    exchange: 'queue pair',
    queuePair: queuePair.describe(),
    memory: [...(memory ?? [])].map(([name, of]) => ({ name, memory: of.describe() })),
  }
  const messages = new MessageStream(to, 'exchange')
  const limits = { signal, deadline: now() + timeout }
  messages.send(greeting)
  try {
    return await converse(messages, queuePair, connect ?? {}, limits)
  } catch (error) {
    tell(messages, error, isAborted(signal))
    throw error
  }
}

async function converse(
  messages: MessageStream,
  queuePair: QueuePair,
  connect: ConnectOptions,
  limits: Limits,
): Promise<Exchanged> {
  const theirs = await messages.receive(greetingSchema, limits)
  if ('failed' in theirs) throw refused(theirs.failed)
  const { queuePair: peer, memory } = theirs
  requireOther(queuePair, peer)
  requireSameType('exchange', queuePair, peer)
  const isReady = queuePair.type === 'UD' && queuePair.state === 'RTS'
  if (queuePair.type !== 'UD') queuePair.connect(peer, connect)
  else if (!isReady) queuePair.activate()
  try {
    messages.send({ ready: true })
    const answer = await messages.receive(readySchema, limits)
    if ('failed' in answer) throw refused(answer.failed)
  } catch (error) {
    if (!isReady) reset(queuePair)
    throw error
  }
  const remote = Object.fromEntries(memory.map(({ name, memory: described }) => [name, remoteMemoryOf(described)]))
  return { remote, peer }
}

/** A stream that sends our bytes back would connect the queue pair to itself. @throws PinfoldError `ERR_PEER_PROTOCOL` */
function requireOther(queuePair: QueuePair, peer: QueuePairDescription): void {
  const { gid, number } = queuePair.describe()
  if (peer.number !== number || peer.gid !== gid) return
  throw new PinfoldError('exchange: the peer sent the description of our own queue pair', {
    code: 'ERR_PEER_PROTOCOL',
    values: { gid, number },
    hint: 'give both ends of the stream to two queue pairs',
  })
}

/** The peer is not ready, so no request may reach it. */
function reset(queuePair: QueuePair): void {
  try {
    if (!queuePair.closed) queuePair.modify({ state: 'RESET' })
  } catch {
    // The device refuses this, too. The caller gets the first error.
  }
}

/** Tells the peer that we give up. The peer would find out at its own deadline otherwise. */
function tell(messages: MessageStream, error: unknown, isStopped: boolean): void {
  // A peer that has given up, or is gone, needs no word.
  const isOver =
    error instanceof PinfoldError && (error.code === 'ERR_PEER_REFUSED' || error.code === 'ERR_PEER_CLOSED')
  const told = error instanceof PinfoldError && !isOver ? error.message : undefined
  const reason = isStopped ? 'it was stopped' : told
  if (reason === undefined) return
  try {
    messages.sendLast({ failed: reason.slice(0, longestReason) })
  } catch {
    // The stream is closed, which tells the peer as well.
  }
}

function refused(reason: string): PinfoldError {
  return new PinfoldError(`exchange: the peer gave up: ${reason}`, { code: 'ERR_PEER_REFUSED', values: { reason } })
}
