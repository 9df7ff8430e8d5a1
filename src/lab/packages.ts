import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cut, PinfoldError } from '../errors.js'
import { hashOf } from './manifest.js'

/** Runs a command, and returns its stdout. @throws PinfoldError `ERR_LAB_UNAVAILABLE` with the end of its stderr */
async function say(command: string, args: readonly string[], folder?: string, hint?: string): Promise<string> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    ...(folder === undefined ? {} : { cwd: folder }),
  })
  let said = ''
  let complained = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complained += text
  })
  const status = await new Promise<number | string>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (status, signal) => resolve(status ?? signal ?? 'ended'))
  })
  if (status === 0) return said
  const line = [command, ...args].join(' ')
  throw new PinfoldError(`lab: '${line}' failed (${status}): ${complained.trim().split('\n').slice(-3).join('; ')}`, {
    code: 'ERR_LAB_UNAVAILABLE',
    values: { command: line, status },
    ...(hint === undefined ? {} : { hint }),
  })
}

/** True if packages can be fetched here as on Debian and Ubuntu. */
export function hasApt(): boolean {
  return existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg-deb')
}

/** Makes sure that there are package lists. A fresh image has none, and root can fetch them. */
async function requireLists(): Promise<void> {
  const folder = '/var/lib/apt/lists'
  const hasLists = existsSync(folder) && readdirSync(folder).some((name) => name.includes('_Packages'))
  if (hasLists) return
  if (isRoot()) {
    await updateLists()
    return
  }
  throw new PinfoldError('lab: this machine has no package lists, so nothing can be fetched', {
    code: 'ERR_LAB_UNAVAILABLE',
    values: { folder },
    hint: 'sudo apt-get update',
  })
}

function isRoot(): boolean {
  return process.geteuid?.() === 0
}

async function updateLists(): Promise<void> {
  await say('apt-get', ['update', '-qq'])
}

/**
 * The packages that `apt-get install` would add for these: themselves and their dependencies, without those that are
 * installed. If apt would replace a package by a newer version, the package is left out, and the installed version is
 * used.
 */
export async function missingPackages(packages: readonly string[]): Promise<string[]> {
  await requireLists()
  const plan = await say('apt-get', ['install', '--simulate', '--no-install-recommends', '--', ...named(packages)])
  return [...plan.matchAll(/^Inst (\S+) \(/gm)].flatMap(([, name]) => (name === undefined ? [] : [name]))
}

/** The packages that any version of this package depends on; empty if the package is not known. */
export async function dependenciesOf(name: string): Promise<string[]> {
  await requireLists()
  const told = await say('apt-cache', ['search', '--names-only', '--', `^${name}$`])
  if (told.trim() === '') return []
  const versions = await say('apt-cache', ['show', '--', ...named([name])])
  return [...versions.matchAll(/^Depends: (.*)$/gm)].flatMap(([, line = '']) =>
    line.split(/[,|]/).map((part) => part.trim().replace(/[\s(:].*$/, '')),
  )
}

/** apt's lists, and so the hashes in them, must be signed, whatever apt's configuration says (apt-secure(8)). */
const onlySigned = ['-o', 'APT::Get::AllowUnauthenticated=false', '-o', 'Acquire::AllowInsecureRepositories=false']

/** The SHA-256 of every version of these packages in apt's lists. */
async function hashesOf(packages: readonly string[]): Promise<ReadonlySet<string>> {
  const told = await say('apt-cache', ['show', '--', ...packages])
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
export async function unpackPackages(packages: readonly string[], folder: string): Promise<void> {
  if (packages.length === 0) return
  await requireLists()
  const fetched = join(folder, '.packages')
  mkdirSync(fetched)
  const wanted = named(packages)
  const download = () =>
    say('apt-get', ['download', '-qq', ...onlySigned, '--', ...wanted], fetched, 'sudo apt-get update')
  try {
    await download()
  } catch (error) {
    if (!isRoot()) throw error
    // Old lists may name only versions that no longer exist.
    await updateLists()
    await download()
  }
  const known = await hashesOf(wanted)
  for (const file of readdirSync(fetched)) {
    const path = join(fetched, file)
    if (!known.has(hashOf(readFileSync(path)))) throw notAsListed(file)
    await say('dpkg-deb', ['--extract', path, folder])
  }
  rmSync(fetched, { recursive: true })
}
