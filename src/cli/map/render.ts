import { formatAddress } from '../../addresses.js'
import { formatSize } from '../../sizes.js'
import type { MappedPages } from '../../translate/memory-map/extents.js'
import type { Fragmentation } from '../../translate/memory-map/fragmentation.js'
import type { MappedRange } from '../../translate/memory-map/memory-map.js'
import { type Colour, formatCount, formatCounted, type Paint, plain, renderTable } from '../output.js'
import type { MapReport, ReportedRun } from './report.js'
import { type Cell, type Strip, stripOf } from './strip.js'
import { type TreeLine, treeLines } from './tree-lines.js'

/** The most runs, and lines of the tree, that the text contains without --all. */
const mostLines = 32
const mostBelowOneTable = 8
const stripRows = 32
const stripColumns = 64

const colours: Readonly<Record<MappedPages, Colour>> = { hugetlb: 'green', transparent: 'cyan', base: 'yellow' }
/** Without colour, letters tell the kinds of pages apart. */
const letters: Readonly<Record<MappedPages, string>> = { hugetlb: 'h', transparent: 't', base: 'b' }
const kindNames: readonly MappedPages[] = ['hugetlb', 'transparent', 'base']
const shades = '░▒▓█'

export function renderMap(report: MapReport, paint: Paint, all: boolean): string {
  const parts = [
    renderHead(report, paint),
    ...(report.runs.length > 0 ? [renderStrip(stripOf(report, stripRows, stripColumns), paint)] : []),
    ...(report.runs.length > 0 ? [renderRuns(report, paint, all ? Infinity : mostLines)] : []),
    renderEntries(report, paint),
    ...(report.runs.length > 0 ? [fragmentationText(report.fragmentation)] : []),
    renderTree(report, paint, all),
  ]
  return parts.join('\n\n')
}

function renderHead(report: MapReport, paint: Paint): string {
  return [paint(headline(report), 'bold'), ...mappingTexts(report.mappings), ...notes(report, paint)].join('\n')
}

/** 'process 4711 (node): 8MiB mapped, 8MiB in memory, 4KiB swapped out' */
export function headline({ pid, command, mappings, bytes }: MapReport): string {
  const mapped = mappings.reduce((sum, { start, end }) => sum + Number(end - start), 0)
  const swapped = bytes.swapped === 0 ? '' : `, ${formatSize(bytes.swapped)} swapped out`
  const inMemory = formatSize(bytes.present + bytes.hidden)
  return `process ${pid} (${command}): ${formatSize(mapped)} mapped, ${inMemory} in memory${swapped}`
}

/** A line for each of a few mappings, or one with their number. */
export function mappingTexts(mappings: readonly MappedRange[]): string[] {
  if (mappings.length > 4) return [`in ${formatCount(mappings.length)} mappings`]
  return mappings.map(({ start, end, permissions, name }) => {
    return `in ${formatAddress(start)} to ${formatAddress(end)} ${permissions} ${name === '' ? 'anonymous' : name}`
  })
}

function notes(report: MapReport, paint: Paint): string[] {
  return noteTexts(report).map((note) => paint(note, 'yellow'))
}

/** What the report does not know, and the reason. */
export function noteTexts({ bytes, areHugeEntriesKnown }: MapReport): string[] {
  return [
    ...(bytes.hidden > 0
      ? [`the place of ${formatSize(bytes.hidden)} is hidden: the kernel shows it to CAP_SYS_ADMIN alone`]
      : []),
    ...(areHugeEntriesKnown
      ? []
      : ['this kernel does not say which transparent pages huge entries map: some of them are a guess']),
  ]
}

function renderStrip({ rowBytes, cellBytes, rows }: Strip, paint: Paint): string {
  const width = Math.max(...rows.map(({ start }) => formatAddress(start).length))
  const lines = rows.map(({ start, nodes, cells }) => {
    const node = nodes.length === 0 ? '' : `node ${nodes.join(',')}`
    return `${formatAddress(start).padEnd(width)}  ${cellText(cells, paint)}  ${node}`
  })
  const title = `physical memory: ${formatSize(rowBytes)} a line, ${formatSize(cellBytes)} a character`
  const kinds = kindNames.map((pages) => {
    return paint === plain ? `${letters[pages]} ${pages}` : paint(`█ ${pages}`, colours[pages])
  })
  const key = [...kinds, ...(paint === plain ? ['capital: more than half'] : []), '· other memory']
  return [paint(title, 'dim'), ...lines.map((line) => line.trimEnd()), key.join('   ')].join('\n')
}

