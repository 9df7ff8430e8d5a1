import { escaped, htmlPage } from '../html-page.js'
import { narrow, renderChart, wide } from './chart.js'
import { type Reading, readingOf } from './reading.js'
import { formatVaried, renderMachine, significant, titleOf } from './render.js'
import type { BenchmarkReport, BenchReport } from './report.js'

const style = `
  figure { margin: 1rem 0 }
  svg { display: block; width: 100%; height: auto }
  .narrow { display: none }
  .table { overflow-x: auto }
  caption { text-align: left }
  th, td { padding: 0.1rem 1rem 0.1rem 0; text-align: right; font-weight: normal }
  .noisy { background: color-mix(in srgb, goldenrod 25%, transparent) }
  code { font-size: 0.9em; overflow-wrap: anywhere }
  @media (max-width: 45rem) {
    .wide { display: none }
    .narrow { display: block; max-width: 32rem }
    th, td { padding-right: 0.6rem }
  }`

/**
 * Renders a report as an HTML page. The page loads nothing, runs nothing, and is light or dark as its reader prefers.
 */
export function renderPage(report: BenchReport): string {
  const body = `<h1>Memory by kind of pages</h1>
<p class="faint">${escaped(renderMachine(report.machine))}</p>
${report.benchmarks.map(renderSection).join('\n')}`
  return htmlPage('pinfold bench', style, body)
}

function renderSection(report: BenchmarkReport): string {
  const { name, about, series, passedOver } = report
  const reading = readingOf(report)
  return [
    `<section id="${escaped(name)}">`,
    `<h2>${escaped(name)}</h2>`,
    `<p>${escaped(about)}</p>`,
    `<p><strong>${escaped(reading.sentence)}</strong></p>`,
    ...(series.length === 0 ? [] : [renderCharts(report, reading), renderFigures(report, reading)]),
    ...passedOver.map(({ pages, reason, hint }) => {
      const command = hint === null ? '' : `: <code>${escaped(hint)}</code>`
      return `<p>${escaped(pages)} passed over: ${escaped(reason)}${command}</p>`
    }),
    '</section>',
  ].join('\n')
}

/** The same chart twice: one for phones, whose texts are as large as those of the page. The page's style shows one. */
function renderCharts(report: BenchmarkReport, reading: Reading): string {
  return `<figure>
<div class="wide">${renderChart(report, reading, wide)}</div>
<div class="narrow">${renderChart(report, reading, narrow)}</div>
</figure>`
}

function renderFigures({ varied, variedIn, measured, unit, series }: BenchmarkReport, { noisy }: Reading): string {
  const headings = [varied, ...series.map(titleOf)].map((title) => `<th>${escaped(title)}</th>`)
  const rows = (series[0]?.points ?? []).map(({ size }, at) => {
    const cells = series.map(({ points }, column) => {
      const point = points[at]
      if (point === undefined) return '<td></td>'
      const spread = `${significant(point.low)} to ${significant(point.high)}`
      return `<td title="${spread}">${significant(point.median)}${noisy[column]?.[at] === true ? '*' : ''}</td>`
    })
    const mark = noisy.some((column) => column[at] === true) ? ' class="noisy"' : ''
    return `<tr${mark}><th>${formatVaried(size, variedIn)}</th>${cells.join('')}</tr>`
  })
  const remark = noisy.flat().includes(true)
    ? '; * is noisy, since this spread is wider than a quarter of the median: measure again on a quiet machine'
    : ''
  return `<div class="table">
<table>
<caption class="faint">${escaped(`${unit}, ${measured}: medians`)}; the bars in the chart are the 10th to the 90th percentile${remark}</caption>
<thead><tr>${headings.join('')}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</div>`
}
