import { spawnSync } from 'node:child_process'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { commandScript, labVariables, replacingFile } from '../../src/lab/guest-command.js'

afterEach(() => vi.unstubAllEnvs())

/** The result of a script in a shell with an empty environment. */
function run(script: string) {
  return spawnSync('/bin/sh', { input: script, encoding: 'utf8', env: {} })
}

describe('the script that runs a command', () => {
  test('passes its words unchanged', () => {
    const words = ["it's", 'two  words', '$HOME `id` \\', '', ' \n lines\n', '"', 'ä']
    const program = 'for word; do printf "%s|" "$word"; done'
    expect(run(commandScript(['sh', '-c', program, 'name', ...words], {}, '/')).stdout).toBe(`${words.join('|')}|`)
  })

  test('passes this process’s PATH and language and the given variables, and nothing else', () => {
    vi.stubEnv('LANG', 'de_DE.UTF-8')
    vi.stubEnv('SECRET', 'x')
    const { stdout } = run(commandScript(['/usr/bin/env'], { ONE: "it's\ntwo" }, '/'))
    expect(stdout).toContain('LANG=de_DE.UTF-8\n')
    expect(stdout).toContain("ONE=it's\ntwo\n")
    expect(stdout).toContain(`PATH=${process.env.PATH}:/run/lab/bin\n`)
    expect(stdout).not.toContain('SECRET')
  })

  test('begins in the folder of the caller, and ends with status 126 if the guest lacks this folder', () => {
    expect(run(commandScript(['pwd'], {}, '/usr')).stdout).toBe('/usr\n')
    expect(run(commandScript(['pwd'], {}, '/no/such')).status).toBe(126)
  })
})

test('a file of the guest takes the place of another one, whatever its name is', () => {
  expect(replacingFile("/home/it's/node", '/usr/bin/node')).toBe(
    "/run/lab/busybox mount --bind '/usr/bin/node' '/home/it'\\''s/node' || exit 126\n",
  )
  expect(replacingFile('/usr/bin/node', '/usr/bin/node')).toBe('')
})

test('the variables of a host contain its number, its address and its peers', () => {
  expect(labVariables(1, 3)).toMatchObject({
    LAB_HOST: '1',
    LAB_HOSTS: '3',
    LAB_ADDRESS: '10.77.0.2',
    LAB_PEERS: '10.77.0.1 10.77.0.3',
  })
  expect(labVariables(0, 1).LAB_PEERS).toBe('')
})
