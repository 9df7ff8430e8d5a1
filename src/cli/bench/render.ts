import { formatSize } from '../../sizes.js'
import { formatCount, type Paint, renderTable } from '../output.js'
import type { BenchmarkReport, BenchReport, Point, Series } from './report.js'

/** The line above all tables. */
export function renderMachine({
  pinfold,
  node,
  kernel,
  arch,
  virtual,
  cpu,
  cpus,
  load,
}: BenchReport['machine']): string {
  const where = virtual === null ? '' : `, virtual machine${virtual === 'unnamed' ? '' : ` (${virtual})`}`
  return `pinfold ${pinfold}, Node ${node}, Linux ${kernel} ${arch}, ${cpus} x ${cpu}${where}, load ${load.before.toFixed(2)}`
}

/**
 * Renders a row for each size and a column for each kind of pages. The kinds that were not available are listed below.
 */
export function renderBenchmark(report: BenchmarkReport, paint: Paint): string {
  const { name, about, varied, variedIn, measured, unit, series, passedOver } = report
  const head = [
    `${paint(name, 'bold')}  ${about}`,
    paint(`${unit}, ${measured}: median (10th to 90th percentile)`, 'dim'),
    '',
  ]
  const columns = [
    { title: varied, align: 'right' as const },
    ...series.map((one) => ({ title: titleOf(one), align: 'right' as const })),
  ]
  const rows = (series[0]?.points ?? []).map(({ size }, at) => [
    formatVaried(size, variedIn),
    ...series.map(({ points }) => cell(points[at])),
  ])
  const missing = passedOver.flatMap(({ pages, reason, hint }) => [
    `${paint(pages, 'yellow')} passed over: ${reason}`,
    ...(hint === null ? [] : [`  ${paint(`$ ${hint}`, 'bold')}`]),
  ])
  const table = series.length > 0 ? [renderTable(columns, rows, paint)] : []
  return [
    ...head,
    [table, missing]
      .filter(({ length }) => length > 0)
      .map((lines) => lines.join('\n'))
      .join('\n\n'),
  ].join('\n')
}

/** Formats a value of the varied quantity for people. */
export function formatVaried(size: number, unit: BenchmarkReport['variedIn']): string {
  return unit === 'bytes' ? formatSize(size) : formatCount(size)
}

/**
 * The title of a kind of pages. For transparent pages it also says how much of the region the kernel has made huge, if
 * that is not all.
 */
export function titleOf({ pages, hugeShare }: Series): string {
  return pages === 'transparent' && hugeShare < 1 ? `transparent, ${Math.round(hugeShare * 100)}% huge` : pages
}

function cell(point: Point | undefined): string {
  if (point === undefined) return '-'
  const { median, low, high } = point
  return `${significant(median)} (${significant(low)}-${significant(high)})`
}

/** A number with three significant digits, without an exponent. The measurements are not more exact. */
export function significant(value: number): string {
  const rounded = Number(value.toPrecision(3)) // 9.999 is 10.0, not 10.00
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(rounded)))
  return value.toFixed(decimals)
}