/** A character for each cell. Neighbours of one colour are coloured together. */
function cellText(cells: readonly Cell[], paint: Paint): string {
  let text = ''
  for (let at = 0; at < cells.length; ) {
    const colour = colourOf(cells[at])
    let glyphs = ''
    for (; at < cells.length && colourOf(cells[at]) === colour; at++) glyphs += glyph(cells[at], paint)
    text += colour === undefined ? glyphs : paint(glyphs, colour)
  }
  return text
}

function colourOf(cell: Cell | undefined): Colour | undefined {
  if (cell === undefined) return undefined
  if (cell.used > 0) return colours[cell.pages]
  return cell.memory > 0 ? 'dim' : undefined
}

function glyph(cell: Cell | undefined, paint: Paint): string {
  if (cell === undefined || cell.used === 0) return cell !== undefined && cell.memory > 0 ? '·' : ' '
  if (paint === plain) return cell.used > 0.5 ? letters[cell.pages].toUpperCase() : letters[cell.pages]
  return shades[Math.min(3, Math.floor(cell.used * 3))] ?? '█'
}

function renderRuns({ runs }: MapReport, paint: Paint, most: number): string {
  const rows = longestRuns(runs, most).map(({ physicalAddress, length, node, pages, pageSize, address }) => [
    formatAddress(physicalAddress),
    formatSize(length),
    node === null ? '-' : `${node}`,
    `${formatSize(pageSize)} ${paint(pages, colours[pages])}`,
    formatAddress(address),
  ])
  const columns = [
    { title: 'physical' },
    { title: 'length', align: 'right' },
    { title: 'node', align: 'right' },
    { title: 'pages' },
    { title: 'virtual' },
  ] as const
  const more = runs.length - rows.length
  const tail = more > 0 ? [paint(`… ${formatCount(more)} shorter runs: --all`, 'dim')] : []
  return [renderTable(columns, rows, paint), ...tail].join('\n')
}

/** The longest runs, in the order of their physical addresses. */
export function longestRuns(runs: readonly ReportedRun[], most: number): readonly ReportedRun[] {
  if (runs.length <= most) return runs
  const longest = new Set(runs.toSorted((one, other) => other.length - one.length).slice(0, most))
  return runs.filter((run) => longest.has(run))
}

function renderEntries({ entries }: MapReport, paint: Paint): string {
  const rows = entries.map(({ pages, pageSize, level, entries, bytes }) => [
    `${formatSize(pageSize)} ${paint(pages, colours[pages])}`,
    level,
    formatCount(entries),
    formatSize(bytes),
  ])
  const columns = [
    { title: 'pages' },
    { title: 'level' },
    { title: 'entries', align: 'right' },
    { title: 'bytes', align: 'right' },
  ] as const
  return rows.length === 0 ? 'no page is in memory' : renderTable(columns, rows, paint)
}

/** '4 runs, the longest 2MiB; half of the memory is in runs of at least 2MiB; fragmentation 1.00 (…)' */
export function fragmentationText({ runs, longest, halfInRunsOf, index }: Fragmentation): string {
  return [
    `${formatCounted(runs, 'run')}, the longest ${formatSize(longest)}`,
    `half of the memory is in runs of at least ${formatSize(halfInRunsOf)}`,
    `fragmentation ${index.toFixed(2)} (0: one run; 1: no page follows its neighbour)`,
  ].join('; ')
}

function renderTree({ pageTables, levels }: MapReport, paint: Paint, all: boolean): string {
  const lines = treeLines(pageTables, all ? Infinity : mostBelowOneTable)
  const shown = all ? lines : lines.slice(0, mostLines * 2)
  const more = lines.length - shown.length
  return [
    paint(`page tables of ${levels.length} levels`, 'dim'),
    ...shown.map(
      (line) => connector(line) + (line.pages === undefined ? line.text : paint(line.text, colours[line.pages])),
    ),
    ...(more > 0 ? [paint(`… ${formatCount(more)} more lines: --all`, 'dim')] : []),
  ].join('\n')
}

function connector({ lasts }: TreeLine): string {
  const above = lasts.slice(0, -1).map((isLast) => (isLast ? '   ' : '│  '))
  if (lasts.length === 0) return ''
  return `${above.join('')}${lasts.at(-1) === true ? '└─ ' : '├─ '}`
}
