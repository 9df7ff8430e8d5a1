import { defineConfig } from 'vitest/config'

// Suites that reserve hugepages, fill pools, or count descriptors and mappings see the whole machine, so of those one
// file runs at a time. Pure suites run side by side, before them.
const pure = ['unit']
const alone = ['property', 'host', 'worker', 'exit', 'fault', 'lab']

export default defineConfig({
  // Node 20 has no `using`: let the transform lower it, as tsc does for dist/.
  oxc: { target: 'es2022' },
  test: {
    pool: 'forks',
    // Tests bring these about on purpose. A test that looks for one listens for it; nobody else is to read it.
    execArgv: ['PINFOLD_HELD', 'PINFOLD_QUEUE_ENTRIES'].map((code) => `--disable-warning=${code}`),
    // Of a busy machine, which emulates another one beside the tests.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    projects: [...pure, ...alone].map((name, order) => ({
      extends: true,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        sequence: { groupOrder: pure.includes(name) ? 0 : order },
        ...(pure.includes(name) ? {} : { maxWorkers: 1, globalSetup: ['test/hugepages.ts'] }),
      },
    })),
  },
})
