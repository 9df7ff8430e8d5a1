import { lstatSync, realpathSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { PinfoldError } from '../errors.js'

/** Permission bits of stat(2): of the group and of others, to write; and of a folder in which only owners remove. */
export const writableByOthers = 0o022
const sticky = 0o1000

/** Whether only we, or root, may have made it. */
export function isOurs({ uid }: Pick<Stats, 'uid'>): boolean {
  return uid === 0 || uid === process.geteuid?.()
}

/**
 * Requires that nobody but this user and root can have put anything at this path, or can from now on: what lies there is
 * going to be executed, maybe by root. All folders on the way count, and where links lead; what is not there yet is left
 * out.
 *
 * @param path - absolute, without '.' and '..'
 * @throws PinfoldError `ERR_PERMISSION` that names the folder and what is wrong with it
 */
export function requireTrusted(path: string): void {
  requireOne(path, writableByOthers)
  for (let above = dirname(path); above !== path; above = dirname(above)) {
    // In a sticky one, such as /tmp, others make what is theirs, and leave alone what is not. What we find there is ours.
    requireOne(above, writableByOthers, sticky)
    if (above === '/') return
  }
}

function requireOne(path: string, forbidden: number, pardon = 0): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!isOurs(stat)) throw untrusted(path, `belongs to the user ${stat.uid}`, stat)
  if (stat.isSymbolicLink()) {
    requireTrusted(realpathSync(path))
    return
  }
  if (!stat.isDirectory()) throw untrusted(path, 'is no folder', stat)
  if ((stat.mode & forbidden) !== 0 && (stat.mode & pardon) === 0)
    throw untrusted(path, 'can be written to by others', stat)
}

function untrusted(path: string, problem: string, { uid, mode }: Stats): PinfoldError {
  return new PinfoldError(`lab: ${path} ${problem}, and what lies below it would be run`, {
    code: 'ERR_PERMISSION',
    values: { path, uid, mode: mode & 0o7777 },
    hint: 'XDG_CACHE_HOME=<a folder that only you can write to> pinfold lab …',
  })
}
