import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { makeFolder } from './folders.js'

/** Where what was fetched is kept: the XDG Base Directory Specification's place for it. */
export function cacheFolder(): string {
  const { XDG_CACHE_HOME: home } = process.env
  return join(home?.startsWith('/') === true ? home : join(homedir(), '.cache'), 'pinfold', 'lab')
}

const anHour = 3_600_000
const aMonth = 30 * 24 * anHour

/**
 * The cached folder of that name; made by `make` when it is not there. It appears whole or not at all: two that make it at
 * the same time each make their own, and the first wins. What a killed one left goes after an hour, what nobody has used
 * after a month.
 */
export async function cached(name: string, make: (folder: string) => Promise<void> | void): Promise<string> {
  const cache = cacheFolder()
  const folder = join(cache, name)
  if (touch(folder)) return folder
  makeFolder(cache)
  dropOld(cache)
  const making = join(cache, `.making-${randomUUID()}`)
  mkdirSync(making)
  try {
    await make(making)
    try {
      renameSync(making, folder)
    } catch (error) {
      if (!existsSync(folder)) throw error // else another was faster, and made the same
    }
    return folder
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}

/** Whether it is there. Its time becomes the one of its last use. */
function touch(folder: string): boolean {
  const now = new Date()
  try {
    utimesSync(folder, now, now)
    return true
  } catch {
    return existsSync(folder) // a cache that may only be read serves, too
  }
}

function dropOld(cache: string): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name)
    const used = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY
    const most = name.startsWith('.making-') ? anHour : aMonth
    if (Date.now() - used > most) rmSync(path, { recursive: true, force: true })
  }
}
