import { expect, test } from 'vitest'
import * as z from 'zod'
import { Program } from '../child-process.js'
import { program } from './pool.js'

const report = z.object({ growth: z.array(z.number()), allocations: z.number() })

test('10 million rounds of allocate and free in a heap make no garbage', async () => {
  const rounds = 10_000_000
  await using child = new Program(program('heap-rounds.mjs', [rounds], ['--expose-gc']))
  const { growth, allocations } = report.parse(JSON.parse(await child.line()))
  expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' })
  expect(allocations).toBeGreaterThan(4 * rounds)
  // A collection in between would make it less than nothing, and hide what was made before.
  expect(Math.min(...growth)).toBeGreaterThanOrEqual(0)
  expect(Math.min(...growth)).toBeLessThan(1024)
})
