import type { Bucket } from './histogram.js'

// The JSON document of `pinfold perf`: one for each run, of either side. Units are in the names, sizes are bytes, and
// null means that there is no value, or that it is not known. report-schema.ts checks documents that are read.

export const reportSchema = 'pinfold/perf/1'

/** The document of one run. `tool` tells which kind of results it contains. */
export type PerfReport = FlowReport | LatencyReport | RegisterReport

export interface FlowReport extends ReportHead {
  readonly tool: 'bandwidth' | 'rate'
  /** One for each size, in the order in which they ran. */
  readonly results: readonly FlowResult[]
}

export interface LatencyReport extends ReportHead {
  readonly tool: 'latency'
  readonly results: readonly LatencyResult[]
}

export interface RegisterReport extends ReportHead {
  readonly tool: 'register'
  /** One for each kind of pages, number of threads and size. */
  readonly results: readonly RegisterResult[]
  /** Kinds of pages that were not available, and the reasons. */
  readonly passedOver: readonly {
    readonly pages: string
    readonly code: string
    readonly reason: string
    readonly hint: string | null
  }[]
}

/** What all documents begin with. */
export interface ReportHead {
  readonly schema: typeof reportSchema
  /** The version of pinfold on this side. */
  readonly pinfold: string
  /** When the run began: '2026-11-30T12:00:00.000Z'. */
  readonly time: string
  /** This side: the one that wrote the document. */
  readonly local: HostFacts
  /** The peer, if there is one. */
  readonly remote?: HostFacts | undefined
  /** Every option as it took effect, also those that were not given. */
  readonly options: Readonly<Record<string, OptionValue>>
}

export type OptionValue = string | number | boolean | null | readonly string[] | readonly number[]

/** What one side ran on. */
export interface HostFacts {
  /** The name of the host. */
  readonly name: string
  readonly kernel: string
  readonly node: string
  /** The model of the processor. */
  readonly processor: string
  /** The CPUs that the measuring thread may run on, as the kernel writes lists: '0-3,8'. */
  readonly cpus: string
  /** Whether an option of the run chose these CPUs. */
  readonly pinned: boolean
  readonly device: DeviceFacts
  /** null if it differs from result to result: each result then has its own. */
  readonly memory: MemoryFacts | null
}

export interface DeviceFacts {
  readonly name: string
  readonly kind: 'verbs' | 'loopback'
  /** The NUMA node that the device is attached to. */
  readonly node: number | null
  readonly port: number
  readonly linkState: string
  readonly linkLayer: string
  /** Bytes of payload in a packet. */
  readonly mtu: number
  readonly gid: { readonly index: number; readonly gid: string; readonly reason: string } | null
}

/** The memory that was measured, as the kernel has given it. */
export interface MemoryFacts {
  /** 'base', 'transparent', '2MiB', '1GiB' */
  readonly pages: string
  readonly pageSize: number
  /** The share of the memory that is on huge pages: 0 to 1. */
  readonly hugeShare: number
  /** The NUMA nodes that its pages lie on. */
  readonly nodes: readonly number[]
}

/** Bandwidth and message rate of one size. A side that only takes what its peer sends has no flow. */
export interface FlowResult {
  /** Bytes of a message. */
  readonly bytes: number
  /** What this side has sent. */
  readonly local?: Flow | undefined
  /** What the peer has sent. */
  readonly remote?: Flow | undefined
  readonly sum: Flow
}

/** Messages that flow in one direction, or the sum of both. */
export interface Flow {
  readonly messages: number
  readonly bytes: number
  readonly seconds: number
  /** 10^9 bits, of payload alone. */
  readonly gigabitsPerSecond: number
  readonly messagesPerSecond: number
  /** With --interval: in the order of time. */
  readonly intervals: readonly Interval[]
  /** The slowest and the fastest interval. */
  readonly minimum?: Interval | undefined
  readonly peak?: Interval | undefined
  readonly processor?: ProcessorTime | undefined
  readonly validated?: Validation | undefined
}

export interface Interval {
  /** When it ended, in seconds since the flow began. */
  readonly end: number
  readonly seconds: number
  readonly gigabitsPerSecond: number
  readonly messagesPerSecond: number
}

/** Processor time of the process, as a fraction of one CPU: 1 is one CPU, all the time. */
export interface ProcessorTime {
  readonly user: number
  readonly system: number
}

export interface Validation {
  /** The messages whose bytes were compared. */
  readonly messages: number
  /** The messages that differed. */
  readonly differences: number
  /** The first difference, in words. */
  readonly first: string | null
}

/** Latency of one size. */
export interface LatencyResult {
  /** Bytes of a message. */
  readonly bytes: number
  readonly iterations: number
  readonly seconds: number
  /** The time that is counted: of a ping-pong it is half of the round trip, as in perftest. */
  readonly measured: 'half of the round trip' | 'operation'
  /** From the moment at which the message was sent. */
  readonly latency: Distribution
  /** With --rate: from the moment at which the message should have been sent. */
  readonly late?: Distribution | undefined
  readonly processor?: ProcessorTime | undefined
  readonly validated?: Validation | undefined
}

/** The cost of registration: of one size, kind of pages, and number of threads. */
export interface RegisterResult {
  /** Bytes of one registration. */
  readonly bytes: number
  /** The threads that register at the same time, each its own part of one region. */
  readonly threads: number
  /** Registrations of each thread. */
  readonly rounds: number
  readonly memory: MemoryFacts
  /** The time of the slowest thread, without preparations. */
  readonly seconds: number
  /** The first registration of each thread. */
  readonly first: Distribution
  /** The later ones. */
  readonly register: Distribution
  /** Closing a registration, of all rounds. */
  readonly close: Distribution
  /** The median of `register`, by page of the memory and by GiB. */
  readonly nanosecondsPerPage: number
  readonly nanosecondsPerGibibyte: number
}

/** Many times, in nanoseconds. `Histogram.of` makes a histogram of it again. */
export interface Distribution {
  readonly unit: 'ns'
  readonly count: number
  readonly minimum: number
  readonly mean: number
  readonly standardDeviation: number
  readonly maximum: number
  readonly percentiles: Percentiles
  /** Those that contain values, in ascending order. */
  readonly buckets: readonly Bucket[]
}

export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p99_9: number
  readonly p99_99: number
}
