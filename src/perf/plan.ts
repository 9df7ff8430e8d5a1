import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { later, list, optionsOf } from '../options.js'
import { whole } from '../rdma/contract/number-options.js'
import { mtus, type QueuePairType, queuePairTypes } from '../rdma/contract/states.js'

// What the two sides of a measurement have to agree on. Each side has wishes: the options that its user gave. The plan is
// made of the wishes of both, so that it is enough to give an option on one side. Both sides make it by the same rules.

export const tools = ['bandwidth', 'latency', 'rate'] as const
export type Tool = (typeof tools)[number]

export const operations = ['write', 'read', 'send', 'fetchAndAdd', 'compareAndSwap'] as const
/** The operation that is measured. */
export type Operation = (typeof operations)[number]

export const isAtomic = (operation: Operation): boolean => operation === 'fetchAndAdd' || operation === 'compareAndSwap'

/** The largest message of `--all`, and of `--size`: 2^30 bytes are the most that a port of Soft-RoCE sends. */
export const mostBytes = 2 ** 30
const mostQueuePairs = 128
const longestDuration = 7 * 24 * 3600
/** More would not fit into the numbers of requests. */
const mostIterations = 2 ** 40

/** The options of one side that must be the same on both, where both give them. */
export interface Wishes {
  readonly operation?: Operation | undefined
  readonly type?: QueuePairType | undefined
  /** Bytes of a message. Several are measured one after the other. */
  readonly sizes?: readonly number[] | undefined
  /** Messages of each queue pair and direction that are measured. */
  readonly iterations?: number | undefined
  /** Seconds, in place of `iterations`. */
  readonly duration?: number | undefined
  /** Messages of each queue pair that are sent before the measurement begins. */
  readonly warmup?: number | undefined
  readonly queuePairs?: number | undefined
  /** Every so many requests, one makes a completion. */
  readonly signalEvery?: number | undefined
  readonly sendDepth?: number | undefined
  readonly receiveDepth?: number | undefined
  /** Requests that are handed to the device in one call. */
  readonly postList?: number | undefined
  /** Messages up to this size are copied into the request. */
  readonly inlineBytes?: number | undefined
  readonly mtu?: number | undefined
  readonly bothDirections?: boolean | undefined
  readonly events?: boolean | undefined
  readonly connectionManager?: boolean | undefined
  readonly validate?: boolean | undefined
  /** Seconds between two lines of a measurement. */
  readonly interval?: number | undefined
  /** Messages a second, of all queue pairs of one direction. */
  readonly rate?: number | undefined
}

/** What is measured, with all defaults filled in. null stands for 'not limited', or 'as the device has it'. */
export interface Plan {
  readonly tool: Tool
  readonly operation: Operation
  readonly type: QueuePairType
  readonly sizes: readonly number[]
  readonly iterations: number | null
  readonly duration: number | null
  readonly warmup: number
  /** The most seconds of the warm-up, unless its messages were chosen. */
  readonly warmupSeconds: number | null
  readonly queuePairs: number
  readonly signalEvery: number
  readonly sendDepth: number
  readonly receiveDepth: number
  readonly postList: number
  readonly inlineBytes: number
  readonly mtu: number | null
  readonly bothDirections: boolean
  readonly events: boolean
  readonly connectionManager: boolean
  readonly validate: boolean
  readonly interval: number | null
  readonly rate: number | null
}

const depth = later(() => whole(1, 2 ** 15))
const seconds = (most: number) =>
  z
    .number()
    .check(z.refine((value) => value > 0 && value <= most, { error: `expected seconds, above 0 and up to ${most}` }))

/** The wishes of one side. Those of the peer come from outside. */
export const wishesSchema = later(() =>
  optionsOf<Wishes>()({
    operation: z.optional(z.enum(operations, { error: `expected one of ${operations.join(', ')}` })),
    type: z.optional(z.enum(queuePairTypes.all, { error: `expected one of ${queuePairTypes.all.join(', ')}` })),
    sizes: z.optional(list(whole(1, mostBytes), { least: 1, most: 64, expected: 'expected sizes' })),
    iterations: z.optional(whole(1, mostIterations)),
    duration: z.optional(seconds(longestDuration)),
    warmup: z.optional(whole(0, mostIterations)),
    queuePairs: z.optional(whole(1, mostQueuePairs)),
    signalEvery: z.optional(depth),
    sendDepth: z.optional(depth),
    receiveDepth: z.optional(depth),
    postList: z.optional(depth),
    inlineBytes: z.optional(whole(0, 4096)),
    mtu: z.optional(
      z.number().check(z.refine((value) => mtus.has(value), { error: `expected ${[...mtus.keys()].join(', ')}` })),
    ),
    bothDirections: z.optional(z.boolean()),
    events: z.optional(z.boolean()),
    connectionManager: z.optional(z.boolean()),
    validate: z.optional(z.boolean()),
    interval: z.optional(seconds(3600)),
    rate: z.optional(
      z.number().check(
        z.refine((value) => value > 0 && value <= 1e9, {
          error: 'expected messages a second, above 0 and up to 10^9',
        }),
      ),
    ),
  }),
)

/**
 * The wishes of both sides as one.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` that tells both values of each option in which they differ
 */
