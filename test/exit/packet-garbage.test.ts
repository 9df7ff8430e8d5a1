import { expect, test } from 'vitest'
import * as z from 'zod'
import { Program } from '../child-process.js'
import { program } from './pool.js'

const report = z.object({ growth: z.array(z.number()), available: z.number() })

test('10 million packets allocated and freed make no garbage', async () => {
  await using child = new Program(program('packet-rounds.mjs', [10_000_000], ['--expose-gc']))
  const { growth, available } = report.parse(JSON.parse(await child.line()))
  expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' })
  expect(available).toBe(1000)
  // A collection in between would make it less than nothing, and hide what was made before.
  expect(Math.min(...growth)).toBeGreaterThanOrEqual(0)
  expect(Math.min(...growth)).toBeLessThan(1024)
})
