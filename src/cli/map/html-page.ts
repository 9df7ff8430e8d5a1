import { formatAddress } from '../../addresses.js'
import { formatSize } from '../../sizes.js'
import { escaped, htmlPage } from '../html-page.js'
import { formatCount } from '../output.js'
import { colours, renderLengthsSvg, renderStripSvg, renderTreeSvg } from './chart.js'
import { fragmentationText, headline, longestRuns, mappingTexts, noteTexts } from './render.js'
import type { MapReport } from './report.js'
import { stripOf } from './strip.js'
import { treeLines } from './tree-lines.js'

const stripRows = 32
const stripColumns = 128
/** The most rows of each table, and the most lines of the tree, so that a browser can still show the page. */
const mostRuns = 500
const mostTreeLines = 400
const mostBelowOneTable = 16

const style = `
  figure { margin: 1rem 0; overflow-x: auto }
  svg { width: 100%; min-width: 36rem; height: auto }
  th, td { padding: 0.1rem 1rem 0.1rem 0; text-align: left; font-weight: normal }
  td.number, th.number { text-align: right }
  .kind::before { content: ''; display: inline-block; width: 0.7em; height: 0.7em; margin-right: 0.4em }
  ${Object.entries(colours)
    .map(([pages, colour]) => `.${pages}::before { background: ${colour} }`)
    .join('\n  ')}`

/**
 * Renders a memory map as an HTML page. The page loads nothing, runs nothing, and is light or dark as its reader
 * prefers.
 */
export function renderPage(report: MapReport): string {
  const body = `<h1>Memory of ${escaped(report.command)}</h1>
<p>${[headline(report), ...mappingTexts(report.mappings)].map(escaped).join('<br>')}</p>
${noteTexts(report)
  .map((note) => `<p><strong>${escaped(note)}</strong></p>`)
  .join('\n')}
${report.runs.length > 0 ? renderPlace(report) : ''}
${renderTables(report)}
${report.runs.length > 0 ? renderRuns(report) : ''}`
  return htmlPage(`pinfold map ${report.pid}`, style, body)
}

function renderPlace(report: MapReport): string {
  const { fragmentation } = report
  return `<section id="place">
<h2>In physical memory</h2>
<p class="faint">All memory of the machine. The stronger the colour of a square, the more of it belongs to the process.</p>
<p>${Object.keys(colours)
    .map((pages) => `<span class="kind ${pages}">${pages}</span>`)
    .join('&emsp;')}</p>
<figure>
${renderStripSvg(stripOf(report, stripRows, stripColumns))}
</figure>
</section>
<section id="fragmentation">
<h2>Lengths of runs</h2>
<p>${escaped(fragmentationText(fragmentation))}</p>
<figure>
${renderLengthsSvg(fragmentation)}
</figure>
</section>`
}

function renderTables({ entries, pageTables, levels }: MapReport): string {
  const lines = treeLines(pageTables, mostBelowOneTable)
  const shown = lines.slice(0, mostTreeLines)
  const more = lines.length - shown.length
  const rows = entries.map(({ pages, pageSize, level, entries, bytes }) => {
    const kind = `<td><span class="kind ${pages}">${formatSize(pageSize)} ${pages}</span></td>`
    return `<tr>${kind}<td>${level}</td>${number(formatCount(entries))}${number(formatSize(bytes))}</tr>`
  })
  return `<section id="page-tables">
<h2>Page tables</h2>
<table>
<thead><tr><th>pages</th><th>level</th><th class="number">entries</th><th class="number">bytes</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
<p class="faint">${levels.length} levels: ${levels.join(', ')}. A filled square is a row of entries that map pages.</p>
<figure>
${renderTreeSvg(shown)}
</figure>
${more > 0 ? `<p class="faint">… ${formatCount(more)} more lines</p>` : ''}
</section>`
}

function renderRuns({ runs }: MapReport): string {
  const rows = longestRuns(runs, mostRuns).map(({ physicalAddress, length, node, pages, pageSize, address }) => {
    const cells = [
      `<td><code>${formatAddress(physicalAddress)}</code></td>`,
      number(formatSize(length)),
      number(node === null ? '-' : `${node}`),
      `<td><span class="kind ${pages}">${formatSize(pageSize)} ${pages}</span></td>`,
      `<td><code>${formatAddress(address)}</code></td>`,
    ]
    return `<tr>${cells.join('')}</tr>`
  })
  const more = runs.length - rows.length
  return `<section id="runs">
<h2>${more > 0 ? `The ${formatCount(rows.length)} longest runs` : 'Runs'}</h2>
<table>
<thead><tr><th>physical</th><th class="number">length</th><th class="number">node</th><th>pages</th><th>virtual</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
${more > 0 ? `<p class="faint">… ${formatCount(more)} shorter runs: pinfold map --json lists all</p>` : ''}
</section>`
}

function number(text: string): string {
  return `<td class="number">${text}</td>`
}