export function agreed(ours: Wishes & { readonly tool: Tool }, theirs: Wishes & { readonly tool: Tool }): Wishes {
  const differences: string[] = []
  const both: Record<string, unknown> = { ...theirs, ...ours }
  for (const [name, here] of Object.entries(ours)) {
    const there: unknown = Reflect.get(theirs, name)
    if (here === undefined) both[name] = there
    else if (there !== undefined && JSON.stringify(there) !== JSON.stringify(here)) {
      differences.push(`${spelled(name)} is ${shown(here)} here and ${shown(there)} at the peer`)
    }
  }
  if (differences.length > 0) {
    throw new PinfoldError(`perf: the options of the two sides differ: ${differences.join('; ')}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { differences },
      hint: 'give an option on one side only, or the same value on both',
    })
  }
  const { tool, ...wishes } = both
  return wishes
}

/** The option of the command line that sets a property of the plan. */
function spelled(name: string): string {
  const options: Readonly<Record<string, string>> = {
    tool: 'the command',
    type: '--connection',
    sizes: '--size',
    queuePairs: '--queue-pairs',
    signalEvery: '--signal-every',
    sendDepth: '--send-depth',
    receiveDepth: '--receive-depth',
    postList: '--post-list',
    inlineBytes: '--inline',
    bothDirections: '--both',
    connectionManager: '--connection-manager',
  }
  return options[name] ?? `--${name}`
}

function shown(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value)
}

/**
 * The plan of a tool and of wishes.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for options that exclude each other
 */
export function planOf(tool: Tool, wishes: Wishes): Plan {
  const { operation = 'write', type = 'RC', duration = null } = wishes
  const isLatency = tool === 'latency'
  const sendDepth = wishes.sendDepth ?? 128
  const sizes = wishes.sizes ?? [isAtomic(operation) ? 8 : tool === 'bandwidth' ? 65_536 : tool === 'rate' ? 64 : 2]
  const largest = Math.max(...sizes)
  const postList = wishes.postList ?? (tool === 'rate' ? Math.min(32, sendDepth) : 1)
  const plan: Plan = {
    tool,
    operation,
    type,
    sizes,
    iterations: duration === null ? (wishes.iterations ?? (isLatency ? 1000 : 5000)) : null,
    duration,
    // V8 compiles the loops meanwhile: on an emulated processor, 1000 messages were not enough.
    warmup: wishes.warmup ?? (tool === 'bandwidth' ? 100 : 5000),
    warmupSeconds: wishes.warmup === undefined ? 1 : null,
    queuePairs: wishes.queuePairs ?? 1,
    signalEvery: wishes.signalEvery ?? (largest > 8192 || isLatency ? 1 : Math.min(32, sendDepth)),
    sendDepth,
    receiveDepth: wishes.receiveDepth ?? 512,
    postList,
    inlineBytes: wishes.inlineBytes ?? (isLatency && (operation === 'write' || operation === 'send') ? 64 : 0),
    mtu: wishes.mtu ?? null,
    bothDirections: wishes.bothDirections ?? false,
    events: wishes.events ?? false,
    connectionManager: wishes.connectionManager ?? false,
    validate: wishes.validate ?? false,
    interval: wishes.interval ?? null,
    rate: wishes.rate ?? null,
  }
  requirePossible(plan, wishes)
  return plan
}

/** Combinations that have no meaning. Each rule is a condition, and what the user should do. */
function requirePossible(plan: Plan, wishes: Wishes): void {
  const { tool, operation, type, sizes, sendDepth, receiveDepth } = plan
  const isLatency = tool === 'latency'
  const rules: readonly (readonly [isWrong: boolean, message: string])[] = [
    [wishes.iterations !== undefined && wishes.duration !== undefined, 'give --iterations or --duration, not both'],
    [type === 'UD' && operation !== 'send', `datagrams (UD) carry sends alone, not ${operation}`],
    [
      type === 'UC' && operation !== 'send' && operation !== 'write',
      `UC carries write and send, not ${operation}: use RC`,
    ],
    [type !== 'RC' && plan.connectionManager, `--connection-manager connects queue pairs of type RC, not ${type}`],
    [
      isAtomic(operation) && sizes.some((size) => size !== 8),
      `${operation} works on 8 bytes: leave --size and --all out`,
    ],
    [plan.signalEvery > sendDepth, `--signal-every (${plan.signalEvery}) may be at most --send-depth (${sendDepth})`],
    [plan.postList > sendDepth, `--post-list (${plan.postList}) may be at most --send-depth (${sendDepth})`],
    [isLatency && plan.bothDirections, 'a latency has no --both: it is one message there and one back'],
    [isLatency && plan.queuePairs > 1, 'latency is measured on one queue pair: leave --queue-pairs out'],
    [isLatency && wishes.postList !== undefined, 'latency has one message on the way: leave --post-list out'],
    [isLatency && wishes.signalEvery !== undefined, 'latency has one message on the way: leave --signal-every out'],
    [
      isLatency && plan.events && operation === 'write',
      'the latency of a write is polled on memory, which makes no event: use --operation send with --events',
    ],
    [type !== 'RC' && plan.validate, `--validate needs a reliable connection (RC): ${type} may lose messages`],
    [
      isLatency && plan.validate && operation !== 'write' && operation !== 'send',
      'latency with --validate is for write and send',
    ],
    [operation === 'send' && receiveDepth < 2, '--receive-depth must be 2 or more for sends'],
  ]
  const wrong = rules.find(([isWrong]) => isWrong)
  if (wrong === undefined) return
  throw new PinfoldError(`perf: ${wrong[1]}`, { code: 'ERR_INVALID_ARGUMENT', values: { tool, operation, type } })
}
