import { describe, expect, test } from 'vitest'
import { good, start } from '../support/run-program.js'

// However a process ends, the kernel takes its regions back. The end must not crash, and must not wait for gigabytes.
// These programs end with threads and garbage.

describe('a process with open regions ends', () => {
  test.each([
    ['by process.exit in an exit listener, after a listener that uses them', 'exit-listener', 4],
    ['under a worker that goes on writing to them', 'exit-under-worker', 3],
    ['with finalizers of its own on their views, and with garbage', 'garbage', 0],
    ['by process.exit while a region that was closed gives its pages back', 'exit-closing', 3],
    ['by process.exit while allocations wait for their turn', 'waiting', 3],
  ])('%s', async (_, way, code) => {
    await using program = await start('ending.ts', way)
    expect(await program.ended).toEqual({ ...good, code })
  })
})

test('a process exits at once while a worker waits in allocateSync for gigabytes', async () => {
  await using program = await start('ending.ts', 'exit-worker-populating')
  const whole = Number(await program.line())
  expect(await program.line()).toBe('ending')
  const begun = performance.now()
  expect(await program.ended).toEqual({ ...good, code: 3 })
  expect(performance.now() - begun).toBeLessThan(whole / 2)
})

test('a process waits for the pages of a region that it closes, and ends when nothing else is left', async () => {
  await using program = await start('ending.ts', 'closing')
  expect(await program.line()).toBe('closed')
  expect(await program.ended).toEqual(good)
})

test('a process waits for its allocation, and ends when nothing else is left', async () => {
  await using program = await start('ending.ts', 'pending')
  expect(await program.line()).toBe('pending')
  expect(await program.line()).toBe('allocated')
  expect(await program.ended).toEqual(good)
})
