import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PinfoldError } from '../errors.js'
import { type Architecture, isOwn } from './architectures.js'
import { cached, cacheFolder } from './cache.js'
import { outputOf } from './outside-command.js'

/** The packages that apt knows: those for this machine, or those for another processor. */
export interface PackageLists {
  /** The options by which apt's programs read the lists. */
  readonly options: readonly string[]
  /** Changes whenever the lists or the installed packages have changed. */
  readonly state: string
  /** Makes sure that there are lists. @throws PinfoldError `ERR_LAB_UNAVAILABLE` */
  require(): Promise<void>
  /** Fetches the lists again. Undefined if this user may not. @throws PinfoldError `ERR_LAB_UNAVAILABLE` */
  readonly renew: (() => Promise<void>) | undefined
}

/** True if packages can be fetched here as on Debian and Ubuntu. */
export function hasApt(): boolean {
  return existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg-deb')
}

export function packageListsOf(architecture: Architecture): PackageLists {
  return isOwn(architecture) ? ownLists() : foreignLists(architecture)
}

const listsFolder = '/var/lib/apt/lists'

/** This machine's own lists. A fresh image has none, and root can fetch them. */
export function ownLists(): PackageLists {
  const update = async () => {
    await outputOf('apt-get', ['update', '-qq'])
  }
  const renew = process.geteuid?.() === 0 ? update : undefined
  const require = async () => {
    const hasLists = existsSync(listsFolder) && readdirSync(listsFolder).some((name) => name.includes('_Packages'))
    if (hasLists) return
    if (renew !== undefined) return renew()
    throw new PinfoldError('lab: this machine has no package lists, so nothing can be fetched', {
      code: 'ERR_LAB_UNAVAILABLE',
      values: { folder: listsFolder },
      hint: 'sudo apt-get update',
    })
  }
  return { options: [], state: `${timeOf('/var/lib/dpkg/status')}-${timeOf(listsFolder)}`, require, renew }
}

function timeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/**
 * Lists of the packages for another processor, from the sources of this machine. They lie in the cache, beside an empty
 * list of installed packages. So apt needs no root, and dpkg does not hear of the other processor. They are fetched
 * again when this machine's own lists have changed.
 */
function foreignLists({ debian }: Architecture): PackageLists {
  const state = `${debian}-${timeOf(listsFolder)}`
  const name = `lists-${state}`
  const require = async () => {
    await cached(name, async (making) => {
      for (const folder of ['lists/partial', 'archives/partial']) mkdirSync(join(making, folder), { recursive: true })
      writeFileSync(join(making, 'status'), '')
      await outputOf('apt-get', ['update', '-qq', ...optionsIn(making, debian)])
    })
  }
  const renew = () => {
    rmSync(join(cacheFolder(), name), { recursive: true, force: true })
    return require()
  }
  return { options: optionsIn(join(cacheFolder(), name, 'content'), debian), state, require, renew }
}

/** apt.conf(5): the architecture, and a place of its own for all that apt writes. */
function optionsIn(folder: string, debian: string): string[] {
  const settings = {
    'APT::Architecture': debian,
    'APT::Architectures': debian,
    // Otherwise root's apt fetches as another user, who may not write here.
    'APT::Sandbox::User': '',
    'Dir::State': folder,
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': folder,
    // The lists are read anew each time, since nothing may change in the cache.
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
  }
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
}
