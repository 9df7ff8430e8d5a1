import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Program, root } from '../child-process.js'

/** Milliseconds after which a life of some 20 is one that does not end. */
const tooLong = 60_000

test('whichever builtin function a program replaces, nothing loops for ever and nothing crashes', {
  timeout: 900_000,
}, async () => {
  await using child = new Program([process.execPath, `${root}test/children/replaced-builtins.mjs`])
  let replaced = 0
  for (let line = await child.line(); line !== 'done'; replaced++) {
    const next = await Promise.race([child.line(), delay(tooLong, undefined, { ref: false })])
    if (next === undefined) throw new Error(`with ${line} replaced, a call does not come back`)
    line = next
  }
  expect(replaced).toBeGreaterThan(300)
  expect((await child.ended).code).toBe(0)
})
