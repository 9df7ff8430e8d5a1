import { spawnSync } from 'node:child_process'
import { PinfoldError } from '../../errors.js'
import { badArgument } from '../arguments.js'
import { systemPath } from './mount-command.js'

/** A user and a group by number. */
export interface Owner {
  readonly uid: number
  readonly gid: number | undefined
}

/**
 * Names that useradd(8) allows. Such a name is no option and no path, and contains no comma that would end a mount
 * option.
 */
const name = /^[a-z_][a-z0-9_.-]*\$?$/i

/**
 * Parses 'user' or 'user:group', each by name or number.
 *
 * getent(1) looks names up, so that names of a directory service work, too.
 */
export function parseOwner(word: string): Owner {
  const [user = '', group, ...rest] = word.split(':')
  if (rest.length > 0) throw badArgument("an owner such as 'user' or 'user:group'", word)
  return { uid: lookUp('passwd', user, word), gid: group === undefined ? undefined : lookUp('group', group, word) }
}

function lookUp(database: 'passwd' | 'group', key: string, word: string): number {
  if (/^\d{1,10}$/.test(key) && Number(key) < 2 ** 32 - 1) return Number(key)
  if (!name.test(key)) throw badArgument("an owner such as 'user' or 'user:group'", word)
  // 'root:x:0:0:root:/root:/bin/bash' and 'root:x:0:': the third field is the number in both
  const id = getent(database, key)?.split(':')[2]
  if (id !== undefined) return Number(id)
  throw badArgument(`${database === 'passwd' ? 'a user' : 'a group'} that this machine knows`, key)
}

/** The owner as 'user:group'. A number without a name stays a number. */
export function ownerName({ uid, gid }: { readonly uid: number; readonly gid: number }): string {
  return [getent('passwd', `${uid}`) ?? `${uid}`, getent('group', `${gid}`) ?? `${gid}`]
    .map((entry) => entry.split(':')[0])
    .join(':')
}

function getent(database: 'passwd' | 'group', key: string): string | undefined {
  const { status, stdout, error } = spawnSync('getent', [database, key], {
    encoding: 'utf8',
    env: { PATH: systemPath },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  if (error !== undefined) {
    throw new PinfoldError(`getent(1), which looks up users by name, could not be run: ${error.message}`, {
      code: 'ERR_UNSUPPORTED',
      hint: 'name the owner by number',
      cause: error,
    })
  }
  return status === 0 ? stdout.trim() : undefined
}
