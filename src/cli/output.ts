import { inspect, stripVTControlCharacters } from 'node:util'

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
/** Colours a text, or returns it unchanged if colour is not wanted. */
export type Paint = (text: string, colour: Colour) => string

export const plain: Paint = (text) => text

export const coloured: Paint = (text, colour) => {
  const [open, close] = inspect.colors[colour] ?? [0, 0]
  return `\u001b[${open}m${text}\u001b[${close}m`
}

/** The streams and the environment variables that decide how output looks. */
export interface Surroundings {
  readonly stdout: { readonly isTTY?: boolean; write(text: string): unknown }
  readonly stderr: { readonly isTTY?: boolean; write(text: string): unknown }
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * True if a stream gets colour. NO_COLOR (no-color.org) decides first, if it is not empty; then FORCE_COLOR. Otherwise
 * only a terminal gets colour, and only if it is not dumb.
 */
export function wantsColour(stream: { readonly isTTY?: boolean }, env: Surroundings['env']): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0'
  return stream.isTTY === true && env.TERM !== 'dumb'
}

/**
 * Renders a report as one JSON object. 64-bit values are bigints in a report. They become hex strings here, since a
 * JSON reader would round numbers.
 */
export function renderJson(report: object): string {
  return JSON.stringify(report, (_, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value), 2)
}

/**
 * The output of a command. Data go to stdout, as text or as one JSON object. Progress goes to stderr, if that is a
 * terminal.
 */
export class Output {
  readonly json: boolean
  readonly paint: Paint
  readonly paintError: Paint
  readonly #around: Surroundings
  #progress = false

  constructor(options: { readonly json: boolean }, around: Surroundings = process) {
    this.json = options.json
    this.#around = around
    this.paint = !options.json && wantsColour(around.stdout, around.env) ? coloured : plain
    this.paintError = wantsColour(around.stderr, around.env) ? coloured : plain
  }

  /** Writes one report: with --json the object itself, otherwise the text that `render` makes of it. */
  report<T extends { readonly schema: string }>(report: T, render: (report: T, paint: Paint) => string): void {
    this.clearProgress()
    this.#around.stdout.write(`${this.json ? renderJson(report) : render(report, this.paint)}\n`)
  }

  /**
   * Writes a piece of a report that grows while it is measured. With --json it writes nothing: the object comes at the
   * end.
   */
  piece(text: string): void {
    if (this.json) return
    this.clearProgress()
    this.#around.stdout.write(`${text}\n`)
  }

  /** Shows the current step on a terminal. The next output replaces it. */
  progress(text: string): void {
    if (this.#around.stderr.isTTY !== true) return
    this.#around.stderr.write(`\r\u001b[K${this.paintError(text, 'dim')}`)
    this.#progress = true
  }

  /** Writes a text for people to stderr, with and without --json. */
  complain(text: string): void {
    this.clearProgress()
    this.#around.stderr.write(`${text}\n`)
  }

  clearProgress(): void {
    if (this.#progress) this.#around.stderr.write('\r\u001b[K')
    this.#progress = false
  }
}

/** A column of a table: its heading, and the alignment of its cells. Numbers are aligned right. */
export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

/** Renders rows under dim headings. Each column is as wide as its widest cell. Cells may contain colour. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  paint: Paint,
  indent = '',
): string {
  // Not by the arguments of one Math.max: a table may have more rows than a call takes arguments.
  const widths = columns.map(({ title }, at) => {
    return rows.reduce((most, row) => Math.max(most, width(row[at] ?? '')), title.length)
  })
  const line = (cells: readonly string[]) =>
    (indent + cells.map((cell, at) => pad(cell, widths[at] ?? 0, columns[at]?.align)).join('  ')).trimEnd()
  const heading = line(columns.map(({ title }) => title))
  return [paint(heading, 'dim'), ...rows.map(line)].join('\n')
}

/** Pads a text to a visible width. */
export function pad(text: string, size: number, align: 'left' | 'right' = 'left'): string {
  const fill = ' '.repeat(Math.max(0, size - width(text)))
  return align === 'left' ? text + fill : fill + text
}

/** The number of terminal columns that a text takes. Colour takes none. */
export function width(text: string): number {
  return stripVTControlCharacters(text).length
}

/** A count as people read it: 16,384. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** '1 page', '512 pages' */
export function formatCounted(count: number, noun: 'page' | 'run' | 'word'): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}
