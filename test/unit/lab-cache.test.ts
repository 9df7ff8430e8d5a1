import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { cached, cacheFolder } from '../../src/lab/cache.js'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pinfold-cache-'))
  vi.stubEnv('XDG_CACHE_HOME', folder)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

test('is made once, and read from then on', async () => {
  const make = vi.fn((making: string) => writeFileSync(join(making, 'file'), 'content'))
  const made = await cached('kernel', make)
  expect(await cached('kernel', make)).toBe(made)
  expect(make).toHaveBeenCalledTimes(1)
  expect(made).toBe(join(folder, 'pinfold/lab/kernel'))
  expect(readFileSync(join(made, 'file'), 'utf8')).toBe('content')
})

test('what fails half-way leaves nothing', async () => {
  const failing = cached('kernel', (making) => {
    writeFileSync(join(making, 'half'), '')
    throw new Error('the network is gone')
  })
  await expect(failing).rejects.toThrow('the network is gone')
  expect(readdirSync(cacheFolder())).toEqual([])
})

test('of two that make it at once, both have the same', async () => {
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

test('what a kill left goes after an hour, what nobody uses after a month', async () => {
  const aged = (name: string, hours: number) => {
    mkdirSync(join(cacheFolder(), name), { recursive: true })
    const time = new Date(Date.now() - hours * 3_600_000)
    utimesSync(join(cacheFolder(), name), time, time)
  }
  aged('.making-old', 2)
  aged('.making-new', 0.5)
  aged('kernel-old', 31 * 24)
  aged('kernel-new', 29 * 24)
  await cached('kernel-new', () => {})
  await cached('tools', () => {})
  expect(readdirSync(cacheFolder()).sort()).toEqual(['.making-new', 'kernel-new', 'tools'])
})
