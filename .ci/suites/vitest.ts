import { existsSync, readFileSync, rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Outcome, silent } from '../outcome.js'
import { run } from '../processes.js'
import type { Report, TestRecord } from '../vitest-reporter.js'

/** The projects of vitest.config.ts. */
export const projects = ['unit', 'property', 'host', 'threads', 'exit', 'fault', 'lab'] as const

export interface VitestRun {
  readonly node: Node
  /** The projects. */
  readonly chosen: readonly string[]
  /** Files of these projects that are not run. */
  readonly without?: readonly string[]
  /** The only files of these projects that are run. Default: all. */
  readonly files?: readonly string[]
  /** Environment variables of the tests, with the words that name them in the summary. */
  readonly variant?: { readonly name: string; readonly env: Readonly<Record<string, string>> }
}

/** Runs vitest projects on one Node, and counts what vitest reported for each of them. */
export async function vitest({ node, chosen, without = [], files = [], variant }: VitestRun): Promise<Outcome[]> {
  const started = performance.now()
  // The name contains the pid, so that two runs at the same time do not read each other's report.
  const file = `build/reports/vitest-${node.label}-${chosen.join('-')}-${variant === undefined ? '' : 'variant-'}${process.pid}.json`
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=.ci/vitest-reporter.ts']
  const which = [...chosen.flatMap((name) => ['--project', name]), ...files]
  const { status } = await run(node.path, [...args, ...which], {
    show: true,
    env: { ...variant?.env, PINFOLD_REPORT: file, PINFOLD_WITHOUT: without.join(':') },
    minutes: 45,
  })

  const name = (suite: string): string => `${suite} (Node ${node.label}${variant ? `, ${variant.name}` : ''})`
  const elapsed = (performance.now() - started) / 1000
  if (!existsSync(file)) {
    const why = `vitest ended with status ${status} and left no report; its output stands above`
    return chosen.map((suite) => silent(name(suite), why, elapsed / chosen.length))
  }
  const report: Report = JSON.parse(readFileSync(file, 'utf8'))
  rmSync(file)
  const outcomes = chosen.map((suite) => {
    const records = report.records.filter((record) => record.suite === suite)
    const seconds = report.seconds[suite] ?? 0
    return records.length > 0 ? count(name(suite), records, seconds) : silent(name(suite), 'no test ran', seconds)
  })
  const others = report.records.filter((record) => !chosen.includes(record.suite))
  if (others.length > 0) outcomes.push(count(`vitest (Node ${node.label})`, others, 0))
  // Counted failures explain a bad status. Without any, something failed outside the tests (a teardown, a crash).
  if (status !== 0 && outcomes.every(({ failed }) => failed.length === 0)) {
    outcomes.push(silent(`vitest (Node ${node.label})`, `every test passed, but vitest ended with status ${status}`, 0))
  }
  return outcomes
}

function count(suite: string, records: readonly TestRecord[], seconds: number): Outcome {
  const of = (state: TestRecord['state']): TestRecord[] => records.filter((record) => record.state === state)
  return {
    suite,
    passed: of('passed').length,
    failed: of('failed').map(({ name, detail }) => ({ name, detail })),
    skipped: of('skipped').map(({ name, detail }) => ({ name, reason: detail })),
    seconds,
  }
}

export interface Node {
  /** The name in the summary: the full version. */
  readonly label: string
  readonly path: string
}

export const currentNode: Node = { label: process.versions.node, path: process.execPath }

/** The Node of a major version from .ci/nodes, where the set-up has installed it. */
export function nodeOf(major: string): Node {
  const folder = `.ci/nodes/node_modules/node-${major}-${process.arch}`
  const { version }: { version: string } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'))
  return { label: version.replace(/^v/, ''), path: resolve(folder, 'bin/node') }
}
