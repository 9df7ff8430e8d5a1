import { machine, release } from 'node:os'
import { defineCommand } from 'citty'
import { commonArguments } from './arguments.js'
import { examinationGroups, examineAll } from './doctor/examinations.js'
import type { Finding, FindingStatus } from './doctor/finding.js'
import { exitCode } from './exit-code.js'
import { type Colour, Output, type Paint, pad } from './output.js'
import { readPackageVersion } from './package-version.js'

/** Checks everything that pinfold depends on, and reports what it saw and the commands that repair problems. */
export const doctor = defineCommand({
  meta: {
    name: 'doctor',
    description: 'Check what pinfold needs of this machine, and show the commands that repair it',
  },
  args: {
    only: { type: 'string', description: `Groups to check: ${examinationGroups.join(',')}`, valueHint: 'groups' },
    strict: { type: 'boolean', description: 'Exit with 3 also for warnings' },
    ...commonArguments,
  },
  async run({ args }) {
    const output = new Output({ json: args.json === true })
    const checks = await examineAll(args.only?.split(','), (group) => output.progress(`looking at ${group} …`))
    const counts = { ok: 0, info: 0, warn: 0, fail: 0, unknown: 0 }
    for (const { status } of checks) counts[status]++
    const report: DoctorReport = {
      schema: 'pinfold/doctor/1',
      pinfold: readPackageVersion(),
      node: process.version,
      kernel: release(),
      arch: machine(),
      counts,
      checks,
    }
    output.report(report, renderDoctor)
    const isAmiss = counts.fail > 0 || (args.strict === true && counts.warn + counts.unknown > 0)
    return isAmiss ? exitCode.finding : exitCode.ok
  },
})

export interface DoctorReport {
  readonly schema: 'pinfold/doctor/1'
  readonly pinfold: string
  readonly node: string
  readonly kernel: string
  readonly arch: string
  readonly counts: Readonly<Record<FindingStatus, number>>
  readonly checks: readonly Finding[]
}

const colours: Readonly<Record<FindingStatus, Colour>> = {
  ok: 'green',
  info: 'cyan',
  warn: 'yellow',
  fail: 'red',
  unknown: 'yellow',
}

/**
 * Renders a line for each check, the command that repairs it below, a blank line between groups, and the counts at the
 * end.
 */
export function renderDoctor({ pinfold, node, kernel, arch, counts, checks }: DoctorReport, paint: Paint): string {
  const statusWidth = Math.max(...checks.map(({ status }) => status.length))
  const idWidth = Math.max(...checks.map(({ id }) => id.length))
  const lines = [paint(`pinfold ${pinfold}, Node ${node}, Linux ${kernel} ${arch}`, 'dim')]
  let group = ''
  for (const { id, status, seen, mend } of checks) {
    const [own = ''] = id.split('.')
    if (own !== group) lines.push('')
    group = own
    lines.push(`${pad(paint(status, colours[status]), statusWidth)}  ${pad(id, idWidth)}  ${seen}`)
    if (mend !== undefined) lines.push(`${' '.repeat(statusWidth + idWidth + 4)}${paint(`$ ${mend}`, 'bold')}`)
  }
  const sum = Object.entries(counts).filter(([, count]) => count > 0)
  return [...lines, '', sum.map(([status, count]) => `${count} ${status}`).join(', ')].join('\n')
}
