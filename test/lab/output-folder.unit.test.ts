import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { OutputFolder } from '../../src/lab/output-folder.js'
import { onPath } from '../../src/lab/parts.js'
import { needs } from '../support/requirements.js'

const before = process.cwd()
let folder = ''
beforeEach((context) => {
  needs(context, onPath('flock') === undefined ? 'needs flock(1)' : undefined)
  folder = mkdtempSync(join(tmpdir(), 'pinfold-out-'))
  process.chdir(folder)
})
afterEach(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true, force: true })
})

test.each([1, 2])(
  'an empty folder stays while another run uses it, and is removed with the last run (%d hosts)',
  (hosts) => {
    const wanted = { out: undefined, hosts }
    const [first, second] = [new OutputFolder(wanted), new OutputFolder(wanted)]
    first.close()
    expect(existsSync(second.folderOf(hosts - 1))).toBe(true)
    expect(second.filled()).toBeUndefined()
    second.close()
    expect(readdirSync(folder)).toEqual([])
  },
)

test('a file that the other run writes after the end of the first is kept', () => {
  const wanted = { out: undefined, hosts: 1 }
  const [first, second] = [new OutputFolder(wanted), new OutputFolder(wanted)]
  first.close()
  writeFileSync(join(second.folderOf(0), 'file'), '')
  expect(second.filled()).toBe(join(folder, 'lab-out'))
  second.close()
  expect(readdirSync(join(folder, 'lab-out'))).toEqual(['file'])
})

test('a folder that the caller has named stays if it existed before', () => {
  mkdirSync('mine')
  new OutputFolder({ out: 'mine', hosts: 2 }).close()
  expect(readdirSync('mine')).toEqual([])
})
