import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { formatSize } from '../../src/sizes.js'
import { hugetlbPageSizes } from '../../src/system/page-sizes.js'
import { Child } from '../support/child-process.js'
import { mountHugetlbfs, pageSize } from '../support/hugepage-pools.js'
import { needs, whyNotRoot } from '../support/requirements.js'
import { good, run } from '../support/run-program.js'

// Regions share the mappings and descriptors of a process with the runtime.

const most = Number(readFileSync('/proc/sys/vm/max_map_count', 'latin1'))

test('regions leave mappings to the runtime, which would abort without them', async ({ skip }) => {
  if (most > 2 ** 17) skip(`needs a vm.max_map_count that a test can use up, not ${most}`)
  expect(await run('limits.ts')).toEqual(good)
})

test('a process of 200 descriptors has 5,000 regions, keeps a reserve, and goes on when none is left', async (context) => {
  needs(context, hugetlbPageSizes().length === 0 ? 'this kernel has no hugepages' : undefined)
  const folder = whyNotRoot('mount a hugetlbfs') === undefined ? [mountHugetlbfs(context, pageSize)] : []
  await using child = new Child('descriptors.ts', [formatSize(pageSize), ...folder], ['prlimit', '--nofile=200:200'])
  expect(await child.ended).toEqual(good)
})
