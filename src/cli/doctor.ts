import { machine, release } from 'node:os'
import { defineCommand } from 'citty'
import { commonArguments } from './arguments.js'
import { examinationGroups, examineAll } from './doctor/examinations.js'
import type { Finding, FindingStatus } from './doctor/finding.js'
import { answerPurposes, type Purpose } from './doctor/purposes.js'
import { renderDoctor } from './doctor/render.js'
import { exitCode } from './exit-code.js'
import { Output } from './output.js'
import { readPackageVersion } from './package-version.js'

/**
 * Checks everything that pinfold depends on. It reports what the machine can be used for, and with `--verbose` what
 * each check saw, with the commands that repair problems.
 */
export const doctor = defineCommand({
  meta: {
    name: 'doctor',
    description: 'Tell what pinfold can do on this machine, and show the commands that repair it',
  },
  args: {
    verbose: { type: 'boolean', alias: 'v', description: 'Show every check, too' },
    only: { type: 'string', description: `Groups to check: ${examinationGroups.join(',')}`, valueHint: 'groups' },
    strict: { type: 'boolean', description: 'Exit with 3 also for warnings' },
    ...commonArguments,
  },
  async run({ args }) {
    const output = new Output({ json: args.json === true })
    const groups = args.only?.split(',') ?? examinationGroups
    const checks = await examineAll(groups, (group) => output.progress(`looking at ${group} …`))
    const counts = { ok: 0, info: 0, warn: 0, fail: 0, unknown: 0 }
    for (const { status } of checks) counts[status]++
    const report: DoctorReport = {
      schema: 'pinfold/doctor/1',
      pinfold: readPackageVersion(),
      node: process.version,
      kernel: release(),
      arch: machine(),
      purposes: answerPurposes(checks, groups),
      counts,
      checks,
    }
    const problems: readonly FindingStatus[] = args.strict === true ? ['fail', 'warn', 'unknown'] : ['fail']
    // Somebody who names groups wants to see their checks.
    const verbose = args.verbose === true || args.only !== undefined
    output.report(report, (report, paint) => renderDoctor(report, paint, { verbose, problems }))
    return checks.some(({ status }) => problems.includes(status)) ? exitCode.finding : exitCode.ok
  },
})

export interface DoctorReport {
  readonly schema: 'pinfold/doctor/1'
  readonly pinfold: string
  readonly node: string
  readonly kernel: string
  readonly arch: string
  readonly purposes: readonly Purpose[]
  readonly counts: Readonly<Record<FindingStatus, number>>
  readonly checks: readonly Finding[]
}
