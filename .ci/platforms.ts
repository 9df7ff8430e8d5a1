/**
 * `npm run test:platforms` runs the tests that may differ by platform, on Node versions other than the installed one. It
 * uses the package with the addons that are published, also on emulated arm64 machines. It also builds the site of the
 * documentation and tests it in a browser, since that takes longer than a minute. The set-up (.ci/setup platforms) has run
 * before. .ci/test.ts runs all other tests.
 *
 * The last line of stdout is `N passed, N failed, N skipped`; the exit status is 1 if anything failed.
 */
import { readWanted } from './arguments.js'
import { type Outcome, silent } from './outcome.js'
import { Session } from './session.js'
import { arm64 } from './suites/arm64.js'
import { build } from './suites/build.js'
import { docs } from './suites/docs.js'
import { packedOn } from './suites/packed.js'
import { otherRuntimes } from './suites/runtimes.js'
import { Tarball } from './suites/tarball.js'
import { nodeOf, vitest } from './suites/vitest.js'

/** The Node versions, each with the suites that may differ on it. `npm test` runs all of them on the Node at hand. */
const suitesOfNode: Readonly<Record<string, readonly string[]>> = {
  // The oldest supported release of the major version on which `npm test` runs everything. The platform `packed` shows
  // that the package loads on it.
  '20': ['unit'],
  '22': ['unit'],
  '24': ['unit', 'host', 'threads', 'exit'],
  '26': ['unit', 'host', 'threads', 'exit'],
}
/**
 * Test files that are left out here: they test the kernel, the command line's texts, or the checks of arguments, or they
 * test in a long program the same as other files. The platform `packed` runs the command line on each Node.
 */
const sameOnEveryNode = [
  'test/cli/**/*.test.ts',
  'test/hugepages/*.test.ts',
  'test/memory/shortage.test.ts',
  'test/program/bad-input.test.ts',
  'test/program/guides.test.ts',
  'test/program/kill.exit.test.ts',
  'test/program/limits.exit.test.ts',
  'test/program/rounds.exit.test.ts',
  'test/rdma/bad-input.test.ts',
  'test/ring/processes.test.ts',
]

const session = new Session('npm run test:platforms')
/** What users install, if zig can compile it here. Every platform that needs the package uses this one. */
const tarball = new Tarball(process.arch === 'x64' ? 'published' : 'here')

const platforms: Readonly<Record<string, () => Promise<Outcome[]>>> = {
  ...Object.fromEntries(
    Object.entries(suitesOfNode).map(([major, chosen]) => [
      `node-${major}`,
      () => vitest({ node: nodeOf(major), chosen, without: sameOnEveryNode }),
    ]),
  ),
  packed: async () => [await packedOn(tarball, Object.keys(suitesOfNode).map(nodeOf), otherRuntimes())],
  arm64: async () => [await arm64(tarball)],
  docs: async () => [await docs()],
}
const known = Object.keys(platforms)

const { only } = readWanted(
  known,
  `npm run test:platforms                                  every platform
npm run test:platforms -- --only PLATFORM[,PLATFORM…]   only these: ${known.join(', ')}`,
)

await session.run(async () => {
  await session.runChecks({ build })
  // After a failed build, the tests would run on the result of an earlier build, and say nothing about this tree.
  if (session.hasFailed('build')) return session.add(silent('tests', 'not run, since the build failed', 0))
  try {
    await session.onHugepages(async () => {
      for (const [platform, test] of Object.entries(platforms)) {
        if (session.interrupted || (only.length > 0 && !only.includes(platform))) continue
        session.announce(platform)
        session.add(...(await test()))
      }
    })
  } finally {
    tarball.remove()
  }
})
