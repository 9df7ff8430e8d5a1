import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Program, root } from '../support/child-process.js'

/** Milliseconds after which a call counts as endless. Calls take a tenth of a second, or a second. */
const tooLong = 60_000

test.for([
  ['replaces builtin functions, one after the other', 'replaced-builtins.mjs', 300],
  ['changes and calls everything that it reaches from public objects', 'reached.mjs', 300],
] as const)('a program that %s neither hangs nor crashes', { timeout: 900_000 }, async ([, script, least]) => {
  await using child = new Program([process.execPath, `${root}test/support/programs/${script}`])
  let changes = 0
  for (let line = await child.line(); line !== 'done'; changes++) {
    const next = await Promise.race([child.line(), delay(tooLong, undefined, { ref: false })])
    if (next === undefined) throw new Error(`with ${line} changed, a call does not come back`)
    line = next
  }
  expect(changes).toBeGreaterThan(least)
  expect((await child.ended).code).toBe(0)
})
