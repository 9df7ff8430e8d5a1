import * as z from 'zod/mini'
import { PinfoldError } from '../errors.js'
import { later, optionsObject, text } from '../options.js'
import type { Control } from './control.js'
import { distributionOf } from './distribution.js'
import { lanesOf } from './lane.js'
import { layoutOf } from './layout.js'
import type { LocalOptions } from './local-options.js'
import type { Limit, Stopper } from './phase.js'
import { PingPong, type Timed } from './ping-pong.js'
import { agreed, type Plan, planOf, type Tool, tools, type Wishes, wishesSchema } from './plan.js'
import {
  type Flow,
  type FlowResult,
  type HostFacts,
  type Interval,
  type LatencyResult,
  type PerfReport,
  reportSchema,
  type Validation,
} from './report.js'
import { flowSchema, hostSchema, latencySchema, validationSchema } from './report-schema.js'
import { openSession, type Session } from './session.js'
import { type Seen, Traffic } from './traffic.js'

/** The version of the conversation. Both sides must have the same. */
const conversation = 1

const helloSchema = later(() =>
  optionsObject({ perf: z.number(), tool: z.enum(tools), wishes: wishesSchema, pinfold: text(100) }),
)
const factsSchema = later(() => optionsObject({ facts: hostSchema }))
const flowOutcome = later(() => z.object({ flow: z.nullable(flowSchema), validated: z.nullable(validationSchema) }))
const latencyOutcome = later(() =>
  z.object({ result: z.nullable(latencySchema), validated: z.nullable(validationSchema) }),
)

/** What a measurement tells while it runs. */
export interface Observer {
  /** The two sides are connected, and begin. */
  begun(plan: Plan, local: HostFacts, remote: HostFacts): void
  interval(bytes: number, interval: Interval): void
  result(plan: Plan, result: FlowResult | LatencyResult): void
}

/** One side of a measurement. */
export interface Measurement {
  readonly tool: Tool
  readonly wishes: Wishes
  readonly local: LocalOptions
  readonly side: 'server' | 'client'
  readonly control: Control
  /** Ends the measurement early; what was measured counts. */
  readonly stopper: Stopper
  /** Gives up. */
  readonly signal: AbortSignal
  /** The version of this package. */
  readonly version: string
  readonly observer: Observer
}

/**
 * Measures together with the peer, which calls this, too.
 *
 * @returns the document of this side
 * @throws the signal's reason; PinfoldError `ERR_INVALID_ARGUMENT` when the options of the two sides differ, `ERR_PEER_…`,
 *   `ERR_REQUEST_FAILED`, and those of the device and the memory
 */
export async function measure(measurement: Measurement): Promise<PerfReport> {
  const { control } = measurement
  try {
    return await converse(measurement)
  } catch (error) {
    // The peer learns why, unless it is the one that gave up or is gone.
    const isPeers = error instanceof PinfoldError && /^ERR_PEER_(REFUSED|CLOSED)$/.test(error.code)
    if (!isPeers) control.fail(error instanceof Error ? error.message : 'it was stopped')
    throw error
  }
}

async function converse(measurement: Measurement): Promise<PerfReport> {
  const { tool, wishes, side, control, signal, version, observer } = measurement
  const time = new Date().toISOString()
  control.onStop(() => {
    measurement.stopper.isStopped = true
  })
  control.send({ perf: conversation, tool, wishes, pinfold: version })
  const peer = await control.receive(helloSchema, signal)
  if (peer.perf !== conversation) throw otherVersion(peer.pinfold, version)
  const plan = planOf(tool, agreed({ ...wishes, tool }, { ...peer.wishes, tool: peer.tool }))
  const session = await openSession(plan, measurement.local, control, side, signal)
  try {
    control.sendDocument({ facts: session.facts })
    const { facts: remote } = await control.receiveDocument(factsSchema, signal)
    observer.begun(plan, session.facts, remote)
    measurement.stopper.isMeasuring = true
    const local = session.facts
    const head = { schema: reportSchema, pinfold: version, time, local, remote, options: optionsOf(plan) } as const
    if (tool === 'latency') return { ...head, tool, results: await measureLatencies(measurement, plan, session) }
    return { ...head, tool, results: await measureFlows(measurement, plan, session) }
  } finally {
    session.close()
  }
}

function optionsOf(plan: Plan): PerfReport['options'] {
  const { tool, ...options } = plan
  return options
}

/** The phases of one size: the warm-up, and what counts. */
function limits({ warmup, warmupSeconds, iterations, duration }: Plan): {
  readonly warmUp: Limit
  readonly counted: Limit
} {
  return { warmUp: { messages: warmup, seconds: warmupSeconds }, counted: { messages: iterations, seconds: duration } }
}

