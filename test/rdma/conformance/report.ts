import type { Verdict } from './case.js'

/** A device, and the verdicts of the suite on it. */
export interface Column {
  /** 'loopback', 'Soft-RoCE' */
  readonly device: string
  /** The name of the device with its version. */
  readonly version?: string
  readonly verdicts: readonly Verdict[]
}

const introduction = [
  '# RDMA conformance',
  '',
  'What every device behind `openDevice()` does, and how it fails: the cases of `test/rdma/conformance/cases`, and what came of them on',
  'the loopback, which is in this process, and on Soft-RoCE, the RDMA device of the Linux kernel, in the',
  '[lab](lab.md). Where the two differ, the loopback is wrong, and is mended.',
  '',
  '✓ is what the second column says, to the letter: the status of the completion, or the code of the error. `unsupported` is',
  'what the device has said itself. Bytes, neighbours of bytes, order, and the states afterwards are checked beside it.',
  '',
  'Written by `node --import tsx test/rdma/conformance/update.ts`, which runs all of it on both.',
]

/** The text of docs/rdma-conformance.md. */
export function reportOf(columns: readonly Column[]): string {
  const [first] = columns
  const groups = new Map<string, Verdict[]>()
  for (const verdict of first?.verdicts ?? []) {
    const rows = groups.get(verdict.group)
    if (rows === undefined) groups.set(verdict.group, [verdict])
    else rows.push(verdict)
  }
  const devices = columns.map(({ device }) => device)
  const lines = [...introduction, '', ...summary(columns)]
  for (const [group, rows] of groups) {
    lines.push(
      '',
      `## ${headingOf(group)}`,
      '',
      row('what', 'must give', ...devices),
      row('-', '-', ...devices.map(() => '-')),
    )
    for (const { name, expects } of rows) {
      lines.push(row(name, expects, ...columns.map((column) => cellOf(find(column, group, name)))))
    }
  }
  return `${lines.join('\n')}\n`
}

/** The cases in the rows of a report, as 'group: name: expects'. */
export function rowsOf(report: string): string[] {
  const rows: string[] = []
  let group = ''
  for (const line of report.split('\n')) {
    if (line.startsWith('## ')) group = line.slice(3)
    const [, what, gives] = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'))
    if (group !== '' && what !== undefined && gives !== undefined && what !== 'what' && !what.startsWith('-')) {
      rows.push(`${group}: ${what}: ${gives}`)
    }
  }
  return rows
}

export function rowOf({ group, name, expects }: Pick<Verdict, 'group' | 'name' | 'expects'>): string {
  return `${headingOf(group)}: ${name}: ${expects}`
}

function headingOf(group: string): string {
  return group.charAt(0).toUpperCase() + group.slice(1)
}

function summary(columns: readonly Column[]): string[] {
  const count = ({ verdicts }: Column, state: Verdict['state']) =>
    `${verdicts.filter((verdict) => verdict.state === state).length}`
  return [
    row('device', 'as expected', 'unsupported', 'different'),
    row('-', '-:', '-:', '-:'),
    ...columns.map((column) =>
      row(
        column.version ?? column.device,
        count(column, 'passed'),
        count(column, 'unsupported'),
        count(column, 'failed'),
      ),
    ),
  ]
}

function find({ verdicts }: Column, group: string, name: string): Verdict | undefined {
  return verdicts.find((verdict) => verdict.group === group && verdict.name === name)
}

function cellOf(verdict: Verdict | undefined): string {
  if (verdict === undefined) return 'not run'
  if (verdict.state === 'passed') return '✓'
  return `${verdict.state === 'failed' ? 'different' : 'unsupported'}: ${verdict.detail}`
}

function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('\n', ' ').replaceAll('|', '\\|')).join(' | ')} |`
}
