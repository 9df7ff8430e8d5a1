import { defineCommand } from 'citty'
import { type ComparedFigure, compareReports, type PerfComparison } from '../../perf/compare.js'
import { formatSize } from '../../sizes.js'
import { badArgument, commonArguments } from '../arguments.js'
import { exitCode } from '../exit-code.js'
import { requireWritable } from '../html-file.js'
import { Output, type Paint, renderTable } from '../output.js'
import { readDocument } from './document.js'
import { writeCharts } from './page.js'

/** Compares two measurements. */
export const compare = defineCommand({
  meta: { name: 'compare', description: 'Compare two JSON documents of pinfold perf, size by size' },
  args: {
    before: { type: 'positional', description: 'The first document', required: true },
    after: { type: 'positional', description: 'The second document', required: true },
    limit: {
      type: 'string',
      description: 'Exit with 3 if a figure of the second is worse by more than this: 5%',
      valueHint: 'percent',
    },
    html: { type: 'string', description: 'Also write a page with charts of both to this file', valueHint: 'file' },
    ...commonArguments,
  },
  async run({ args }) {
    const output = new Output({ json: args.json === true })
    const limit = args.limit === undefined ? Number.POSITIVE_INFINITY : parsePercent(args.limit)
    if (args.html !== undefined) requireWritable(args.html)
    const reports = [readDocument(args.before), readDocument(args.after)] as const
    const comparison = compareReports(...reports)
    output.report(comparison, (found, paint) => renderComparison(found, paint, limit))
    if (args.html !== undefined) await writeCharts(args.html, reports, [args.before, args.after])
    return comparison.figures.some(({ worse }) => worse > limit) ? exitCode.finding : exitCode.ok
  },
})

function parsePercent(word: string): number {
  const percent = /^(\d+(?:\.\d+)?)%?$/.exec(word)?.[1]
  if (percent === undefined) throw badArgument("a limit such as '5%'", word)
  return Number(percent) / 100
}

function renderComparison({ differences, figures, alone }: PerfComparison, paint: Paint, limit: number): string {
  const hasPages = figures.some(({ pages }) => pages !== null)
  const right = { align: 'right' } as const
  const columns = [
    { title: 'bytes', ...right },
    ...(hasPages ? [{ title: 'pages' }, { title: 'threads', ...right }] : []),
    { title: 'figure' },
    { title: 'first', ...right },
    { title: 'second', ...right },
    { title: 'unit' },
    { title: 'ratio', ...right },
    { title: 'change' },
  ]
  const rows = figures.map((found) => [
    formatSize(found.bytes),
    ...(hasPages ? [found.pages ?? '', String(found.threads ?? '')] : []),
    found.figure,
    value(found, found.one, found.oneSpread),
    value(found, found.other, found.otherSpread),
    found.unit === 'ns' ? 'µs' : found.unit,
    found.ratio.toFixed(2),
    change(found, paint, limit),
  ])
  return [
    ...differences.map(({ what, one, other }) => `${paint('differs', 'yellow')}  ${what}: ${one} → ${other}`),
    ...alone.map((shape) => `${paint('alone', 'yellow')}    ${shape} is in one of the documents`),
    renderTable(columns, rows, paint),
  ].join('\n')
}

function value({ unit }: ComparedFigure, figure: number, spread: readonly [number, number] | null): string {
  const shown = (number: number) => (unit === 'ns' ? number / 1000 : number).toPrecision(4)
  const plainNumber = (text: string) => String(Number(text))
  const range = spread === null ? '' : ` (${spread.map((end) => plainNumber(shown(end))).join(' to ')})`
  return `${plainNumber(shown(figure))}${range}`
}

function change({ worse }: ComparedFigure, paint: Paint, limit: number): string {
  const percent = `${Math.abs(worse * 100).toFixed(1)} %`
  if (worse > limit) return paint(`${percent} worse, beyond the limit`, 'red')
  return worse > 0 ? `${percent} worse` : `${percent} better`
}
