import { defineConfig } from 'vitest/config'

// Tests lie in a folder for each subject, and the suffix of a file says what it needs:
//
//     ring.unit.test.ts       nothing: any machine, side by side with others
//     ring.test.ts            this machine: its kernel, hugepages and libraries
//     ring.property.test.ts   the same, and time: random acts beside a model
//     ring.threads.test.ts    worker threads, some of which are terminated
//     ring.exit.test.ts       processes of its own, and how they end
//     ring.fault.test.ts      calls of the kernel or of libibverbs that fail on demand
//     ring.lab.test.ts        a virtual machine
//
// Those that need the machine count hugepages, descriptors and mappings, so of them one file runs at a time.
const suffixes = ['property', 'threads', 'exit', 'fault', 'lab'] as const
const withSuffix = (suffix: string): string => `test/**/*.${suffix}.test.ts`

/** Files that are left out (.ci/suites/vitest.ts). Vitest does not apply its option --exclude to projects. */
const without = (process.env.PINFOLD_WITHOUT ?? '').split(':').filter((file) => file !== '')

const projects = [
  { name: 'unit', include: [withSuffix('unit')], exclude: [] },
  { name: 'host', include: ['test/**/*.test.ts'], exclude: ['unit', ...suffixes].map(withSuffix) },
  ...suffixes.map((suffix) => ({ name: suffix, include: [withSuffix(suffix)], exclude: [] })),
]

export default defineConfig({
  // Node 20 has no `using`: let the transform lower it, as tsc does for dist/.
  oxc: { target: 'es2022' },
  test: {
    pool: 'forks',
    setupFiles: ['test/support/matchers.ts'],
    // Tests bring these about on purpose. A test that looks for one listens for it; nobody else is to read it.
    execArgv: ['PINFOLD_HELD', 'PINFOLD_QUEUE_ENTRIES'].map((code) => `--disable-warning=${code}`),
    // Of a busy machine, which emulates another one beside the tests.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    projects: projects.map(({ name, include, exclude }, order) => ({
      extends: true,
      test: {
        name,
        include,
        exclude: [...exclude, ...without],
        sequence: { groupOrder: order },
        ...(name === 'unit' ? {} : { maxWorkers: 1, globalSetup: ['test/support/hugepages.ts'] }),
      },
    })),
  },
})
