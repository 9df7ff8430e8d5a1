import { expect } from 'vitest'
import * as z from 'zod'
import { Program } from './child-process.js'
import { program } from './returned-pages.js'

const report = z.object({ growth: z.array(z.number()), passed: z.number() })

/** Asserts that so many rounds of a program of test/support/programs make no garbage; it says how much came out of them. */
export async function expectNoGarbage(rounds: number, script: string, args: readonly string[] = []): Promise<void> {
  await using child = new Program(program(script, [...args, rounds], ['--expose-gc']))
  const { growth, passed } = report.parse(JSON.parse(await child.line()))
  expect(await child.ended).toEqual({ code: 0, signal: null, stderr: '' })
  expect(passed).toBeGreaterThanOrEqual(4 * rounds)
  // One with a collection in between says nothing.
  expect(Math.min(...growth.filter((bytes) => bytes >= 0))).toBeLessThan(1024)
}
