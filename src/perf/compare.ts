import { PinfoldError } from '../errors.js'
import type { FlowResult, HostFacts, LatencyResult, PerfReport, RegisterResult } from './report.js'

/** Something that was not the same in the two runs, so that it may be the cause of what follows. */
export interface Difference {
  readonly what: string
  readonly one: string
  readonly other: string
}

/** A figure of both documents. */
export interface ComparedFigure {
  /** What was measured: the bytes of a message or of a registration; of registrations also pages and threads. */
  readonly bytes: number
  readonly pages: string | null
  readonly threads: number | null
  readonly figure: string
  readonly unit: 'Gbit/s' | 'messages/s' | 'ns'
  readonly one: number
  readonly other: number
  /** The slowest and the fastest interval, if the run had intervals. */
  readonly oneSpread: readonly [number, number] | null
  readonly otherSpread: readonly [number, number] | null
  /** `other` divided by `one`. */
  readonly ratio: number
  /** By which part the second is worse: 0.05 is 5 %. Negative if it is better. */
  readonly worse: number
}

/** Two documents side by side. */
export interface PerfComparison {
  readonly schema: 'pinfold/perf-compare/1'
  readonly tool: PerfReport['tool']
  readonly differences: readonly Difference[]
  readonly figures: readonly ComparedFigure[]
  /** Sizes, or other shapes, that only one of the documents contains. */
  readonly alone: readonly string[]
}

/** One figure of one document. */
interface Figure extends Pick<ComparedFigure, 'bytes' | 'pages' | 'threads' | 'figure' | 'unit'> {
  readonly value: number
  readonly spread: readonly [number, number] | null
}

/**
 * Compares two documents of the same tool.
 *
 * @throws PinfoldError `ERR_INVALID_ARGUMENT` for documents of different tools, or of which no size is in both
 */
export function compareReports(one: PerfReport, other: PerfReport): PerfComparison {
  if (one.tool !== other.tool) {
    throw new PinfoldError(`compare: expected two documents of one tool, received ${one.tool} and ${other.tool}`, {
      code: 'ERR_INVALID_ARGUMENT',
      values: { one: one.tool, other: other.tool },
    })
  }
  const theirs = new Map(figuresOf(other).map((figure) => [keyOf(figure), figure]))
  const ours = figuresOf(one)
  const figures = ours.flatMap((figure) => {
    const match = theirs.get(keyOf(figure))
    return match === undefined ? [] : [compared(figure, match)]
  })
  if (figures.length === 0) {
    throw new PinfoldError('compare: no size is in both documents', { code: 'ERR_INVALID_ARGUMENT' })
  }
  const known = new Set(ours.map(keyOf))
  const alone = [
    ...ours.filter((figure) => !theirs.has(keyOf(figure))),
    ...[...theirs.values()].filter((figure) => !known.has(keyOf(figure))),
  ]
  return {
    schema: 'pinfold/perf-compare/1',
    tool: one.tool,
    differences: differencesOf(one, other),
    figures,
    alone: [...new Set(alone.map(shapeOf))],
  }
}

function compared(one: Figure, { value, spread }: Figure): ComparedFigure {
  const ratio = one.value === 0 ? 1 : value / one.value
  const { value: first, spread: oneSpread, ...what } = one
  // More is better, except for times.
  const worse = one.unit === 'ns' ? ratio - 1 : 1 - ratio
  return { ...what, one: first, other: value, oneSpread, otherSpread: spread, ratio, worse }
}

function figuresOf(report: PerfReport): Figure[] {
  if (report.tool === 'register') return report.results.flatMap(registrationFigures)
  return report.tool === 'latency' ? report.results.flatMap(latencyFigures) : report.results.flatMap(flowFigures)
}

function flowFigures({ bytes, local, remote, sum }: FlowResult): Figure[] {
  const shape = { bytes, pages: null, threads: null }
  // The sum of two directions has no intervals of its own.
  const { minimum, peak } = (remote === undefined ? local : local === undefined ? remote : undefined) ?? {}
  const spread = (of: 'gigabitsPerSecond' | 'messagesPerSecond'): Figure['spread'] =>
    minimum === undefined || peak === undefined ? null : [minimum[of], peak[of]]
  return [
    {
      ...shape,
      figure: 'bandwidth',
      unit: 'Gbit/s',
      value: sum.gigabitsPerSecond,
      spread: spread('gigabitsPerSecond'),
    },
    { ...shape, figure: 'rate', unit: 'messages/s', value: sum.messagesPerSecond, spread: spread('messagesPerSecond') },
  ]
}

function latencyFigures({ bytes, latency, late }: LatencyResult): Figure[] {
  const of = (name: string, { percentiles: { p50, p99, p99_9 } }: LatencyResult['latency']): Figure[] =>
    [
      ['p50', p50],
      ['p99', p99],
      ['p99.9', p99_9],
    ].map(([figure, value]) => ({
      bytes,
      pages: null,
      threads: null,
      figure: `${name}${figure}`,
      unit: 'ns',
      value: Number(value),
      spread: null,
    }))
  return [...of('', latency), ...(late === undefined ? [] : of('intended ', late))]
}

function registrationFigures({ bytes, threads, memory, register, close }: RegisterResult): Figure[] {
  const shape = { bytes, threads, pages: memory.pages, unit: 'ns', spread: null } as const
  return [
    { ...shape, figure: 'register p50', value: register.percentiles.p50 },
    { ...shape, figure: 'register p99', value: register.percentiles.p99 },
    { ...shape, figure: 'close p50', value: close.percentiles.p50 },
  ]
}

function keyOf({ bytes, pages, threads, figure }: Figure): string {
  return JSON.stringify([bytes, pages, threads, figure])
}

function shapeOf({ bytes, pages, threads }: Figure): string {
  return pages === null ? `${bytes} bytes` : `${bytes} bytes, ${pages} pages, ${threads} threads`
}

function differencesOf(one: PerfReport, other: PerfReport): Difference[] {
  const [first, second] = [factsOf(one), factsOf(other)]
  return [...new Set([...first.keys(), ...second.keys()])].flatMap((what) => {
    const [left = 'none', right = 'none'] = [first.get(what), second.get(what)]
    return left === right ? [] : [{ what, one: left, other: right }]
  })
}

/** What could explain a difference of figures, by name. */
function factsOf({ pinfold, local, remote, options }: PerfReport): Map<string, string> {
  const facts = new Map([['pinfold', pinfold]])
  for (const [side, host] of [['local', local] as const, ['remote', remote] as const]) {
    if (host !== undefined) for (const [name, value] of hostFacts(host)) facts.set(`${side} ${name}`, value)
  }
  for (const [name, value] of Object.entries(options)) facts.set(`option ${name}`, JSON.stringify(value))
  return facts
}

function hostFacts({ name, kernel, node, processor, cpus, pinned, device, memory }: HostFacts): [string, string][] {
  return [
    ['host', name],
    ['kernel', kernel],
    ['Node.js', node],
    ['processor', processor],
    ['CPUs', pinned ? `${cpus}, pinned` : cpus],
    ['device', `${device.name} (${device.kind}), port ${device.port}, MTU ${device.mtu}`],
    ['NUMA node of the device', String(device.node)],
    ['pages', memory === null ? 'of each result' : memory.pages],
    ['NUMA nodes of the memory', memory === null ? 'of each result' : memory.nodes.join(',')],
  ]
}
