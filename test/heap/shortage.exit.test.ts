import { expect, test } from 'vitest'
import { Program } from '../support/child-process.js'
import { program } from '../support/returned-pages.js'

test.each<[string, string, readonly string[], string]>([
  ['that may have no more data', 'data', [], 'ERR_MEMORY_SHORT'],
  ['without WebAssembly', 'none', ['--jitless'], 'none'],
  ['that lacks nothing', 'none', [], 'none'],
])('the table of a heap grows in a process %s, or is as it was', async (_, limit, flags, code) => {
  await using child = new Program(program('heap-short.mjs', [limit], flags))
  expect(JSON.parse(await child.line())).toEqual({ code, atShortage: true, walked: 1 })
  expect(await child.ended).toMatchObject({ code: 0, signal: null })
})
