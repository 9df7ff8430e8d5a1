import { expect } from 'vitest'
import * as z from 'zod'
import { Program } from './child-process.js'
import { program } from './returned-pages.js'

const report = z.object({ growth: z.array(z.number()), passed: z.number() })

/**
 * Asserts that rounds of a program of test/support/programs make no garbage. The program prints its growth of V8's
 * heap.
 */
export async function expectNoGarbage(rounds: number, script: string, args: readonly string[] = []): Promise<void> {
  await using child = new Program(program(script, [...args, rounds], ['--expose-gc']))
  const { growth, passed } = report.parse(JSON.parse(await child.line()))
  expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' })
  expect(passed).toBeGreaterThanOrEqual(4 * rounds)
  // A measurement with a collection in between is negative, and does not count.
  expect(Math.min(...growth.filter((bytes) => bytes >= 0))).toBeLessThan(1024)
}
