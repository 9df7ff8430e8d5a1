import * as z from 'zod/mini'
import { checked, later, list, text } from '../options.js'
import { type PerfReport, reportSchema } from './report.js'

// The schema of a document that is read from a file. Properties that it does not know are ignored, so that a later
// version of pinfold may add some.

/** The most bytes, results, intervals and buckets of a document. No document of `pinfold perf` comes near. */
const mostResults = 10_000
const mostIntervals = 1_000_000
const mostBuckets = 100_000
const longestText = 1000

const word = text(longestText)
const count = later(() => z.int().check(z.nonnegative()))
const positive = later(() => z.int().check(z.positive()))
const amount = later(() => z.number().check(z.nonnegative()))
const listOf = <Item extends z.core.$ZodType>(item: Item, most: number, least = 0) =>
  list(item, { least, most, expected: 'expected an array' })

const device = later(() =>
  z.object({
    name: word,
    kind: z.enum(['verbs', 'loopback']),
    node: z.nullable(count),
    port: count,
    linkState: word,
    linkLayer: word,
    mtu: count,
    gid: z.nullable(z.object({ index: count, gid: word, reason: word })),
  }),
)

const memory = later(() =>
  z.object({ pages: word, pageSize: positive, hugeShare: amount, nodes: listOf(count, mostResults) }),
)

/** The facts of the peer, which come from outside. */
export const hostSchema = later(() =>
  z.object({
    name: word,
    kernel: word,
    node: word,
    processor: word,
    cpus: word,
    pinned: z.boolean(),
    device,
    memory: z.nullable(memory),
  }),
)

const bucket = later(() => z.object({ from: count, to: positive, count: positive }))

const distribution = later(() =>
  z.object({
    unit: z.literal('ns'),
    count: positive,
    minimum: count,
    mean: amount,
    standardDeviation: amount,
    maximum: count,
    percentiles: z.object({ p50: count, p90: count, p99: count, p99_9: count, p99_99: count }),
    buckets: listOf(bucket, mostBuckets, 1),
  }),
)

const interval = later(() =>
  z.object({ end: amount, seconds: amount, gigabitsPerSecond: amount, messagesPerSecond: amount }),
)
const processor = later(() => z.object({ user: amount, system: amount }))
/** What the peer has compared. */
export const validationSchema = later(() => z.object({ messages: count, differences: count, first: z.nullable(word) }))

/** What the peer has sent. */
export const flowSchema = later(() =>
  z.object({
    messages: count,
    bytes: count,
    seconds: amount,
    gigabitsPerSecond: amount,
    messagesPerSecond: amount,
    intervals: listOf(interval, mostIntervals),
    minimum: z.optional(interval),
    peak: z.optional(interval),
    processor: z.optional(processor),
    validated: z.optional(validationSchema),
  }),
)

const flowResult = later(() =>
  z.object({ bytes: positive, local: z.optional(flowSchema), remote: z.optional(flowSchema), sum: flowSchema }),
)

/** What the peer has measured. */
export const latencySchema = later(() =>
  z.object({
    bytes: positive,
    iterations: count,
    seconds: amount,
    measured: z.enum(['half of the round trip', 'operation']),
    latency: distribution,
    late: z.optional(distribution),
    processor: z.optional(processor),
    validated: z.optional(validationSchema),
  }),
)

const registerResult = later(() =>
  z.object({
    bytes: positive,
    threads: positive,
    rounds: positive,
    memory,
    seconds: amount,
    first: distribution,
    register: distribution,
    close: distribution,
    nanosecondsPerPage: amount,
    nanosecondsPerGibibyte: amount,
  }),
)

const passedOver = later(() =>
  z.object({ pages: word, code: word, reason: text(10_000), hint: z.nullable(text(10_000)) }),
)

const optionValue = later(() =>
  z.union([z.number(), z.boolean(), z.null(), word, listOf(word, mostResults), listOf(z.number(), mostResults)]),
)

const report = later(() => {
  const head = {
    schema: z.literal(reportSchema),
    pinfold: word,
    time: word,
    local: hostSchema,
    remote: z.optional(hostSchema),
    options: z.record(word, optionValue),
  }
  const results = <Item extends z.core.$ZodType>(item: Item) => listOf(item, mostResults, 1)
  return z.discriminatedUnion('tool', [
    z.object({ ...head, tool: z.enum(['bandwidth', 'rate']), results: results(flowResult) }),
    z.object({ ...head, tool: z.literal('latency'), results: results(latencySchema) }),
    z.object({
      ...head,
      tool: z.literal('register'),
      results: results(registerResult),
      passedOver: listOf(passedOver, mostResults),
    }),
  ])
})

/**
 * Checks a document of `pinfold perf`.
 *
 * @param name the name of the document in messages, such as its file
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` that names the first wrong property
 */
export function checkedReport(name: string, document: unknown): PerfReport {
  return checked(name, report, document)
}
