import type { Row } from './row.js'

const headings = ['what', 'measured', 'p10 to p90', 'peer', 'ratio', 'p10 to p90', 'target', 'met'] as const
const missing = '-'

/** The rows as an aligned table, with the notes below it. */
export function table(rows: readonly Row[]): string {
  const measured = rows.filter((row) => row.value !== null)
  const lines = [[...headings], ...measured.map(cells)]
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const text = lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
  const notes = rows.flatMap((row) => (row.note === undefined ? [] : [`* ${row.name}: ${row.note}`]))
  return [...(measured.length === 0 ? [] : text), ...notes].map((line) => `  ${line.trimEnd()}\n`).join('')
}

function cells(row: Row): string[] {
  return [
    row.note === undefined ? row.name : `${row.name} *`,
    row.value === null ? missing : `${significant(row.value)} ${row.unit}`,
    range(row.spread),
    row.peerValue === null ? missing : `${significant(row.peerValue)} ${row.unit}, ${row.peer}`,
    row.ratio === null ? missing : significant(row.ratio),
    range(row.ratioSpread),
    row.target ?? missing,
    row.met === null ? missing : row.met ? 'yes' : 'NO',
  ]
}

function range(spread: Row['spread']): string {
  return spread === null ? missing : spread.map(significant).join(' to ')
}

/** Three significant digits, without an exponent. The measurements are not more exact. */
function significant(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value)
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(decimals)
}
