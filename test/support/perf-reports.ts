import { distributionOf } from '../../src/perf/distribution.js'
import { Histogram } from '../../src/perf/histogram.js'
import type {
  Distribution,
  Flow,
  FlowReport,
  HostFacts,
  LatencyReport,
  RegisterReport,
  RegisterResult,
} from '../../src/perf/report.js'

// Documents of `pinfold perf`, as runs write them.

export const host: HostFacts = {
  name: 'anvil',
  kernel: '6.18.0',
  node: 'v24.1.0',
  processor: 'A Processor',
  cpus: '0-3',
  pinned: false,
  device: {
    name: 'rxe0',
    kind: 'verbs',
    node: 0,
    port: 1,
    linkState: 'ACTIVE',
    linkLayer: 'Ethernet',
    mtu: 1024,
    gid: { index: 1, gid: '::ffff:10.77.0.1', reason: 'RoCE v2 with an IPv4 address' },
  },
  memory: { pages: '2MiB', pageSize: 2 ** 21, hugeShare: 1, nodes: [0] },
}

const head = { schema: 'pinfold/perf/1', pinfold: '0.1.0', time: '2026-11-30T12:00:00.000Z', local: host } as const

/** A distribution of these nanoseconds. */
export function distribution(...nanoseconds: readonly number[]): Distribution {
  const histogram = new Histogram()
  for (const one of nanoseconds) histogram.record(one)
  return distributionOf(histogram)
}

/** A flow of one second; `intervals` are the Gbit/s of each of its parts. */
export function flow(gigabitsPerSecond: number, bytes: number, ...intervals: readonly number[]): Flow {
  const perSecond = (gigabits: number) => (gigabits * 1e9) / 8 / bytes
  const parts = intervals.map((gigabits, at) => ({
    end: (at + 1) / intervals.length,
    seconds: 1 / intervals.length,
    gigabitsPerSecond: gigabits,
    messagesPerSecond: perSecond(gigabits),
  }))
  const messages = Math.round(perSecond(gigabitsPerSecond))
  return {
    messages,
    bytes: messages * bytes,
    seconds: 1,
    gigabitsPerSecond,
    messagesPerSecond: messages,
    intervals: parts,
    minimum: parts.toSorted((one, other) => one.gigabitsPerSecond - other.gigabitsPerSecond)[0],
    peak: parts.toSorted((one, other) => other.gigabitsPerSecond - one.gigabitsPerSecond)[0],
    processor: { user: 0.5, system: 0.25 },
  }
}

/** A document of `perf bandwidth`: the Gbit/s by size. */
export function bandwidthReport(
  figures: Readonly<Record<number, number>>,
  changes: Partial<FlowReport> = {},
): FlowReport {
  const results = Object.entries(figures).map(([size, gigabits]) => {
    const local = flow(gigabits, Number(size), gigabits * 0.9, gigabits * 1.1)
    return { bytes: Number(size), local, sum: local }
  })
  return { ...head, tool: 'bandwidth', remote: host, options: { operation: 'write', depth: 128 }, results, ...changes }
}

/** A document of `perf latency`: the nanoseconds by size. */
export function latencyReport(
  figures: Readonly<Record<number, readonly number[]>>,
  changes: Partial<LatencyReport> = {},
): LatencyReport {
  const results = Object.entries(figures).map(([size, nanoseconds]) => ({
    bytes: Number(size),
    iterations: nanoseconds.length,
    seconds: 1,
    measured: 'half of the round trip' as const,
    latency: distribution(...nanoseconds),
  }))
  return { ...head, tool: 'latency', remote: host, options: { operation: 'write' }, results, ...changes }
}

export function registerResult(changes: Partial<RegisterResult> = {}): RegisterResult {
  return {
    bytes: 2 ** 21,
    threads: 1,
    rounds: 4,
    memory: { pages: '2MiB', pageSize: 2 ** 21, hugeShare: 1, nodes: [0] },
    seconds: 0.001,
    first: distribution(90_000),
    register: distribution(40_000, 41_000, 45_000),
    close: distribution(10_000, 11_000, 12_000, 13_000),
    nanosecondsPerPage: 41_000,
    nanosecondsPerGibibyte: 41_000 * 512,
    ...changes,
  }
}

export function registerReport(
  results: readonly RegisterResult[],
  changes: Partial<RegisterReport> = {},
): RegisterReport {
  return {
    ...head,
    local: { ...host, memory: null },
    tool: 'register',
    options: { rounds: 4 },
    results,
    passedOver: [],
    ...changes,
  }
}
