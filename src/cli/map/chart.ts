import { formatAddress } from '../../addresses.js'
import { formatSize } from '../../sizes.js'
import type { MappedPages } from '../../translate/memory-map/extents.js'
import type { Fragmentation } from '../../translate/memory-map/fragmentation.js'
import { renderSvg } from '../bench/chart-library.js'
import type { Strip } from './strip.js'
import type { TreeLine } from './tree-lines.js'

/** The colours differ on white and on black. */
export const colours: Readonly<Record<MappedPages, string>> = {
  hugetlb: '#2da44e',
  transparent: '#2f81f7',
  base: '#d9730d',
}

/** The text colour of the page around the chart, which is light or dark. */
const ink = 'currentColor'
const font = 'system-ui, sans-serif'
const width = 860
const text = { fill: ink, fontFamily: font, fontSize: 12, textVerticalAlign: 'middle' } as const

/** The faintest that a square with pages is drawn, so that a single page of a large square is seen. */
const faintest = 0.3

/** Draws the physical address space in rows. The more of a square belongs to the map, the stronger is its colour. */
export function renderStripSvg({ rowBytes, rows }: Strip): string {
  const rowHeight = 18
  const left = Math.max(...rows.map(({ start }) => formatAddress(start).length)) * 8 + 8
  const right = 60
  const columns = rows[0]?.cells.length ?? 1
  const side = (width - left - right) / columns
  return drawing(rows.length + 1, rowHeight, (at) => {
    const row = rows[at]
    const y = at * rowHeight
    if (row === undefined) return [label(left, y + 10, `${formatSize(rowBytes)} a row`)]
    return [
      label(0, y + rowHeight / 2, formatAddress(row.start), 'monospace'),
      ...(row.nodes.length === 0 ? [] : [label(width - right + 8, y + rowHeight / 2, `node ${row.nodes.join(',')}`)]),
      ...stretches(row.cells).map(({ from, to, cell }) => ({
        type: 'rect' as const,
        shape: { x: left + from * side, y: y + 1, width: (to - from) * side, height: rowHeight - 2 },
        style:
          cell.used > 0
            ? { fill: colours[cell.pages], opacity: faintest + (1 - faintest) * cell.used }
            : { fill: ink, opacity: 0.08 },
      })),
    ]
  })
}

/** Neighbouring cells that look alike, in one piece; cells without memory are omitted. */
function stretches(cells: Strip['rows'][number]['cells']) {
  const found: { from: number; to: number; cell: (typeof cells)[number] }[] = []
  for (const [at, cell] of cells.entries()) {
    if (cell.memory === 0 && cell.used === 0) continue
    const last = found.at(-1)
    const isAlike =
      last?.to === at && last.cell.used === cell.used && (cell.used === 0 || last.cell.pages === cell.pages)
    if (last !== undefined && isAlike) last.to = at + 1
    else found.push({ from: at, to: at + 1, cell })
  }
  return found
}

/** Draws how many bytes lie in runs of each length. */
export function renderLengthsSvg({ lengths }: Fragmentation): string {
  const rowHeight = 22
  const left = 150
  const right = 190
  const most = Math.max(...lengths.map(({ bytes }) => bytes))
  return drawing(lengths.length, rowHeight, (at) => {
    const row = lengths[at]
    if (row === undefined) return []
    const y = at * rowHeight
    const length = Math.max(1, ((width - left - right) * row.bytes) / most)
    const runs = `${row.runs.toLocaleString('en-US')} ${row.runs === 1 ? 'run' : 'runs'}`
    return [
      label(0, y + rowHeight / 2, `${formatSize(row.from)} to ${formatSize(row.from * 2)}`),
      {
        type: 'rect',
        shape: { x: left, y: y + 3, width: length, height: rowHeight - 6 },
        style: { fill: '#8a63d2' },
      },
      label(left + length + 8, y + rowHeight / 2, `${formatSize(row.bytes)} in ${runs}`),
    ]
  })
}

/** Draws the tree of page tables, a line for each table and row of entries. */
export function renderTreeSvg(lines: readonly TreeLine[]): string {
  const rowHeight = 20
  const indent = 28
  const middle = (row: number) => row * rowHeight + rowHeight / 2
  return drawing(lines.length, rowHeight, (at) => {
    const line = lines[at]
    if (line === undefined) return []
    const x = line.depth * indent
    const y = middle(at)
    const stem = x - indent + 5
    const isLast = line.lasts.at(-1) === true || lines.length === at + 1
    return [
      ...(line.depth === 0 ? [] : [edge(stem, y, x, y)]),
      // One line for all children of a table: lines that lie upon each other would look darker.
      ...(line.depth > 0 && isLast ? [edge(stem, middle(parentOf(lines, at)) + 6, stem, y)] : []),
      {
        type: 'rect',
        shape: { x, y: y - 5, width: 10, height: 10 },
        style:
          line.pages === undefined
            ? { fill: 'none', stroke: ink, lineWidth: 1 }
            : { fill: colours[line.pages], lineWidth: 0 },
      },
      label(x + 18, y, line.text),
    ]
  })
}

function edge(x1: number, y1: number, x2: number, y2: number): Shape {
  return { type: 'line', shape: { x1, y1, x2, y2 }, style: { stroke: ink, opacity: 0.4, lineWidth: 1 } }
}

function parentOf(lines: readonly TreeLine[], at: number): number {
  const depth = lines[at]?.depth ?? 0
  for (let above = at - 1; above > 0; above--) {
    if ((lines[above]?.depth ?? 0) < depth) return above
  }
  return 0
}

interface Shape {
  readonly type: 'rect' | 'line' | 'text'
  readonly shape?: Readonly<Record<string, unknown>>
  readonly style: Readonly<Record<string, unknown>>
  readonly x?: number
  readonly y?: number
}

function label(x: number, y: number, written: string, family = font): Shape {
  return { type: 'text', x, y, style: { ...text, fontFamily: family, text: written } }
}

/**
 * A picture of rows, each of them some shapes. The library's custom series calls a function for each row; the axes only
 * give it a place to draw.
 */
function drawing(rows: number, rowHeight: number, shapesOf: (row: number) => readonly Shape[]): string {
  const shapes = Array.from({ length: rows }, (_, row) => shapesOf(row)).flat()
  return renderSvg(
    {
      animation: false,
      grid: { left: 0, right: 0, top: 0, bottom: 0 },
      xAxis: { type: 'value', show: false, min: 0, max: 1 },
      yAxis: { type: 'value', show: false, min: 0, max: 1 },
      series: [
        {
          type: 'custom',
          silent: true,
          data: [[0, 0]],
          renderItem: () => ({ type: 'group', children: shapes.map((shape) => ({ ...shape })) }),
        },
      ],
    },
    { width, height: rows * rowHeight },
  )
}
