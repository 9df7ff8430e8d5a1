import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where what was fetched is kept: the XDG Base Directory Specification's place for it. */
export function cacheFolder(): string {
  const { XDG_CACHE_HOME: home } = process.env
  return join(home !== undefined && home.startsWith('/') ? home : join(homedir(), '.cache'), 'pinfold', 'lab')
}

const anHour = 3_600_000

/**
 * The cached folder of that name; made by `make` when it is not there. It appears whole or not at all: two that make it at
 * the same time each make their own, and the first wins. What a killed one left goes after an hour.
 */
export async function cached(name: string, make: (folder: string) => Promise<void> | void): Promise<string> {
  const cache = cacheFolder()
  const folder = join(cache, name)
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  dropLeftOver(cache)
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

function dropLeftOver(cache: string): void {
  for (const name of readdirSync(cache)) {
    const path = join(cache, name)
    if (!name.startsWith('.making-')) continue
    const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY
    if (Date.now() - made > anHour) rmSync(path, { recursive: true, force: true })
  }
}
