import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ownCommand, ownProgram } from '../../src/system/own-command.js'

describe('the commands that pinfold shows', () => {
  /** A folder that contains a file named pinfold. */
  function folderOf(path: string, mode: number): string {
    const root = mkdtempSync(join(tmpdir(), 'pinfold-own-command-'))
    onTestFinished(() => rmSync(root, { recursive: true }))
    const folder = join(root, path)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'pinfold'), '#!/bin/sh\n')
    chmodSync(join(folder, 'pinfold'), mode)
    return folder
  }

  test('begin with pinfold if the PATH contains it, and with npx pinfold otherwise', () => {
    const folder = folderOf('bin', 0o755)
    expect(ownProgram({ PATH: `/nowhere:${folder}` })).toBe('pinfold')
    expect(ownProgram({ PATH: '/nowhere' })).toBe('npx pinfold')
    expect(ownProgram({})).toBe('npx pinfold')
  })

  test('do not take a file for the program that nobody may run, or a folder that depends on the current one', () => {
    expect(ownProgram({ PATH: folderOf('bin', 0o644) })).toBe('npx pinfold')
    expect(ownProgram({ PATH: ':bin' }, () => true)).toBe('npx pinfold')
  })

  test('begin with npx pinfold if npx has started the program, also if it is installed for all', () => {
    expect(ownProgram({ PATH: folderOf('bin', 0o755), npm_command: 'exec' })).toBe('npx pinfold')
  })

  test('do not count the folders that a package manager has put on the PATH for its script', () => {
    const PATH = folderOf('project/node_modules/.bin', 0o755)
    expect(ownProgram({ PATH, npm_config_user_agent: 'npm/10.8.2 node/v20.20.2' })).toBe('npx pinfold')
    expect(ownProgram({ PATH })).toBe('pinfold')
  })

  test('continue with the words of the command', () => {
    expect(ownCommand('lab run -- true')).toMatch(/^(npx )?pinfold lab run -- true$/)
  })
})
