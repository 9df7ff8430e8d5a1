import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LabRun, whyNoLab } from '../support/lab.js'
import { needs, whyNotRoot } from '../support/requirements.js'

const nobody = 65534

let folder = ''
beforeEach((context) => {
  needs(context, whyNoLab(), whyNotRoot('be the one whom another user lays a trap for'))
  folder = mkdtempSync(join(tmpdir(), 'pinfold-lab-cache-'))
})
afterEach(() => {
  if (folder !== '') rmSync(folder, { recursive: true, force: true })
})

describe('root in a folder of another user', () => {
  test('runs no program that this user has put into the cache', async () => {
    // Programs under the names that the lab uses, as far as these are fixed. Each program leaves a mark.
    const cache = join(folder, 'cache')
    const mark = join(folder, 'executed')
    const trap = `#!/bin/sh\nid -u >> ${mark}\n`
    for (const name of ['busybox', 'qemu', 'tools']) {
      for (const path of ['bin', 'usr/bin', 'content/bin', 'content/usr/bin']) {
        const programs = join(cache, 'pinfold/lab', name, path)
        mkdirSync(programs, { recursive: true })
        for (const program of ['busybox', 'qemu-system-x86_64']) {
          writeFileSync(join(programs, program), trap, { mode: 0o755 })
        }
      }
    }
    for (const path of ['.', ...readdirSync(cache, { recursive: true, encoding: 'utf8' })]) {
      chownSync(join(cache, path), nobody, nobody)
    }
    const before = readdirSync(cache, { recursive: true }).length
    const run = new LabRun(['run', '--', 'true'], { env: { XDG_CACHE_HOME: cache } })
    const { status, stderr } = await run.ended()
    expect(stderr).toContain(`${cache}/pinfold/lab belongs to the user ${nobody}`)
    expect(status).toBe(4)
    expect(existsSync(mark)).toBe(false)
    expect(readdirSync(cache, { recursive: true })).toHaveLength(before)
  })
})
