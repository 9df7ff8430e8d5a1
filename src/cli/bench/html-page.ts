import { renderChart } from './chart.js'
import { formatVaried, renderMachine, significant, titleOf } from './render.js'
import type { BenchmarkReport, BenchReport } from './report.js'

const style = `
  :root { color-scheme: light dark }
  body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif;
         background: Canvas; color: CanvasText }
  svg { width: 100%; height: auto }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums }
  th, td { padding: 0.1rem 1rem 0.1rem 0; text-align: right; font-weight: normal }
  thead th, .faint { opacity: 0.7 }
  code { font-size: 0.9em }`

/**
 * Renders a report as an HTML page. The page loads nothing, runs nothing, and is light or dark as its reader prefers.
 */
export function renderPage(report: BenchReport): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>pinfold bench</title>
<style>${style}
</style>
</head>
<body>
<h1>Memory by kind of pages</h1>
<p class="faint">${escaped(renderMachine(report.machine))}</p>
${report.benchmarks.map(renderSection).join('\n')}
</body>
</html>
`
}

function renderSection(report: BenchmarkReport): string {
  const { name, about, series, passedOver } = report
  return [
    `<section id="${escaped(name)}">`,
    `<h2>${escaped(name)}</h2>`,
    `<p>${escaped(about)}</p>`,
    ...(series.length === 0 ? [] : [`<figure>\n${renderChart(report)}\n</figure>`, renderFigures(report)]),
    ...passedOver.map(({ pages, reason, hint }) => {
      const command = hint === null ? '' : `: <code>${escaped(hint)}</code>`
      return `<p>${escaped(pages)} passed over: ${escaped(reason)}${command}</p>`
    }),
    '</section>',
  ].join('\n')
}

function renderFigures({ varied, variedIn, measured, unit, series }: BenchmarkReport): string {
  const headings = [varied, ...series.map(titleOf)].map((title) => `<th>${escaped(title)}</th>`)
  const rows = (series[0]?.points ?? []).map(({ size }, at) => {
    const cells = series.map(({ points }) => {
      const point = points[at]
      if (point === undefined) return '<td></td>'
      const spread = `${significant(point.low)} to ${significant(point.high)}`
      return `<td title="${spread}">${significant(point.median)}</td>`
    })
    return `<tr><th>${formatVaried(size, variedIn)}</th>${cells.join('')}</tr>`
  })
  return `<table>
<caption class="faint">${escaped(`${unit}, ${measured}: medians`)}; the bars in the chart are the 10th to the 90th percentile</caption>
<thead><tr>${headings.join('')}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>`
}

/** Escapes text for HTML, also for use inside double quotes. */
export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
