import type { Observer } from '../../perf/measure.js'
import type { Plan } from '../../perf/plan.js'
import type {
  Distribution,
  Flow,
  FlowResult,
  HostFacts,
  Interval,
  LatencyResult,
  PerfReport,
  ProcessorTime,
  Validation,
} from '../../perf/report.js'
import { formatSize } from '../../sizes.js'
import { formatCount, type Output, pad } from '../output.js'

/** The columns of a table that grows: their titles and widths. */
type Columns = readonly (readonly [title: string, width: number])[]

const flowColumns: Columns = [
  ['bytes', 10],
  ['direction', 9],
  ['messages', 12],
  ['seconds', 8],
  ['Gbit/s', 9],
  ['MiB/s', 10],
  ['messages/s', 12],
  ['CPU', 5],
]
const latencyColumns: Columns = [
  ['bytes', 10],
  ['from', 8],
  ['iterations', 10],
  ['min µs', 8],
  ['p50', 8],
  ['p90', 8],
  ['p99', 8],
  ['p99.9', 8],
  ['p99.99', 8],
  ['max', 8],
  ['CPU', 5],
]

/** Prints a measurement while it runs: what runs where, a line for each interval, and the rows of the table. */
export class MeasurementText implements Observer {
  readonly #output: Output
  readonly #peer: string

  constructor(output: Output, peer: string) {
    this.#output = output
    this.#peer = peer
  }

  begun(plan: Plan, local: HostFacts, remote: HostFacts): void {
    const { paint } = this.#output
    const sides = [`here  ${place(local)}`, `peer  ${place(remote)}, at ${this.#peer}`]
    const isLatency = plan.tool === 'latency'
    this.#output.piece([paint(heading(plan), 'bold'), ...sides.map((side) => paint(side, 'dim')), ''].join('\n'))
    this.#output.piece(paint(row(isLatency ? latencyColumns : flowColumns, undefined), 'dim'))
  }

  interval(bytes: number, { end, gigabitsPerSecond, messagesPerSecond }: Interval): void {
    const text = `${formatSize(bytes)} at ${end.toFixed(1)} s: ${rate(gigabitsPerSecond)} Gbit/s, ${formatCount(Math.round(messagesPerSecond))} messages/s`
    this.#output.piece(this.#output.paint(`  ${text}`, 'dim'))
  }

  result(_plan: Plan, result: FlowResult | LatencyResult): void {
    for (const line of 'latency' in result ? latencyLines(result) : flowLines(result)) this.#output.piece(line)
  }
}

/** What is said after the table. */
export function renderEnd(report: PerfReport): string {
  if (report.tool !== 'latency') return 'Rates count the payload alone.'
  const [first] = report.results
  return first?.measured === 'half of the round trip'
    ? 'Latency is half of the round trip, as in perftest.'
    : 'Latency is the time from posting a request to its completion.'
}

function heading(plan: Plan): string {
  const { tool, operation, type, queuePairs, duration, iterations } = plan
  const amount = duration === null ? `${formatCount(iterations ?? 0)} messages` : `${duration} s`
  const lanes = queuePairs === 1 ? '1 queue pair' : `${queuePairs} queue pairs`
  const flags = [
    plan.bothDirections ? 'both directions' : '',
    plan.events ? 'by events' : '',
    plan.connectionManager ? 'by the connection manager' : '',
    plan.rate === null ? '' : `${formatCount(plan.rate)} messages/s`,
    plan.validate ? 'validated' : '',
  ].filter((flag) => flag !== '')
  return [`${tool} of ${operation}, ${type}`, lanes, amount, ...flags].join(', ')
}

function place({ name, device, memory, cpus, pinned }: HostFacts): string {
  const gid = device.gid === null ? 'no GID' : `GID ${device.gid.index} (${device.gid.reason})`
  const node = device.node === null ? '' : `, NUMA node ${device.node}`
  const pages = memory === null ? '' : `, ${memory.pages} pages`
  return `${name}: ${device.name} port ${device.port}, MTU ${device.mtu}, ${gid}${node}${pages}, CPUs ${cpus}${pinned ? ' (pinned)' : ''}`
}

function flowLines({ bytes, local, remote, sum }: FlowResult): string[] {
  const lines: string[] = []
  const add = (direction: string, flow: Flow) =>
    lines.push(...[flowLine(bytes, direction, flow), ...spread(flow), ...validation(flow.validated)])
  if (local !== undefined) add('sent', local)
  if (remote !== undefined) add('received', remote)
  if (local !== undefined && remote !== undefined) add('sum', sum)
  return lines
}

function flowLine(bytes: number, direction: string, flow: Flow): string {
  return row(flowColumns, [
    formatSize(bytes),
    direction,
    formatCount(flow.messages),
    flow.seconds.toFixed(2),
    rate(flow.gigabitsPerSecond),
    rate((flow.gigabitsPerSecond * 1e9) / 8 / 2 ** 20),
    formatCount(Math.round(flow.messagesPerSecond)),
    processor(flow.processor),
  ])
}

function spread({ minimum, peak }: Flow): string[] {
  if (minimum === undefined || peak === undefined) return []
  return [`  intervals: slowest ${rate(minimum.gigabitsPerSecond)}, fastest ${rate(peak.gigabitsPerSecond)} Gbit/s`]
}

function latencyLines({ bytes, latency, late, processor: used, validated }: LatencyResult): string[] {
  const line = (from: string, { count, minimum, maximum, percentiles: p }: Distribution) =>
    row(latencyColumns, [
      formatSize(bytes),
      from,
      formatCount(count),
      ...[minimum, p.p50, p.p90, p.p99, p.p99_9, p.p99_99, maximum].map((time) => rate(time / 1000)),
      processor(used),
    ])
  const lines = [line('sent', latency)]
  if (late !== undefined) lines.push(line('intended', late))
  return [...lines, ...validation(validated)]
}

function validation(found: Validation | undefined): string[] {
  if (found === undefined) return []
  const { messages, differences, first } = found
  if (differences === 0) return [`  ${formatCount(messages)} messages compared: no difference`]
  return [`  ${formatCount(messages)} messages compared: ${formatCount(differences)} DIFFER; ${first}`]
}

function processor(used: ProcessorTime | undefined): string {
  return used === undefined ? '' : `${Math.round((used.user + used.system) * 100)}%`
}

/** Three significant digits. */
function rate(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function row(columns: Columns, cells: readonly string[] | undefined): string {
  const texts = columns.map(([title, width], at) =>
    pad(cells === undefined ? title : (cells[at] ?? ''), width, 'right'),
  )
  return texts.join(' ').trimEnd()
}
