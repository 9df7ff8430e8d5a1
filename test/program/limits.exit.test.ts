import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Program } from '../support/child-process.js'
import { compiled } from '../support/compiled-program.js'
import { good, run } from '../support/run-program.js'

// Regions share the mappings and descriptors of a process with the runtime.

const most = Number(readFileSync('/proc/sys/vm/max_map_count', 'latin1'))

test('regions leave mappings to the runtime, which would abort without them', async ({ skip }) => {
  if (most > 2 ** 17) skip(`needs a vm.max_map_count that a test can use up, not ${most}`)
  expect(await run('limits.ts', 'anonymous', 'vm.max_map_count')).toEqual(good)
})

test('a process without a free descriptor gets an error that says so, and goes on', async () => {
  const fixture = compiled('limits.ts')
  await using program = new Program([
    'prlimit',
    '--nofile=200:200',
    process.execPath,
    fixture,
    'memfd',
    'Too many open files',
  ])
  expect(await program.ended).toEqual(good)
})
