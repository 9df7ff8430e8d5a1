import { beforeEach, expect, test } from 'vitest'
import * as z from 'zod'
import { Program } from '../child-process.js'
import { program, whyNotPages } from './pool.js'

const report = z.object({ written: z.number(), moved: z.record(z.string(), z.number()) })

beforeEach(({ skip }) => {
  const reason = process.getuid?.() === 0 ? whyNotPages(8) : 'needs root, to see page frame numbers'
  if (reason !== undefined) skip(reason)
})

// Only a fork that shares pages moves them every time; the kernel may also move one for reasons of its own (compaction,
// as others reserve hugepages), so a page that moved once is looked at again.
test('no page moves over 100 spawnSync calls while a worker writes to all of them', { retry: 2 }, async () => {
  await using child = new Program(program('forks.mjs', [100]))
  const { written, moved } = report.parse(JSON.parse(await child.line()))
  expect(moved).toEqual({ 'hugetlb-memfd': 0, 'hugetlb-anonymous': 0, 'base-memfd': 0, 'base-anonymous': 0 })
  expect(written).toBeGreaterThan(100)
  expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' })
})
