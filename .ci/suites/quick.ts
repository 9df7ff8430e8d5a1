import { existsSync, readFileSync } from 'node:fs'
import { changedFiles, testsOf } from '../changes.js'
import type { Outcome } from '../outcome.js'
import { durationsFile } from '../vitest-reporter.js'
import { currentNode, vitest } from './vitest.js'

/** Seconds that all of `npm test -- --quick` may take. */
const budget = 60
/** Seconds for the start and the end of vitest. */
const overhead = 4
/** Seconds of a file that has never run here. */
const unknown = 5

/**
 * Runs the tests of the modules that differ from the main branch, the shortest first, as many as the time allows. The
 * others count as skipped. Unit tests and tests in a virtual machine are left out.
 *
 * @param started the time at which the run began, from `performance.now()`
 */
export async function quickTests(started: number): Promise<Outcome[]> {
  const files = testsOf(await changedFiles()).filter((file) => !/\.(unit|lab)\.test\.ts$/.test(file))
  const durations: Record<string, number> = existsSync(durationsFile)
    ? JSON.parse(readFileSync(durationsFile, 'utf8'))
    : {}
  const secondsOf = (file: string): number => durations[file] ?? unknown
  let left = budget - overhead - (performance.now() - started) / 1000
  const chosen: string[] = []
  const skipped: string[] = []
  for (const file of files.sort((one, other) => secondsOf(one) - secondsOf(other))) {
    left -= secondsOf(file)
    ;(left > 0 ? chosen : skipped).push(file)
  }
  const reason = `no time within the ${budget} s of --quick: npm test -- --only SUITE runs it`
  const outcome = {
    ...{ suite: 'changed modules', passed: 0, failed: [], seconds: 0 },
    skipped: skipped.map((name) => ({ name, reason })),
  }
  if (chosen.length === 0) return [outcome]
  return [...(await vitest({ node: currentNode, chosen: [...new Set(chosen.map(projectOf))], files: chosen })), outcome]
}

/** The vitest project of a test file: its suffix, or host. */
function projectOf(file: string): string {
  return /\.(\w+)\.test\.ts$/.exec(file)?.[1] ?? 'host'
}
