import { describe, expect, test } from 'vitest'
import { good, start } from '../fixtures/run.js'

// However a process ends, the kernel takes its regions back: they are anonymous or memfd, so nothing names them. What
// must not happen on the way is a crash, or an end that waits for gigabytes.

describe('a process with open regions ends', () => {
  test.each([
    ['by having nothing left to do', 'nothing-left', good],
    ['by process.exit', 'exit', { ...good, code: 3 }],
    ['by process.exit in an exit listener, after one that uses them', 'exit-listener', { ...good, code: 4 }],
    [
      'by an exception that nobody catches',
      'throw',
      { code: 1, signal: null, stderr: expect.stringMatching('thrown') },
    ],
    ['by a signal', 'signal', { ...good, code: null, signal: 'SIGTERM' }],
    ['with a worker that has them, too, and goes on writing', 'exit-under-worker', { ...good, code: 3 }],
    ['with finalizers of its own on them, and garbage left', 'garbage', good],
  ])('%s', async (_, how, end) => {
    await using program = await start('ending.ts', how)
    expect(await program.ended).toEqual(end)
  })
})

describe('a process ends within the time of a chunk, with gigabytes still to be populated', () => {
  test.each([
    ['by process.exit', 'exit-populating', { ...good, code: 3 }],
    ['by process.exit, while a worker is in allocateSync', 'exit-worker-populating', { ...good, code: 3 }],
    ['by aborting what it waits for', 'abort-populating', good],
    ['by a signal', 'signal-populating', { ...good, code: null, signal: 'SIGTERM' }],
  ])('%s', async (_, how, end) => {
    await using program = await start('ending.ts', how)
    const whole = Number(await program.line())
    expect(await program.line()).toBe('ending')
    const begun = performance.now()
    expect(await program.ended).toEqual(end)
    expect(performance.now() - begun).toBeLessThan(whole / 2)
  })
})

test('a process waits for its allocation, and ends when nothing else is left', async () => {
  await using program = await start('ending.ts', 'pending')
  expect(await program.line()).toBe('pending')
  expect(await program.line()).toBe('allocated')
  expect(await program.ended).toEqual(good)
})
