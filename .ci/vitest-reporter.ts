import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import type { SerializedError } from 'vitest'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** This file contains the seconds of each test file's last run here, by its path. */
export const durationsFile = 'build/reports/durations.json'

/** One test as `npm test` counts it. */
export interface TestRecord {
  /** The vitest project: what the test needs (vitest.config.ts). */
  readonly suite: string
  readonly name: string
  readonly state: 'passed' | 'failed' | 'skipped'
  /** The errors of a failed test, or the reason of a skipped test. */
  readonly detail: string
}

export interface Report {
  readonly records: readonly TestRecord[]
  /** The seconds that the files of each suite took, with their loading. */
  readonly seconds: Readonly<Record<string, number>>
}

/**
 * Prints a line for each test file when it is done, and writes every test's record to the file named by PINFOLD_REPORT
 * at the end of the run. vitest's own JSON report leaves out why a test was skipped.
 */
export default class CountingReporter implements Reporter {
  readonly #recordsOf = new Map<TestModule, TestRecord[]>()

  onTestModuleEnd(module: TestModule): void {
    const records = recordsOf(module)
    this.#recordsOf.set(module, records)
    const count = (state: TestRecord['state']): number => records.filter((record) => record.state === state).length
    const words = [`${count('passed')} passed`]
    if (count('failed') > 0) words.push(`${count('failed')} FAILED`)
    if (count('skipped') > 0) words.push(`${count('skipped')} skipped`)
    console.log(`   ${module.relativeModuleId}  ${words.join(', ')}  ${secondsOf(module).toFixed(1)} s`)
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const file = process.env.PINFOLD_REPORT
    if (!file) throw new Error('PINFOLD_REPORT names no file for the report')
    const records: TestRecord[] = []
    const seconds: Record<string, number> = {}
    for (const module of modules) {
      records.push(...(this.#recordsOf.get(module) ?? recordsOf(module)))
      seconds[module.project.name] = (seconds[module.project.name] ?? 0) + secondsOf(module)
    }
    for (const error of unhandled) {
      const name = 'no error goes unhandled'
      records.push({ suite: 'unhandled', name, state: 'failed', detail: describe(error) })
    }
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify({ records, seconds } satisfies Report))
    rememberDurations(modules)
  }
}

function rememberDurations(modules: readonly TestModule[]): void {
  const known: Record<string, number> = existsSync(durationsFile) ? JSON.parse(readFileSync(durationsFile, 'utf8')) : {}
  for (const module of modules) known[module.relativeModuleId] = secondsOf(module)
  // The new file is written beside the old one and then replaces it, since another run may be reading it.
  const beside = `${durationsFile}.${process.pid}`
  writeFileSync(beside, JSON.stringify(known))
  renameSync(beside, durationsFile)
}

function recordsOf(module: TestModule): TestRecord[] {
  const suite = module.project.name
  const failed = (name: string, error: SerializedError): TestRecord => {
    return { suite, name, state: 'failed', detail: describe(error) }
  }
  const records = module.errors().map((error) => failed(`${module.relativeModuleId} loads`, error))
  for (const group of module.children.allSuites()) {
    records.push(...group.errors().map((error) => failed(`${group.fullName} (its hooks)`, error)))
  }
  for (const test of module.children.allTests()) records.push(recordOf(suite, test))
  return records
}

function recordOf(suite: string, test: TestCase): TestRecord {
  const name = `${test.module.relativeModuleId} > ${test.fullName}`
  const result = test.result()
  switch (result.state) {
    case 'passed':
      return { suite, name, state: 'passed', detail: '' }
    case 'failed':
      return { suite, name, state: 'failed', detail: result.errors.map(describe).join('\n') }
    case 'skipped':
      if (result.note !== undefined) return { suite, name, state: 'skipped', detail: result.note }
      if (neverRan(test)) return { suite, name, state: 'skipped', detail: 'a hook before the test failed' }
      // A missing reason is a failure, so that a test that nobody runs any more does not go unnoticed.
      return { suite, name, state: 'failed', detail: 'skipped without a reason' }
    case 'pending':
      return { suite, name, state: 'failed', detail: 'the run ended before this test did' }
  }
}

/** Whether a hook of a group around the test failed. Such a failure is counted by itself. */
function neverRan(test: TestCase): boolean {
  for (let group = test.parent; ; group = group.parent) {
    if (group.errors().length > 0) return true
    if (group.type === 'module') return false
  }
}

function secondsOf(module: TestModule): number {
  const { environmentSetupDuration, prepareDuration, collectDuration, setupDuration, duration } = module.diagnostic()
  return (environmentSetupDuration + prepareDuration + collectDuration + setupDuration + duration) / 1000
}

function describe(error: SerializedError): string {
  const where = error.stacks?.[0]
  const place = where ? `\n  at ${where.file}:${where.line}:${where.column}` : ''
  const cause = error.cause ? `\n  cause: ${error.cause.message ?? JSON.stringify(error.cause)}` : ''
  const text = `${error.name ?? 'Error'}: ${error.message}${error.diff ? `\n${error.diff}` : ''}${place}${cause}`
  return stripVTControlCharacters(text)
}
