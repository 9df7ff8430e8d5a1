import { expect, test } from 'vitest'
import { Child } from '../support/child-process.js'

// The model runs in a process of its own, since this test looks for crashes.

const milliseconds = 20_000

test('threads allocate, attach, write, hold, translate and close at random, as a model predicts', async () => {
  const seed = Number(process.env.PINFOLD_SEED ?? Math.floor(Math.random() * 2 ** 31))
  // To replay a failure, set PINFOLD_SEED to its seed and PINFOLD_PATH to the replayPath that fast-check prints.
  const path = process.env.PINFOLD_PATH ?? ''
  await using child = new Child('region-model.ts', [seed, milliseconds, path])
  const { code, signal, stderr } = await child.ended
  expect({ seed, code, signal, stderr }).toEqual({ seed, code: 0, signal: null, stderr: '' })
  expect(Number(await child.line())).toBeGreaterThan(10)
})
