import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { cached, cacheFolder } from '../../src/lab/cache.js'
import { named } from '../../src/lab/packages.js'
import { needs, whyNotRoot } from '../support/requirements.js'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pinfold-cache-'))
  vi.stubEnv('XDG_CACHE_HOME', folder)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

test('an entry of the cache is made once, and then read', async () => {
  const make = vi.fn((making: string) => writeFileSync(join(making, 'file'), 'content'))
  const made = await cached('kernel', make)
  expect(await cached('kernel', make)).toBe(made)
  expect(make).toHaveBeenCalledTimes(1)
  expect(made).toBe(join(folder, 'pinfold/lab/kernel/content'))
  expect(readFileSync(join(made, 'file'), 'utf8')).toBe('content')
})

test('an entry that fails half-way leaves nothing', async () => {
  const failing = cached('kernel', (making) => {
    writeFileSync(join(making, 'half'), '')
    throw new Error('the network is gone')
  })
  await expect(failing).rejects.toThrow('the network is gone')
  expect(readdirSync(cacheFolder())).toEqual([])
})

test('two callers that make an entry at once get the same one', async () => {
  let go = () => {}
  const both = new Promise<void>((resolve) => {
    go = resolve
  })
  const make = (text: string) => async (making: string) => {
    await both
    writeFileSync(join(making, 'file'), text)
  }
  const made = [cached('kernel', make('one')), cached('kernel', make('other'))]
  go()
  const [one, other] = await Promise.all(made)
  expect(one).toBe(other)
  expect(readdirSync(cacheFolder())).toEqual(['kernel'])
})

test('an unfinished entry is removed after an hour, and an unused entry after a month', async () => {
  const aged = (name: string, hours: number) => {
    mkdirSync(join(cacheFolder(), name), { recursive: true })
    const time = new Date(Date.now() - hours * 3_600_000)
    utimesSync(join(cacheFolder(), name), time, time)
  }
  aged('.making-old', 2)
  aged('.making-new', 0.5)
  aged('kernel-old', 31 * 24)
  await cached('kernel-new', () => {})
  aged('kernel-new', 29 * 24)
  await cached('kernel-new', () => expect.unreachable())
  await cached('tools', () => {})
  expect(readdirSync(cacheFolder()).sort()).toEqual(['.making-new', 'kernel-new', 'tools'])
})

const nobody = 65534
const own = (making: string) => writeFileSync(join(making, 'program'), 'ours', { mode: 0o755 })
const isRefused = { code: 'ERR_PERMISSION', values: expect.objectContaining({ path: expect.any(String) }) }

describe('a cache is refused, and nothing is made or read, if', () => {
  beforeEach((context) => needs(context, whyNotRoot('give folders to another user')))

  test.each<readonly [string, () => void]>([
    ['it belongs to another user', () => give('pinfold/lab')],
    ['a folder above it belongs to another user', () => give('.')],
    ['others can write to it', () => chmodSync(join(folder, 'pinfold/lab'), 0o777)],
    ['its group can write to it', () => chmodSync(join(folder, 'pinfold/lab'), 0o770)],
    ['others can write to it, but not remove its files', () => chmodSync(join(folder, 'pinfold/lab'), 0o1777)],
    ['others can write to a folder above it', () => chmodSync(folder, 0o777)],
    ['a link of another user leads to it', () => link(nobody, 'elsewhere')],
    ['a link leads to a folder of another user', () => link(0, 'elsewhere', nobody)],
  ])('%s', async (_, spoil) => {
    mkdirSync(join(folder, 'pinfold/lab'), { recursive: true })
    spoil()
    const make = vi.fn()
    await expect(cached('kernel', make)).rejects.toMatchObject(isRefused)
    expect(make).not.toHaveBeenCalled()
  })

  test('it would have to be made in a folder of another user', async () => {
    give('.')
    await expect(cached('kernel', own)).rejects.toMatchObject(isRefused)
    expect(readdirSync(folder)).toEqual([])
  })

  function give(path: string) {
    chownSync(join(folder, path), nobody, nobody)
  }

  /** Replaces the cache by a link of `user` to a folder of `owner`. */
  function link(user: number, to: string, owner = 0) {
    mkdirSync(join(folder, to))
    chownSync(join(folder, to), owner, owner)
    rmSync(join(folder, 'pinfold/lab'), { recursive: true })
    symlinkSync(join(folder, to), join(folder, 'pinfold/lab'))
    execFileSync('chown', ['-h', `${user}`, join(folder, 'pinfold/lab')])
  }
})

test('a cache in a sticky folder of root, such as /tmp, is safe', async () => {
  chmodSync(folder, 0o1777)
  expect(readFileSync(join(await cached('kernel', own), 'program'), 'utf8')).toBe('ours')
})

describe('an entry of a safe cache is made again after a change:', () => {
  test.each<readonly [string, (made: string) => void]>([
    ['a changed program', (made) => writeFileSync(join(made, 'program'), 'theirs')],
    ['a program that became a link', (made) => replace(made)],
    ['an added library', (made) => writeFileSync(join(made, 'libc.so.6'), 'theirs')],
    ['a program that became setuid', (made) => chmodSync(join(made, 'program'), 0o4755)],
    ['a missing program', (made) => rmSync(join(made, 'program'))],
    ['a missing manifest', (made) => rmSync(join(made, '../manifest'))],
  ])('%s', async (_, spoil) => {
    spoil(await cached('kernel', own))
    const made = await cached('kernel', own)
    expect(readFileSync(join(made, 'program'), 'utf8')).toBe('ours')
    expect(readdirSync(made)).toEqual(['program'])
    await cached('kernel', () => expect.unreachable())
  })

  test.each(['program', '.', '../manifest'])('another owner of a file (%s)', async (path) => {
    if (whyNotRoot('') !== undefined) return
    const made = await cached('kernel', own)
    chownSync(join(made, path), nobody, nobody)
    expect(existsSync(await cached('kernel', own))).toBe(true)
    await cached('kernel', () => expect.unreachable())
  })

  function replace(made: string) {
    rmSync(join(made, 'program'))
    symlinkSync('/bin/true', join(made, 'program'))
  }
})

test('a file that its package lets others write to is not writable by others in the cache', async () => {
  const made = await cached('kernel', (making) => {
    writeFileSync(join(making, 'program'), 'ours')
    chmodSync(join(making, 'program'), 0o777)
  })
  expect(statSync(join(made, 'program')).mode & 0o777).toBe(0o755)
})

test.each(['-o', '--', '/tmp/evil.deb', './evil.deb', 'name=1', 'name/sid', 'name-', 'Name', 'a b', '^name', ''])(
  'apt is never given %j as the name of a package',
  (name) => {
    expect(() => named(['qemu-system-x86', name])).toThrowCode('ERR_LAB_UNAVAILABLE')
  },
)

test('apt is given valid names of packages', () => {
  const names = ['libstdc++6', 'g++', 'libc6:amd64', 'linux-image-6.1.0-50-amd64', 'python3.11']
  expect(named(names)).toEqual(names)
})
