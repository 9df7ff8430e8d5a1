import { expect, test } from 'vitest'
import { Child } from '../support/child-process.js'

// In a process of its own, which must end well: a crash is what this is looking for.

const milliseconds = 20_000

test('whatever several threads allocate, attach, write, hold, translate and close, each sees what it must', async () => {
  const seed = Number(process.env.PINFOLD_SEED ?? Math.floor(Math.random() * 2 ** 31))
  // A failure says how to replay it: PINFOLD_SEED, and PINFOLD_PATH with what fast-check prints as the replayPath.
  const path = process.env.PINFOLD_PATH ?? ''
  await using child = new Child('region-model.ts', [seed, milliseconds, path])
  const { code, signal, stderr } = await child.ended
  expect({ seed, code, signal, stderr }).toEqual({ seed, code: 0, signal: null, stderr: '' })
  expect(Number(await child.line())).toBeGreaterThan(10)
})
