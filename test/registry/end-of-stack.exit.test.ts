import { expect, test } from 'vitest'
import { Program } from '../support/child-process.js'
import { program } from '../support/returned-pages.js'

test('closeAsync and allocate that the end of the stack cuts off leave no name, no budget and nothing to wait for', async () => {
  await using child = new Program(program('end-of-stack.mjs', [], ['--stack-size=400']))
  expect(await child.line()).toBe('done')
  expect(await child.ended).toMatchObject({ code: 0, signal: null })
})
