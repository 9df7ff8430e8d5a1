import type { PerfReport } from '../../perf/report.js'
import { narrow, wide } from '../bench/chart.js'
import { writePage } from '../html-file.js'
import { escaped, htmlPage } from '../html-page.js'
import { type Chart, chartsOf } from './charts.js'

const style = `
  figure { margin: 1rem 0 }
  svg { display: block; width: 100%; height: auto }
  .narrow { display: none }
  @media (max-width: 45rem) {
    .wide { display: none }
    .narrow { display: block; max-width: 32rem }
  }`

/** Writes a page with the charts of documents. `names` tells two of them apart. */
export async function writeCharts(
  path: string,
  reports: readonly PerfReport[],
  names: readonly string[] = [],
): Promise<void> {
  writePage(path, await renderCharts(reports, names))
}

/** The page: it loads nothing, runs nothing, and is light or dark as its reader prefers. */
export async function renderCharts(reports: readonly PerfReport[], names: readonly string[]): Promise<string> {
  const { drawChart } = await import('./draw-chart.js')
  const figure = (chart: Chart) => `<h2>${escaped(chart.title)}</h2>
<figure>
<div class="wide">${drawChart(chart, wide)}</div>
<div class="narrow">${drawChart(chart, narrow)}</div>
</figure>`
  const [first] = reports
  const tool = first?.tool ?? 'perf'
  const body = `<h1>pinfold perf ${escaped(tool)}</h1>
${reports.map((report, at) => `<p class="faint">${escaped(about(report, names[at]))}</p>`).join('\n')}
${chartsOf(reports, names).map(figure).join('\n')}`
  return htmlPage(`pinfold perf ${escaped(tool)}`, style, body)
}

function about({ time, local, remote }: PerfReport, name: string | undefined): string {
  const { device, kernel, processor } = local
  const peer = remote === undefined ? '' : `, with ${remote.name}`
  const title = name === undefined ? '' : `${name}: `
  return `${title}${local.name}${peer}, ${device.name} (${device.kind}), Linux ${kernel}, ${processor}, ${time}`
}
