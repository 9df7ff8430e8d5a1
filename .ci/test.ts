/**
 * `npm test` runs every suite on the installed Node, and counts the reports of their runners. The set-up (.ci/setup
 * test) has run before. .ci/platforms.ts runs the tests on other Node versions and platforms.
 *
 * The last line of stdout is `N passed, N failed, N skipped`; the exit status is 1 if anything failed.
 */
import { availableParallelism } from 'node:os'
import { readWanted } from './arguments.js'
import { type Outcome, silent } from './outcome.js'
import { Session } from './session.js'
import { build, types } from './suites/build.js'
import { lint } from './suites/lint.js'
import { models } from './suites/models.js'
import { native } from './suites/native.js'
import { packed } from './suites/packed.js'
import { quickTests } from './suites/quick.js'
import { tidy } from './suites/tidy.js'
import { currentNode, projects, vitest } from './suites/vitest.js'

type Checks = Readonly<Record<string, () => Promise<Outcome>>>

const before = { lint, types, models, build } satisfies Checks
const sanitized = {
  'native-asan': () => native('asan'),
  'native-tsan': () => native('tsan'),
} satisfies Checks
/** Tests of what can do without WebAssembly, without it. */
const withoutWasm = 'without-wasm'
const after = { packed: () => packed(currentNode) } satisfies Checks
const needsBuild: readonly string[] = [
  'build',
  ...Object.keys(sanitized),
  ...projects,
  withoutWasm,
  ...Object.keys(after),
]
const known = [
  ...Object.keys(before),
  'tidy',
  ...Object.keys(sanitized),
  ...projects,
  withoutWasm,
  ...Object.keys(after),
]

const started = performance.now()
const { only, quick } = readWanted(
  known,
  `npm test                              every suite, on this Node
npm test -- --quick                   lint, types, unit tests, and tests of the modules that differ from main: a minute
npm test -- --only SUITE[,SUITE…]     only these: ${known.join(', ')}
npm run test:platforms                other Node versions and platforms`,
  true,
)
const quickSuites: readonly string[] = ['lint', 'types', 'build', 'unit']
const wanted = (suite: string): boolean => {
  if (quick) return quickSuites.includes(suite)
  // Without a build, the tests of an edited tree would test an earlier state of it.
  if (suite === 'build') return only.length === 0 || only.some((name) => needsBuild.includes(name))
  return only.length === 0 || only.includes(suite)
}

const session = new Session('npm test')
await session.run(async () => {
  await runChecks(before)
  // After a failed build, the tests would run on the result of an earlier build, and say nothing about this tree.
  if (session.hasFailed('build')) return session.add(silent('tests', 'not run, since the build failed', 0))
  if ([...Object.keys(sanitized), ...projects, withoutWasm].filter(wanted).every((suite) => suite === 'unit'))
    await runTests()
  else {
    await session.onHugepages(async () => {
      await runChecks(sanitized)
      await runTests()
    })
  }
  await runChecks(after)
  if (quick) await session.onHugepages(async () => session.add(...(await quickTests(started))))
})

async function runChecks(checks: Checks): Promise<void> {
  await session.runChecks(Object.fromEntries(Object.entries(checks).filter(([suite]) => wanted(suite))))
}

async function runTests(): Promise<void> {
  const chosen = projects.filter(wanted)
  // clang-tidy alone would use both processors for two minutes. Beside the tests, which use little more than one
  // processor, it uses the other.
  const workers = chosen.length > 0 ? 1 : availableParallelism()
  // The tests of the lab do not look at the state of this machine, so they may run beside the others.
  const lab = chosen.filter((suite) => suite === 'lab')
  const inTurn = chosen.filter((suite) => suite !== 'lab')
  await Promise.all([
    runVitest(lab).then(() => runChecks({ tidy: () => tidy(workers) })),
    runVitest(inTurn).then(runWithoutWasm),
  ])
}

async function runWithoutWasm(): Promise<void> {
  if (session.interrupted || !wanted(withoutWasm)) return
  const variant = { name: 'without WebAssembly', env: { PINFOLD_WEBASSEMBLY: 'off' } }
  session.announce(`rings and packets on Node ${currentNode.label}, ${variant.name}`)
  const chosen = ['host', 'property', 'threads']
  session.add(...(await vitest({ node: currentNode, chosen, files: ['test/ring/', 'test/packet/'], variant })))
}

async function runVitest(chosen: readonly string[]): Promise<void> {
  if (session.interrupted || chosen.length === 0) return
  session.announce(`${chosen.join(', ')} on Node ${currentNode.label}`)
  session.add(...(await vitest({ node: currentNode, chosen })))
}
