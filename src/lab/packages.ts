import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cut, PinfoldError } from '../errors.js'
import { hashOf } from './manifest.js'
import { outputOf } from './outside-command.js'
import type { PackageLists } from './package-lists.js'

/**
 * The packages that `apt-get install` would add for these: themselves and their dependencies, without those that are
 * installed. If apt would replace a package by a newer version, the package is left out, and the installed version is
 * used.
 */
export async function missingPackages(lists: PackageLists, packages: readonly string[]): Promise<string[]> {
  await lists.require()
  const simulating = ['install', '--simulate', '--no-install-recommends', ...lists.options]
  const plan = await outputOf('apt-get', [...simulating, '--', ...named(packages)])
  return [...plan.matchAll(/^Inst (\S+) \(/gm)].flatMap(([, name]) => (name === undefined ? [] : [name]))
}

/** The packages that any version of this package depends on; empty if the package is not known. */
export async function dependenciesOf(lists: PackageLists, name: string): Promise<string[]> {
  await lists.require()
  const told = await outputOf('apt-cache', ['search', '--names-only', ...lists.options, '--', `^${name}$`])
  if (told.trim() === '') return []
  const versions = await outputOf('apt-cache', ['show', ...lists.options, '--', ...named([name])])
  return [...versions.matchAll(/^Depends: (.*)$/gm)].flatMap(([, line = '']) =>
    line.split(/[,|]/).map((part) => part.trim().replace(/[\s(:].*$/, '')),
  )
}

/** apt's lists, and so the hashes in them, must be signed, whatever apt's configuration says (apt-secure(8)). */
const onlySigned = ['-o', 'APT::Get::AllowUnauthenticated=false', '-o', 'Acquire::AllowInsecureRepositories=false']

/** The SHA-256 of every version of these packages in apt's lists. */
async function hashesOf(lists: PackageLists, packages: readonly string[]): Promise<ReadonlySet<string>> {
  const told = await outputOf('apt-cache', ['show', ...lists.options, '--', ...packages])
  return new Set([...told.matchAll(/^SHA256: ([0-9a-f]{64})$/gm)].map(([, hash = '']) => hash))
}

function notAsListed(file: string): PinfoldError {
  return new PinfoldError(`lab: ${file} is not in apt's lists: none of them contains its SHA-256`, {
    code: 'ERR_LAB_UNAVAILABLE',
    values: { file },
    hint: 'sudo apt-get update',
  })
}

/**
 * Checks names of packages, which may contain an architecture (Debian Policy, 5.6.7). It refuses all words that apt
 * would take for something else: an option, a file, a version, or a package to remove.
 *
 * @throws PinfoldError `ERR_LAB_UNAVAILABLE`
 */
export function named(packages: readonly string[]): readonly string[] {
  const wrong = packages.find((name) => !/^[a-z0-9](?:[a-z0-9+.-]*[a-z0-9])?(?:\+\+)?(?::[a-z0-9-]+)?$/.test(name))
  if (wrong === undefined) return packages
  throw new PinfoldError(`lab: '${cut(wrong)}' is not the name of a package`, {
    code: 'ERR_LAB_UNAVAILABLE',
    values: { package: wrong },
  })
}

/** Fetches packages and unpacks them into `folder`, without installing anything, and without root. */
export async function unpackPackages(lists: PackageLists, packages: readonly string[], folder: string): Promise<void> {
  if (packages.length === 0) return
  await lists.require()
  const fetched = join(folder, '.packages')
  mkdirSync(fetched)
  const wanted = named(packages)
  const command = ['download', '-qq', ...lists.options, ...onlySigned, '--', ...wanted]
  const download = () => outputOf('apt-get', command, { folder: fetched, hint: 'sudo apt-get update' })
  try {
    await download()
  } catch (error) {
    if (lists.renew === undefined) throw error
    // Old lists may name only versions that no longer exist.
    await lists.renew()
    await download()
  }
  const known = await hashesOf(lists, wanted)
  for (const file of readdirSync(fetched)) {
    const path = join(fetched, file)
    if (!known.has(hashOf(readFileSync(path)))) throw notAsListed(file)
    await outputOf('dpkg-deb', ['--extract', path, folder])
  }
  rmSync(fetched, { recursive: true })
}
