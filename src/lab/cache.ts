import { randomUUID } from 'node:crypto'
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { makeFolder } from './folders.js'
import { keepOthersOut, manifestOf } from './manifest.js'
import { isOurs, requireTrusted, writableByOthers } from './trusted-folder.js'

/** Where what was fetched is kept: the XDG Base Directory Specification's place for it. */
export function cacheFolder(): string {
  const { XDG_CACHE_HOME: home } = process.env
  return resolve(home?.startsWith('/') === true ? home : join(homedir(), '.cache'), 'pinfold', 'lab')
}

const anHour = 3_600_000
const aMonth = 30 * 24 * anHour

/** What is beside the content of a cached folder: the text by which it is known again. */
const manifest = 'manifest'

/**
 * The cached folder of that name; made by `make` when it is not there. It appears whole or not at all: two that make it at
 * the same time each make their own, and the first wins. What a killed one left goes after an hour, what nobody has used
 * after a month.
 *
 * What is in it gets executed. So nobody else may be able to write to the cache, and what has changed since it was made,
 * or is somebody else's, is made again.
 *
 * @throws PinfoldError `ERR_PERMISSION` for a cache that is not safe
 */
export async function cached(name: string, make: (folder: string) => Promise<void> | void): Promise<string> {
  const cache = cacheFolder()
  requireTrusted(cache)
  makeFolder(cache, 0o700)
  requireTrusted(cache) // since in a sticky folder another may have been faster
  const folder = join(cache, name)
  const content = join(folder, 'content')
  if (isAsMade(folder)) {
    touch(folder)
    return content
  }
  dropOld(cache)
  const making = join(cache, `.making-${randomUUID()}`)
  const made = join(making, 'content')
  mkdirSync(making, { mode: 0o700 })
  try {
    mkdirSync(made, { mode: 0o755 })
    await make(made)
    keepOthersOut(made)
    writeFileSync(join(making, manifest), manifestOf(made) ?? '', { mode: 0o600 })
    if (!isAsMade(folder)) rmSync(folder, { recursive: true, force: true })
    try {
      renameSync(making, folder)
    } catch (error) {
      if (!isAsMade(folder)) throw error // else another was faster, and made the same
    }
    return content
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}

/** Whether it is there, ours, and as it was when it was made. */
function isAsMade(folder: string): boolean {
  try {
    const written = join(folder, manifest)
    const parts = [folder, join(folder, 'content'), written].map((path) => lstatSync(path))
    if (!parts.every((stat) => isOurs(stat) && !stat.isSymbolicLink() && (stat.mode & writableByOthers) === 0))
      return false
    return manifestOf(join(folder, 'content')) === readFileSync(written, 'utf8')
  } catch {
    return false // absent, or not readable: then it is made again, and if that cannot be, the error tells
  }
}

/** Its time becomes the one of its last use. */
function touch(folder: string): void {
  const now = new Date()
  try {
    utimesSync(folder, now, now)
  } catch {
    // a cache that may only be read serves, too
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
