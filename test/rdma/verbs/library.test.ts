import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

/** The outcome of the first call of libibverbs in a process with this library. */
function listed(library: string): { readonly code?: string; readonly message?: string; readonly hint?: string } {
  const program = `
    import { verbsProvider } from './src/rdma/verbs/index.ts'
    try {
      console.log(JSON.stringify({ found: verbsProvider.list() }))
    } catch ({ code, message, hint }) {
      console.log(JSON.stringify({ code, message, hint }))
    }`
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program]
  const { stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, PINFOLD_LIBIBVERBS: library },
  })
  return JSON.parse(stdout)
}

test('a missing library is an error that names its path', () => {
  expect(listed('/nowhere/libibverbs.so.1')).toMatchObject({
    code: 'ERR_VERBS_LIBRARY',
    message: expect.stringContaining('/nowhere/libibverbs.so.1'),
  })
})

test('a library without a required function is named with this function', (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'pinfold-library-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const library = join(folder, 'libibverbs.so.1')
  const made = spawnSync('g++', ['-shared', '-x', 'c++', '-o', library, '/dev/null'])
  if (made.status !== 0) return context.skip('there is no compiler')
  expect(listed(library)).toMatchObject({
    code: 'ERR_VERBS_SYMBOL',
    message: expect.stringMatching(/ibv_get_device_list@IBVERBS_1\.1 is not in this libibverbs.*libibverbs\.so\.1/),
  })
})
