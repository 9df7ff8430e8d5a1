import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { SerializedError } from 'vitest'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

/** One test as `npm test` counts it. vitest's own JSON leaves out why a test was skipped, so this is ours. */
export interface TestRecord {
  /** The vitest project, which is the folder under test/. */
  readonly suite: string
  readonly name: string
  readonly state: 'passed' | 'failed' | 'skipped'
  /** Of a failure its errors, of a skipped test its reason. */
  readonly detail: string
}

export interface Report {
  readonly records: readonly TestRecord[]
  readonly seconds: Readonly<Record<string, number>>
}

/** Writes every test's record to the file named by PINFOLD_REPORT, once, at the end of the run. */
export default class CountingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const file = process.env.PINFOLD_REPORT
    if (!file) throw new Error('PINFOLD_REPORT names no file for the report')
    const records: TestRecord[] = []
    const seconds: Record<string, number> = {}
    for (const module of modules) {
      const suite = module.project.name
      seconds[suite] = (seconds[suite] ?? 0) + module.diagnostic().duration / 1000
      // An error outside any test: the file does not load, or a hook of the file failed.
      for (const error of module.errors()) {
        records.push({ suite, name: `${module.relativeModuleId} loads`, state: 'failed', detail: describe(error) })
      }
      for (const suiteOfTests of module.children.allSuites()) {
        for (const error of suiteOfTests.errors()) {
          records.push({ suite, name: `${suiteOfTests.fullName} (hooks)`, state: 'failed', detail: describe(error) })
        }
      }
      for (const test of module.children.allTests()) records.push(recordOf(suite, test))
    }
    for (const error of unhandled) {
      records.push({ suite: 'unhandled', name: 'no error goes unhandled', state: 'failed', detail: describe(error) })
    }
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, JSON.stringify({ records, seconds } satisfies Report))
  }
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
      return { suite, name, state: 'skipped', detail: result.note ?? `its name says why: ${test.name}` }
    case 'pending':
      return { suite, name, state: 'failed', detail: 'the run ended before this test did' }
  }
}

function describe(error: SerializedError): string {
  const where = error.stacks?.[0]
  const place = where ? `\n  at ${where.file}:${where.line}:${where.column}` : ''
  const cause = error.cause instanceof Error ? `\n  cause: ${error.cause.message}` : ''
  return `${error.name ?? 'Error'}: ${error.message}${error.diff ? `\n${error.diff}` : ''}${place}${cause}`
}
