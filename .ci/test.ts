/**
 * Runs the suites and counts what their runners report. Set-up (.ci/setup test) has been run before.
 *
 * The last line of stdout is `N passed, N failed, N skipped`; the exit status is 1 when anything failed.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type Outcome, printSummary, silent } from './outcome.js'
import { signalAll } from './processes.js'
import { build, types } from './suites/build.js'
import { lint } from './suites/lint.js'
import { Machine } from './suites/machine.js'
import { native } from './suites/native.js'
import { packed } from './suites/packed.js'
import { tidy } from './suites/tidy.js'
import { currentNode, nodeOf, projects, type VitestRun, vitest } from './suites/vitest.js'

/** The Node versions besides the one that runs this, and the suites that may differ between them; on one in between, fewer. */
const otherNodes = ['20', '22', '24']
const differsByNode = ['unit', 'host', 'worker', 'exit']
const differsInBetween = ['unit', 'worker']
/** Of these suites, what is the kernel's doing, or long programs of what others test by itself. */
const sameOnEveryNode = [
  'hugepage-loan',
  'hugepage-pools',
  'cli-hugepages',
  'cli-mounts',
  'cli-demo',
  'cli-bench',
  'ring-processes',
].map((name) => `test/host/${name}.test.ts`)
/**
 * Of the major that runs everything anyway, its oldest release is asked for what releases differ in: the language. That the
 * package is written in it, `packed` shows.
 */
const differsByRelease = ['unit']

const before = { lint, types, build } satisfies Record<string, () => Promise<Outcome>>
const sanitized = {
  'native-asan': () => native('asan'),
  'native-tsan': () => native('tsan'),
} satisfies Record<string, () => Promise<Outcome>>
const after = {
  packed: () => packed([currentNode, ...otherNodes.map(nodeOf)]),
} satisfies Record<string, () => Promise<Outcome>>
const needsBuild: readonly string[] = ['build', ...Object.keys(sanitized), ...projects, ...Object.keys(after)]
const known = [...Object.keys(before), 'tidy', ...Object.keys(sanitized), ...projects, ...Object.keys(after)]

const usage = `npm test                              every suite that can run here
npm test -- --only SUITE[,SUITE…]     only these: ${known.join(', ')}
npm test -- --node 20|22|24           the test suites on that Node`

const { only, node } = readArguments()
const wanted = (suite: string): boolean => {
  // Tests of a tree that was edited and not built would be tests of another tree.
  if (suite === 'build') return only.length === 0 || only.some((name) => needsBuild.includes(name))
  return only.length === 0 || only.includes(suite)
}

let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The suite that is running gives back what it borrowed; then the summary says how far we came.
    interrupted = true
    signalAll(signal)
  })
}

const outcomes: Outcome[] = []
const machine = new Machine()
try {
  await runEverything()
} catch (error) {
  // Whatever breaks the runner itself is a failure like any other, and still ends in a summary.
  outcomes.push(silent('npm test', error instanceof Error ? (error.stack ?? error.message) : String(error), 0))
}
outcomes.push(await machine.check())
if (interrupted) outcomes.push(silent('npm test', 'interrupted: not every suite ran', 0))
printSummary(outcomes)
process.exitCode = outcomes.some(({ failed }) => failed.length > 0) ? 1 : 0

async function runEverything(): Promise<void> {
  await runChecks(node ? { build } : before)
  // With a failed build the tests would run on what an earlier one left, and say nothing about this tree.
  if (outcomes.some(({ suite, failed }) => suite === 'build' && failed.length > 0)) {
    outcomes.push(silent('tests', 'not run, since the build failed', 0))
    return
  }
  await onHugepages(async () => {
    if (!node) await runChecks(sanitized)
    await runTests()
  })
  if (!node) await runChecks(after)
}

/** With real hugepages for whoever tests on them, given back whatever happens. */
async function onHugepages(body: () => Promise<void>): Promise<void> {
  const suites = [...Object.keys(sanitized), ...projects].filter(wanted)
  if (suites.every((suite) => suite === 'unit')) return body()
  // Not before the build: borrowing is pinfold's own, and calls the addon.
  const { BorrowedPages } = await import('../test/hugepages.js')
  const pages = new BorrowedPages()
  announce('hugepages for the tests')
  for (const line of pages.report) console.log(`   ${line}`)
  try {
    await body()
  } finally {
    pages.giveBack()
  }
}

async function runChecks(checks: Readonly<Record<string, () => Promise<Outcome>>>): Promise<void> {
  for (const [suite, check] of Object.entries(checks)) {
    if (!wanted(suite) || interrupted) continue
    announce(suite)
    outcomes.push(await check())
  }
}

async function runTests(): Promise<void> {
  const chosen = projects.filter(wanted)
  // It would take both processors for two minutes. Beside the tests, which use little more than one, it takes the other.
  const workers = chosen.length > 0 ? 1 : availableParallelism()
  const checks = node ? {} : { tidy: () => tidy(workers) }
  if (chosen.length === 0) return runChecks(checks)
  // The lab looks at nothing of this machine.
  const beside = chosen.filter((suite) => suite === 'lab')
  const inTurn = chosen.filter((suite) => !beside.includes(suite))
  const main = node ? nodeOf(node) : currentNode
  const runs: VitestRun[] = [{ node: main, chosen: inTurn }]
  if (!node && only.length === 0) {
    for (const major of otherNodes) {
      const isOurs = process.versions.node.startsWith(`${major}.`)
      const isInBetween = major !== otherNodes[0] && major !== otherNodes.at(-1)
      const sensitive = isInBetween ? differsInBetween : differsByNode
      runs.push({
        node: nodeOf(major),
        chosen: chosen.filter((suite) => (isOurs ? differsByRelease : sensitive).includes(suite)),
        without: sameOnEveryNode,
      })
    }
  }
  await Promise.all([inOrder([{ node: main, chosen: beside }]).then(() => runChecks(checks)), inOrder(runs)])
}

async function inOrder(runs: readonly VitestRun[]): Promise<void> {
  for (const run of runs) {
    if (interrupted || run.chosen.length === 0) continue
    announce(`${run.chosen.join(', ')} on Node ${run.node.label}`)
    outcomes.push(...(await vitest(run)))
  }
}

function announce(what: string): void {
  console.log(`── ${what}`)
}

function readArguments(): { only: string[]; node: string | undefined } {
  const values = parseOptions()
  if (values.help) {
    console.log(usage)
    process.exit(0)
  }
  const only = values.only.split(',').filter((suite) => suite !== '')
  const unknown = only.filter((suite) => !known.includes(suite))
  if (unknown.length > 0) refuse(`--only ${unknown.join(',')}: there is no such suite`)
  if (values.node && !otherNodes.includes(values.node)) refuse(`--node ${values.node}: one of ${otherNodes.join(', ')}`)
  return { only, node: values.node }
}

function parseOptions() {
  try {
    const only = { type: 'string', default: '' } as const
    return parseArgs({ options: { only, node: { type: 'string' }, help: { type: 'boolean' } } }).values
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

function refuse(why: string): never {
  console.error(`${why}\n\n${usage}`)
  process.exit(2)
}
