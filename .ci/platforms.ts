/**
 * `npm run test:platforms` runs the tests that may differ by platform, on Node versions other than the installed one.
 * The set-up (.ci/setup platforms) has run before. .ci/test.ts runs all other tests.
 *
 * The last line of stdout is `N passed, N failed, N skipped`; the exit status is 1 if anything failed.
 */
import { readWanted } from './arguments.js'
import { type Outcome, silent } from './outcome.js'
import { Session } from './session.js'
import { build } from './suites/build.js'
import { packedOn } from './suites/packed.js'
import { nodeOf, vitest } from './suites/vitest.js'

/** The Node versions, each with the suites that may differ on it: most suites on the newest, one on the oldest. */
const suitesOfNode: Readonly<Record<string, readonly string[]>> = {
  // The oldest supported release of the major version on which `npm test` runs everything. The platform `packed` shows
  // that the package loads on it.
  '20': ['unit'],
  '22': ['unit', 'threads'],
  '24': ['unit', 'host', 'threads', 'exit'],
}
/** Test files that are left out here: they test the kernel, or test in a long program the same as other files. */
const sameOnEveryNode = [
  'hugepages/loan',
  'hugepages/lock',
  'hugepages/pools',
  'hugepages/repair',
  'cli/hugepages',
  'cli/mounts',
  'cli/demo',
  'cli/bench',
  'ring/processes',
].map((name) => `test/${name}.test.ts`)

const platforms: Readonly<Record<string, () => Promise<Outcome[]>>> = {
  ...Object.fromEntries(
    Object.entries(suitesOfNode).map(([major, chosen]) => [
      `node-${major}`,
      () => vitest({ node: nodeOf(major), chosen, without: sameOnEveryNode }),
    ]),
  ),
  packed: async () => [await packedOn(Object.keys(suitesOfNode).map(nodeOf))],
}
const known = Object.keys(platforms)

const { only } = readWanted(
  known,
  `npm run test:platforms                                  every platform
npm run test:platforms -- --only PLATFORM[,PLATFORM…]   only these: ${known.join(', ')}`,
)

const session = new Session('npm run test:platforms')
await session.run(async () => {
  await session.runChecks({ build })
  // After a failed build, the tests would run on the result of an earlier build, and say nothing about this tree.
  if (session.hasFailed('build')) return session.add(silent('tests', 'not run, since the build failed', 0))
  await session.onHugepages(async () => {
    for (const [platform, test] of Object.entries(platforms)) {
      if (session.interrupted || (only.length > 0 && !only.includes(platform))) continue
      session.announce(platform)
      session.add(...(await test()))
    }
  })
})
