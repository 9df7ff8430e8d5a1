import type { MappedPages } from '../../translate/memory-map/extents.js'
import type { MapReport } from './report.js'

/** A piece of the physical address space, drawn as one character or one square. */
export interface Cell {
  /** The share of it that is memory of the machine: 0 to 1. */
  readonly memory: number
  /** The share of it that the map contains: 0 to 1. */
  readonly used: number
  /** The kind of most of the pages in it. */
  readonly pages: MappedPages
}

export interface StripRow {
  /** Physical address of its first byte. */
  readonly start: number
  /** NUMA nodes of its memory, ascending; empty if they are not known. */
  readonly nodes: readonly number[]
  readonly cells: readonly Cell[]
}

/** The physical address space in rows of equal length. Rows without memory are omitted. */
export interface Strip {
  /** Bytes: a power of two. */
  readonly rowBytes: number
  readonly cellBytes: number
  readonly rows: readonly StripRow[]
}

interface Range {
  readonly start: number
  readonly length: number
}

const kinds: readonly MappedPages[] = ['hugetlb', 'transparent', 'base']
const smallestCell = 4096

/**
 * Cuts the physical memory of the machine into at most `mostRows` rows.
 *
 * @param columns cells of a row, a power of two
 */
export function stripOf({ memory, runs }: MapReport, mostRows: number, columns: number): Strip {
  const placed = runs.map(({ physicalAddress, length }) => ({ start: Number(physicalAddress), length }))
  // If the machine's memory is not known, the runs are at least somewhere in it.
  const known = memory.length > 0 ? memory.map(({ start, length }) => ({ start: Number(start), length })) : placed
  const rowBytes = rowLength(known, mostRows, columns)
  const cellBytes = rowBytes / columns
  const grids = new Map<number, Grid>()
  const gridAt = (row: number) => {
    const grid = grids.get(row) ?? new Grid(columns)
    grids.set(row, grid)
    return grid
  }
  for (const range of known) {
    for (const { row, column, bytes } of cellsOf(range, rowBytes, cellBytes)) gridAt(row).addMemory(column, bytes)
  }
  for (const [at, { pages }] of runs.entries()) {
    for (const { row, column, bytes } of cellsOf(placed[at] ?? { start: 0, length: 0 }, rowBytes, cellBytes)) {
      gridAt(row).addPages(column, bytes, pages)
    }
  }
  const rows = [...grids]
    .sort(([one], [other]) => one - other)
    .map(([row, grid]) => ({
      start: row * rowBytes,
      nodes: nodesIn(memory, row * rowBytes, rowBytes),
      cells: grid.cells(cellBytes),
    }))
  return { rowBytes, cellBytes, rows }
}

function rowLength(ranges: readonly Range[], mostRows: number, columns: number): number {
  let bytes = columns * smallestCell
  while (rowCount(ranges, bytes) > mostRows) bytes *= 2
  return bytes
}

/** Ranges are in order, and neighbours may share a row. */
function rowCount(ranges: readonly Range[], rowBytes: number): number {
  let count = 0
  let next = 0
  for (const { start, length } of ranges) {
    const first = Math.max(next, Math.floor(start / rowBytes))
    const end = Math.ceil((start + length) / rowBytes)
    count += Math.max(0, end - first)
    next = Math.max(next, end)
  }
  return count
}

function* cellsOf({ start, length }: Range, rowBytes: number, cellBytes: number) {
  const end = start + length
  for (let at = start; at < end; ) {
    const stop = Math.min(end, (Math.floor(at / cellBytes) + 1) * cellBytes)
    yield { row: Math.floor(at / rowBytes), column: Math.floor((at % rowBytes) / cellBytes), bytes: stop - at }
    at = stop
  }
}

function nodesIn(memory: MapReport['memory'], start: number, length: number): number[] {
  const nodes = memory
    .filter((range) => Number(range.start) < start + length && Number(range.start) + range.length > start)
    .flatMap(({ node }) => (node === null ? [] : [node]))
  return [...new Set(nodes)].sort((one, other) => one - other)
}

/** Bytes of each cell of a row: of memory, and of each kind of pages. */
class Grid {
  readonly #memory: Float64Array
  readonly #pages: readonly Float64Array[]

  constructor(columns: number) {
    this.#memory = new Float64Array(columns)
    this.#pages = kinds.map(() => new Float64Array(columns))
  }

  addMemory(column: number, bytes: number): void {
    this.#memory[column] = (this.#memory[column] ?? 0) + bytes
  }

  addPages(column: number, bytes: number, pages: MappedPages): void {
    const counts = this.#pages[kinds.indexOf(pages)]
    if (counts !== undefined) counts[column] = (counts[column] ?? 0) + bytes
  }

  cells(cellBytes: number): Cell[] {
    return Array.from(this.#memory, (memory, column) => {
      const bytes = this.#pages.map((counts) => counts[column] ?? 0)
      const most = bytes.indexOf(Math.max(...bytes))
      // A page that is mapped twice is in two runs.
      const used = bytes.reduce((sum, of) => sum + of, 0) / cellBytes
      return { memory: memory / cellBytes, used: Math.min(1, used), pages: kinds[most] ?? 'base' }
    })
  }
}
