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

/** The folder of fetched parts. Its place is that of the XDG Base Directory Specification. */
export function cacheFolder(): string {
  const { XDG_CACHE_HOME: home } = process.env
  return resolve(home?.startsWith('/') === true ? home : join(homedir(), '.cache'), 'pinfold', 'lab')
}

const anHour = 3_600_000
const aMonth = 30 * 24 * anHour

/** The file beside the content of a cached folder. It contains the text by which the content is known again. */
const manifest = 'manifest'

/**
 * Returns the cached folder of that name. `make` makes it if it does not exist. The folder appears completely or not at
 * all: if two processes make it at the same time, each makes its own, and the first wins. Remains of a killed process
 * are removed after an hour. A folder that nobody has used for a month is removed, too.
 *
 * Programs in the cache are executed. So nobody else may be able to write to the cache. A folder is made again if it
 * has changed since it was made, or if a user other than root and this one owns something in it.
 *
 * @throws PinfoldError `ERR_PERMISSION` for a cache that is not safe
 */
export async function cached(name: string, make: (folder: string) => Promise<void> | void): Promise<string> {
  const cache = cacheFolder()
  requireTrusted(cache)
  makeFolder(cache, 0o700)
  requireTrusted(cache) // again, since in a sticky folder another user may have made it first
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
      if (!isAsMade(folder)) throw error // otherwise another process was faster, and made the same
    }
    return content
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}

/** True if the folder exists, belongs to us, and is as it was when it was made. */
function isAsMade(folder: string): boolean {
  try {
    const written = join(folder, manifest)
    const parts = [folder, join(folder, 'content'), written].map((path) => lstatSync(path))
    if (!parts.every((stat) => isOurs(stat) && !stat.isSymbolicLink() && (stat.mode & writableByOthers) === 0))
      return false
    return manifestOf(join(folder, 'content')) === readFileSync(written, 'utf8')
  } catch {
    return false // absent or unreadable: it is made again, and if that fails, the error says why
  }
}

/** Sets the time of a folder's last use to now. */
function touch(folder: string): void {
  const now = new Date()
  try {
    utimesSync(folder, now, now)
  } catch {
    // A read-only cache works, too.
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
