import { lstatSync, realpathSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { PinfoldError } from '../errors.js'
import { ownCommand } from '../system/own-command.js'

/**
 * Permission bits of stat(2): the right of the group and of others to write, and the sticky bit of a folder in which
 * only owners may remove files.
 */
export const writableByOthers = 0o022
const sticky = 0o1000

/** True if the owner is this user or root. */
export function isOurs({ uid }: Pick<Stats, 'uid'>): boolean {
  return uid === 0 || uid === process.geteuid?.()
}

/**
 * Requires that only this user and root have been able to put anything at this path, and that this stays so. Programs
 * there will be executed, maybe by root. All folders above the path are checked, and the targets of links. Folders that
 * do not exist yet are skipped.
 *
 * @param path - absolute, without '.' and '..'
 * @throws PinfoldError `ERR_PERMISSION` that names the folder and what is wrong with it
 */
export function requireTrusted(path: string): void {
  requireOne(path, writableByOthers)
  for (let above = dirname(path); above !== path; above = dirname(above)) {
    // In a sticky folder, such as /tmp, other users can add files but cannot replace ours. So a path below it is ours
    // if its owner is.
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
  if (!stat.isDirectory()) throw untrusted(path, 'is not a folder', stat)
  if ((stat.mode & forbidden) !== 0 && (stat.mode & pardon) === 0)
    throw untrusted(path, 'can be written to by others', stat)
}

function untrusted(path: string, problem: string, { uid, mode }: Stats): PinfoldError {
  return new PinfoldError(`lab: ${path} ${problem}, so programs below it are not safe to run`, {
    code: 'ERR_PERMISSION',
    values: { path, uid, mode: mode & 0o7777 },
    hint: `XDG_CACHE_HOME=<a folder that only you can write to> ${ownCommand('lab …')}`,
  })
}
