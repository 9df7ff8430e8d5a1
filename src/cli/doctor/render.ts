import type { DoctorReport } from '../doctor.js'
import { type Colour, type Paint, pad } from '../output.js'
import type { Finding, FindingStatus } from './finding.js'
import type { Answer, PurposeName } from './purposes.js'

const statusColours: Readonly<Record<FindingStatus, Colour>> = {
  ok: 'green',
  info: 'cyan',
  warn: 'yellow',
  fail: 'red',
  unknown: 'yellow',
}

const answerColours: Readonly<Record<Answer, Colour>> = { yes: 'green', partly: 'yellow', no: 'red', unknown: 'yellow' }

const titles: Readonly<Record<PurposeName, string>> = {
  hugepages: 'hugepage regions',
  'physical-addresses': 'physical addresses',
  rdma: 'RDMA',
  lab: 'lab',
  numa: 'NUMA',
  'other-users': 'other users',
}

/** What the text shows in addition to the answers by purpose. */
export interface DoctorView {
  /** Every check. */
  readonly verbose: boolean
  /** The statuses that count as a problem. Their checks are always shown, since they decide the exit code. */
  readonly problems: readonly FindingStatus[]
}

/**
 * Renders a line for each purpose, then the checks of the view in groups, and the counts at the end. A command stands
 * below the first line that needs it, and is not repeated.
 */
export function renderDoctor(report: DoctorReport, paint: Paint, { verbose, problems }: DoctorView): string {
  const { pinfold, node, kernel, arch, counts, checks, purposes } = report
  const shown = new Set<string>()
  const commandLine = (command: string | null | undefined, indent: number): string[] => {
    if (command === null || command === undefined || shown.has(command)) return []
    shown.add(command)
    return [`${' '.repeat(indent)}${paint(`$ ${command}`, 'bold')}`]
  }
  const widest = (words: readonly string[]) => Math.max(...words.map((word) => word.length))

  const blocks = [[paint(`pinfold ${pinfold}, Node ${node}, Linux ${kernel} ${arch}`, 'dim')]]
  const titleWidth = widest(purposes.map(({ purpose }) => titles[purpose]))
  const answerWidth = widest(purposes.map(({ answer }) => answer))
  blocks.push(
    purposes.flatMap(({ purpose, answer, reason, command }) => [
      `${pad(titles[purpose], titleWidth)}  ${pad(paint(answer, answerColours[answer]), answerWidth)}  ${reason}`,
      ...commandLine(command, titleWidth + answerWidth + 4),
    ]),
  )
  const listed = checks.filter(({ status }) => verbose || problems.includes(status))
  const statusWidth = widest(listed.map(({ status }) => status))
  const idWidth = widest(listed.map(({ id }) => id))
  for (const group of byGroup(listed)) {
    blocks.push(
      group.flatMap(({ id, status, seen, mend }) => [
        `${pad(paint(status, statusColours[status]), statusWidth)}  ${pad(id, idWidth)}  ${seen}`,
        // What is only a fact needs no repair, even if a command could change it.
        ...(status === 'ok' || status === 'info' ? [] : commandLine(mend, statusWidth + idWidth + 4)),
      ]),
    )
  }
  const sum = Object.entries(counts).filter(([, count]) => count > 0)
  const hint = listed.length < checks.length ? '; -v shows each check' : ''
  blocks.push([`${checks.length} checks: ${sum.map(([status, count]) => `${count} ${status}`).join(', ')}${hint}`])
  return blocks
    .filter(({ length }) => length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** The findings in runs of the same group, which is the first part of their ids. */
function byGroup(findings: readonly Finding[]): Finding[][] {
  const groups = new Map<string, Finding[]>()
  for (const found of findings) {
    const [name = ''] = found.id.split('.')
    groups.set(name, [...(groups.get(name) ?? []), found])
  }
  return [...groups.values()]
}
