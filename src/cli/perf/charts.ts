import type { FlowReport, LatencyReport, PerfReport, RegisterReport } from '../../perf/report.js'
import { formatSize } from '../../sizes.js'

/** A chart of lines. */
export interface Chart {
  readonly title: string
  /** Sizes stand on a logarithmic axis; percentiles on one whose distances are those of the nines. */
  readonly across: 'size' | 'percentile'
  /** What stands upwards, with its unit. */
  readonly up: string
  /** Whether the values stand on a logarithmic axis, which does not begin at 0. */
  readonly isLogarithmic: boolean
  readonly lines: readonly Line[]
}

export interface Line {
  readonly name: string
  readonly points: readonly (readonly [across: number, up: number])[]
}

/** The greatest percentile of the axis: 99.999. */
const mostPercent = 99.999
const microseconds = 1000

/** The charts of one document, or of two that are compared: `names` tells them apart. */
export function chartsOf(reports: readonly PerfReport[], names: readonly string[]): Chart[] {
  const flows = reports.filter((report): report is FlowReport => report.tool === 'bandwidth' || report.tool === 'rate')
  const latencies = reports.filter((report): report is LatencyReport => report.tool === 'latency')
  const registrations = reports.filter((report): report is RegisterReport => report.tool === 'register')
  const named = (at: number, name: string) => (reports.length === 1 ? name : `${names[at]}: ${name}`)
  return [
    ...(flows.length > 0 ? flowCharts(flows, named) : []),
    ...(latencies.length > 0 ? latencyCharts(latencies, named) : []),
    ...(registrations.length > 0 ? registrationCharts(registrations, named) : []),
  ]
}

type Named = (at: number, name: string) => string

function flowCharts(reports: readonly FlowReport[], named: Named): Chart[] {
  const lines = (figure: 'gigabitsPerSecond' | 'messagesPerSecond'): Line[] =>
    reports.flatMap((report, at) => {
      const directions = report.results.some(({ local, remote }) => local !== undefined && remote !== undefined)
        ? (['local', 'remote', 'sum'] as const)
        : (['sum'] as const)
      return directions.map((direction) => ({
        name: named(at, direction === 'sum' && directions.length === 1 ? String(report.options.operation) : direction),
        points: report.results.flatMap(({ bytes, [direction]: flow }) =>
          flow === undefined ? [] : [[bytes, flow[figure]] as const],
        ),
      }))
    })
  return [
    {
      title: 'Bandwidth by size',
      across: 'size',
      up: 'Gbit/s',
      isLogarithmic: false,
      lines: lines('gigabitsPerSecond'),
    },
    {
      title: 'Message rate by size',
      across: 'size',
      up: 'messages/s',
      isLogarithmic: true,
      lines: lines('messagesPerSecond'),
    },
  ]
}

function latencyCharts(reports: readonly LatencyReport[], named: Named): Chart[] {
  const percentiles = reports.flatMap((report, at) =>
    report.results.flatMap(({ bytes, latency, late }) => [
      { name: named(at, formatSize(bytes)), points: percentilePoints(latency) },
      ...(late === undefined
        ? []
        : [{ name: named(at, `${formatSize(bytes)}, intended`), points: percentilePoints(late) }]),
    ]),
  )
  const sizes = reports.flatMap((report, at) =>
    (['p50', 'p99'] as const).map((name) => ({
      name: named(at, name),
      points: report.results.map(({ bytes, latency }) => [bytes, latency.percentiles[name] / microseconds] as const),
    })),
  )
  const up = 'microseconds'
  return [
    { title: 'Latency by percentile', across: 'percentile', up, isLogarithmic: true, lines: percentiles },
    { title: 'Latency by size', across: 'size', up, isLogarithmic: true, lines: sizes },
  ]
}

/** The distribution, bucket by bucket: how many percent of the times are at most so long. */
function percentilePoints({ count, buckets }: LatencyReport['results'][number]['latency']): [number, number][] {
  let below = 0
  return buckets.map(({ to, count: inside }) => {
    below += inside
    return [Math.min(mostPercent, (below / count) * 100), (to - 1) / microseconds]
  })
}

function registrationCharts(reports: readonly RegisterReport[], named: Named): Chart[] {
  const chart = (title: string, of: 'register' | 'close'): Chart => ({
    title,
    across: 'size',
    up: 'microseconds, median',
    isLogarithmic: true,
    lines: reports.flatMap((report, at) => {
      const shapes = new Map<string, RegisterReport['results'][number][]>()
      for (const result of report.results) {
        const shape = `${result.memory.pages}, ${result.threads === 1 ? '1 thread' : `${result.threads} threads`}`
        shapes.set(shape, [...(shapes.get(shape) ?? []), result])
      }
      return [...shapes].map(([shape, results]) => ({
        name: named(at, shape),
        points: results.map((result) => [result.bytes, result[of].percentiles.p50 / microseconds] as const),
      }))
    }),
  })
  return [chart('Registering, by size', 'register'), chart('Closing a registration, by size', 'close')]
}
