import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { PinfoldError } from '../errors.js'

/** What a command said; its stdout. @throws PinfoldError `ERR_LAB_UNAVAILABLE` with what it complained of */
export async function say(command: string, args: readonly string[], folder?: string): Promise<string> {
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
  })
}

/** Whether packages can be had here as Debian and Ubuntu have them. */
export function hasApt(): boolean {
  return existsSync('/usr/bin/apt-get') && existsSync('/usr/bin/dpkg-deb')
}

/** An image that is fresh has no package lists; root can fetch them. */
async function requireLists(): Promise<void> {
  const folder = '/var/lib/apt/lists'
  const hasLists = existsSync(folder) && readdirSync(folder).some((name) => name.includes('_Packages'))
  if (hasLists) return
  if (process.geteuid?.() === 0) {
    await say('apt-get', ['update', '-qq'])
    return
  }
  throw new PinfoldError('lab: this machine has no package lists, so nothing can be fetched', {
    code: 'ERR_LAB_UNAVAILABLE',
    values: { folder },
    hint: 'sudo apt-get update',
  })
}

/** The packages that `apt-get install` would add for these: themselves, and what they depend on that is not installed. */
export async function missingPackages(packages: readonly string[]): Promise<string[]> {
  await requireLists()
  const plan = await say('apt-get', ['install', '--simulate', '--no-install-recommends', ...packages])
  return [...plan.matchAll(/^Inst (\S+)/gm)].flatMap(([, name]) => (name === undefined ? [] : [name]))
}

/** What a package depends on directly. */
export async function dependenciesOf(name: string): Promise<string[]> {
  await requireLists()
  const told = await say('apt-cache', ['depends', '--important', name])
  return [...told.matchAll(/^\s*Depends: ([^\s<]+)/gm)].flatMap(([, of]) => (of === undefined ? [] : [of]))
}

/** Fetches packages and unpacks them into `folder`, without installing anything, and without root. */
export async function unpackPackages(packages: readonly string[], folder: string): Promise<void> {
  if (packages.length === 0) return
  await requireLists()
  const fetched = join(folder, '.packages')
  mkdirSync(fetched)
  await say('apt-get', ['download', '-qq', ...packages], fetched)
  for (const file of readdirSync(fetched)) await say('dpkg-deb', ['--extract', join(fetched, file), folder])
  rmSync(fetched, { recursive: true })
}
