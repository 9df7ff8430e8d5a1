import { expect, test } from 'vitest'
import { Program } from '../support/child-process.js'
import { program } from '../support/returned-pages.js'

const GiB = 2 ** 30
const passed = { put: 32, single: true, got: 32, last: 99, value: 31 }

test.each<[string, string, readonly string[], readonly string[], boolean]>([
  ['that lacks nothing', 'nothing', [], [], true],
  ['without WebAssembly', 'nothing', ['--jitless'], [], false],
  ['with 64 GiB of addresses', 'nothing', [], ['prlimit', `--as=${64 * GiB}`], true],
  ['with 8 GiB of addresses', 'nothing', [], ['prlimit', `--as=${8 * GiB}`], false],
  ['with 1 GiB of data', 'nothing', [], ['prlimit', `--data=${GiB}`], false],
  ['that has taken all addresses for memories of its own', 'memories', [], [], false],
  ['that has replaced WebAssembly before the import', 'patched', [], [], false],
])('a ring works in a process %s', async (_, before, flags, prefix, isWasm) => {
  await using child = new Program([...prefix, ...program('ring-without.mjs', [before], flags)])
  const outcome = JSON.parse(await child.line())
  expect(outcome).toMatchObject(passed)
  // What a limit leaves to WebAssembly differs between versions of V8.
  if (prefix.length === 0) expect(outcome.isWasm).toBe(isWasm)
  const { code, signal, stderr } = await child.ended
  // Node itself warns of --jitless.
  expect([code, signal, stderr.replace(/^Warning: disabling flag --expose_wasm .*\n/, '')]).toEqual([0, null, ''])
})

test('a process that replaces builtins after the import ends by itself', async () => {
  await using child = new Program(program('ring-without.mjs', ['patchedLater']))
  expect(await child.line()).toMatch(/put|code/)
  expect(await child.ended).toMatchObject({ code: 0, signal: null })
})
