import { closeSync, constants, fstatSync, lstatSync, openSync, type Stats } from 'node:fs'
import { PinfoldError } from '../errors.js'

const { O_NOFOLLOW, O_NONBLOCK } = constants

// The files in /run/pinfold must belong to root. A file there may come from a copied /run, from a wrong restore, or
// from an attacker. So nothing here waits for such a file, follows a link, or trusts its contents.

/** The directory of the lock and the journals: on a tmpfs, which ends with the boot, as the pools do. */
export const journalDirectory = '/run/pinfold'

/**
 * Checks that the directory is a directory, and that no other user can write to it.
 *
 * @throws PinfoldError `ERR_SYSTEM` with the command that repairs it
 */
export function checkDirectory(): void {
  const found = lstatSync(journalDirectory, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isDirectory()) throw refusal(journalDirectory, `is ${kindOf(found)} and no directory`, 'rm')
  const mend = `sudo chown root:root ${journalDirectory} && sudo chmod 700 ${journalDirectory}`
  if (!isOurs(found)) throw unusable(journalDirectory, `belongs to user ${found.uid}`, mend)
  if ((found.mode & 0o022) !== 0) throw unusable(journalDirectory, 'may be written to by others', mend)
}

/**
 * Opens a plain file of ours, without following a link and without waiting for the other end of a FIFO.
 *
 * @returns undefined when there is no file
 * @throws PinfoldError `ERR_SYSTEM` when something else lies there, with the command that removes it
 */
export function openPlainFile(path: string, flags: number, mode?: number): number | undefined {
  const there = lstatSync(path, { throwIfNoEntry: false })
  if (there !== undefined) checkPlain(path, there)
  let file: number
  try {
    file = openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, mode)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') return undefined
    if (there !== undefined && code === 'EACCES' && process.geteuid?.() === 0) {
      throw refusal(path, 'cannot be read', 'rm', error)
    }
    throw error
  }
  try {
    checkPlain(path, fstatSync(file)) // the opened file may be another than the one checked above
    return file
  } catch (error) {
    closeSync(file)
    throw error
  }
}

/** Identifies an open file: no other file on this machine has the same identity while it exists, nor has a copy. */
export function fileIdentity(file: number): string {
  const { dev, ino } = fstatSync(file, { bigint: true })
  return `${dev}:${ino}`
}

function checkPlain(path: string, found: Stats): void {
  if (found.isDirectory()) throw refusal(path, 'is a directory and no plain file', 'rm -r')
  if (!found.isFile()) throw refusal(path, `is ${kindOf(found)} and no plain file`, 'rm')
  if (!isOurs(found)) throw refusal(path, `belongs to user ${found.uid}`, 'rm')
}

/** True if the file belongs to root, or to this user, which may be allowed to change pools without being root. */
function isOurs({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.()
}

function kindOf(found: Stats): string {
  if (found.isSymbolicLink()) return 'a symbolic link'
  if (found.isFIFO()) return 'a FIFO'
  if (found.isSocket()) return 'a socket'
  if (found.isFile()) return 'a file'
  return found.isDirectory() ? 'a directory' : 'a device'
}

/** The error for a file at `path` that pinfold has not made, with the command that removes it. */
export function refusal(path: string, problem: string, command: 'rm' | 'rm -r', cause?: unknown): PinfoldError {
  return unusable(path, problem, `sudo ${command} ${shellWord(path)}`, cause)
}

function unusable(path: string, problem: string, hint: string, cause?: unknown): PinfoldError {
  return new PinfoldError(`${path} ${problem}`, { code: 'ERR_SYSTEM', values: { path }, hint, cause })
}

function shellWord(path: string): string {
  return /^[\w/.-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