async function measureFlows(measurement: Measurement, plan: Plan, session: Session): Promise<FlowResult[]> {
  const { control, signal, stopper, observer, side } = measurement
  const { warmUp, counted } = limits(plan)
  const lanes = lanesOf(session, plan, layoutOf(plan))
  const results: FlowResult[] = []
  for (const bytes of plan.sizes) {
    const traffic = new Traffic(session, plan, lanes, bytes, side)
    if (plan.warmup > 0) await traffic.run(control, warmUp, { stopper, signal, tell: () => {} })
    const tell = (interval: Interval) => observer.interval(bytes, interval)
    const ours = await traffic.run(control, counted, { stopper, signal, tell })
    control.sendDocument({ flow: ours.flow ?? null, validated: ours.validated ?? null })
    const { flow, validated } = await control.receiveDocument(flowOutcome, signal)
    const result = flowResult(plan, bytes, ours, { flow: flow ?? undefined, validated: validated ?? undefined })
    results.push(result)
    observer.result(plan, result)
    if (stopper.isStopped) break
  }
  return results
}

function flowResult({ operation }: Plan, bytes: number, ours: Seen, theirs: Seen): FlowResult {
  const [local, remote] = [validatedFlow(operation, ours, theirs), validatedFlow(operation, theirs, ours)]
  const flows = [local, remote].filter((flow) => flow !== undefined)
  const total = (of: (flow: Flow) => number) => flows.reduce((sum, flow) => sum + of(flow), 0)
  const sum = {
    messages: total((flow) => flow.messages),
    bytes: total((flow) => flow.bytes),
    seconds: Math.max(0, ...flows.map(({ seconds }) => seconds)),
    gigabitsPerSecond: total((flow) => flow.gigabitsPerSecond),
    messagesPerSecond: total((flow) => flow.messagesPerSecond),
    intervals: [],
  }
  return { bytes, local, remote, sum }
}

/** The flow of a side, with what was compared of it: where its bytes have arrived. Those of a read arrive at its sender. */
function validatedFlow(operation: Plan['operation'], sender: Seen, receiver: Seen): Flow | undefined {
  const { validated } = operation === 'read' ? sender : receiver
  return sender.flow === undefined || validated === undefined ? sender.flow : { ...sender.flow, validated }
}

function added(one: Validation, other: Validation | undefined): Validation {
  if (other === undefined) return one
  return {
    messages: one.messages + other.messages,
    differences: one.differences + other.differences,
    first: one.first ?? other.first,
  }
}

async function measureLatencies(measurement: Measurement, plan: Plan, session: Session): Promise<LatencyResult[]> {
  const { control, signal, stopper, observer, side } = measurement
  const { warmUp, counted } = limits(plan)
  const [lane] = lanesOf(session, plan, layoutOf(plan))
  if (lane === undefined) throw new Error('a session has a queue pair')
  const results: LatencyResult[] = []
  for (const bytes of plan.sizes) {
    const pingPong = new PingPong(session, plan, lane, bytes, side)
    if (plan.warmup > 0) await pingPong.run(control, warmUp, { stopper, signal })
    const timed = await pingPong.run(control, counted, { stopper, signal })
    const own = side === 'client' && timed.latency.count > 0 ? latencyResult(plan, bytes, timed) : undefined
    control.sendDocument({ result: own ?? null, validated: timed.validated ?? null })
    const theirs = await control.receiveDocument(latencyOutcome, signal)
    const result = own ?? theirs.result ?? undefined
    if (result === undefined) throw nothingMeasured(bytes)
    const validations = [timed.validated, theirs.validated ?? undefined]
    const validated = plan.validate ? validations.reduce<Validation>(added, noValidation) : undefined
    results.push({ ...result, validated })
    observer.result(plan, { ...result, validated })
    if (stopper.isStopped) break
  }
  return results
}

const noValidation: Validation = { messages: 0, differences: 0, first: null }

function latencyResult({ operation }: Plan, bytes: number, timed: Timed): LatencyResult {
  const isEcho = operation === 'write' || operation === 'send'
  return {
    bytes,
    iterations: timed.latency.count,
    seconds: timed.seconds,
    measured: isEcho ? 'half of the round trip' : 'operation',
    latency: distributionOf(timed.latency),
    late: timed.late === undefined ? undefined : distributionOf(timed.late),
    processor: timed.processor,
  }
}

function nothingMeasured(bytes: number): PinfoldError {
  return new PinfoldError(`perf: it was stopped before a message of ${bytes} bytes was measured`, {
    code: 'ERR_PEER_REFUSED',
    values: { bytes },
  })
}

function otherVersion(theirs: string, ours: string): PinfoldError {
  return new PinfoldError(
    `perf: the peer has pinfold ${theirs}, whose measurements differ from those of ${ours} here`,
    {
      code: 'ERR_PEER_PROTOCOL',
      values: { theirs, ours },
      hint: 'install the same version on both hosts',
    },
  )
}
