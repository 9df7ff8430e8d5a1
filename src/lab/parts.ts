import { createHash } from 'node:crypto'
import { cpSync, existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { arch } from 'node:os'
import { delimiter, join } from 'node:path'
import { PinfoldError } from '../errors.js'
import { isProgram } from '../system/programs.js'
import type { Architecture } from './architectures.js'
import { cached } from './cache.js'
import { hasApt, ownLists, type PackageLists } from './package-lists.js'
import { dependenciesOf, missingPackages, unpackPackages } from './packages.js'

/** A program, and the folders that it needs if it is not installed. */
export interface Program {
  readonly path: string
  /** Folders of shared libraries. */
  readonly libraries: readonly string[]
  /** Folders of the program's own data (QEMU's -L). */
  readonly data: readonly string[]
}

/** RDMA's tools for the guest. Those that the host lacks are put beneath the host's own files. */
export const guestPackages = ['iproute2', 'ibverbs-providers', 'ibverbs-utils', 'rdmacm-utils', 'perftest']

/** @param hint - the command that repairs the problem */
export function unavailable(what: string, hint: string): PinfoldError {
  return new PinfoldError(`lab: there is no ${what} here`, { code: 'ERR_LAB_UNAVAILABLE', values: { what }, hint })
}

/** @throws PinfoldError `ERR_UNSUPPORTED` for a host on which the lab does not run */
export function requireHost(): void {
  if (process.platform === 'linux' && arch() === 'x64') return
  throw new PinfoldError(`lab: the lab runs on x86-64 Linux only, and this is ${process.platform}-${arch()}`, {
    code: 'ERR_UNSUPPORTED',
    values: { platform: process.platform, arch: arch() },
  })
}

export function onPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin']
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

/** The emulator: the host's own, or one from the cache. */
export async function findEmulator({ emulator }: Architecture): Promise<Program> {
  const installed = onPath(emulator.program)
  if (installed !== undefined) return { path: installed, libraries: [], data: [] }
  if (!hasApt()) throw unavailable(emulator.program, emulator.hint)
  const folder = await fetched(ownLists(), emulator.package, [emulator.package], emulator.ownFiles)
  const usr = join(folder, 'usr')
  return {
    path: join(usr, 'bin', emulator.program),
    libraries: [join(usr, 'lib/x86_64-linux-gnu'), join(folder, 'lib/x86_64-linux-gnu')],
    data: ['share/qemu', 'share/seabios', 'lib/ipxe/qemu'].map((path) => join(usr, path)).filter(existsSync),
  }
}

/** A busybox that needs no library. The machine has nothing else until the host's files are there. */
export async function findBusybox(lists: PackageLists): Promise<string> {
  const installed = onPath('busybox')
  if (installed !== undefined && isStatic(installed)) return installed
  if (!hasApt()) throw unavailable('static busybox', 'install busybox (Fedora: dnf install busybox)')
  const folder = await cached('busybox', (making) => unpackPackages(lists, ['busybox-static'], making))
  return ['bin', 'usr/bin'].map((path) => join(folder, path, 'busybox')).find(existsSync) ?? join(folder, 'bin/busybox')
}

/** True if a program needs no dynamic linker: it has no segment of type PT_INTERP (elf(5)). */
function isStatic(path: string): boolean {
  const file = readFileSync(path)
  if (file.length < 64 || file.toString('latin1', 1, 4) !== 'ELF') return false
  const start = Number(file.readBigUInt64LE(32))
  const size = file.readUInt16LE(54)
  const segments = Array.from({ length: file.readUInt16LE(56) }, (_, index) => start + index * size)
  return segments.every((at) => at + 4 <= file.length && file.readUInt32LE(at) !== 3)
}

/**
 * The folder of tools that the guest sees beneath the host's own files; undefined without apt. If the tools cannot be
 * fetched, it is undefined if the host has rdma(8). Otherwise the error is thrown.
 */
export async function findGuestTools(lists: PackageLists): Promise<string | undefined> {
  if (!hasApt()) return undefined
  try {
    return await fetched(lists, 'tools', guestPackages)
  } catch (error) {
    if (onPath('rdma') !== undefined) return undefined // the only tool that the lab itself needs
    throw error
  }
}

/**
 * A folder with packages and their dependencies, without those that this machine has. Of the dependencies, those in
 * `always` are there although this machine has them.
 */
async function fetched(
  lists: PackageLists,
  name: string,
  packages: readonly string[],
  always: readonly string[] = [],
): Promise<string> {
  const missing = await missingOf(lists, packages, always)
  return cached(`${name}-${keyOf(missing)}`, async (making) => {
    await unpackPackages(lists, missing, making)
    mergeIntoUsr(making)
  })
}

/** The names of these packages. They are found anew only if lists or installed packages have changed. */
export async function missingOf(
  lists: PackageLists,
  packages: readonly string[],
  always: readonly string[] = [],
): Promise<string[]> {
  const plan = await cached(`missing-${keyOf([packages, always, lists.state])}`, async (making) => {
    const missing = await missingPackages(lists, packages)
    const [first] = packages
    const needed = first === undefined || always.length === 0 ? [] : await dependenciesOf(lists, first)
    const kept = always.filter((one) => needed.includes(one) && !missing.includes(one))
    writeFileSync(join(making, 'packages'), [...missing, ...kept].join('\n'))
  })
  return readFileSync(join(plan, 'packages'), 'utf8').split('\n').filter(Boolean).sort()
}

/** The start of a hash, which names a folder whose content depends on several values. */
export function keyOf(of: unknown): string {
  return createHash('sha256').update(JSON.stringify(of)).digest('hex').slice(0, 16)
}

/**
 * Moves a package's /lib into its /usr if the host's /lib is a link to /usr/lib; the same for bin, sbin and lib64. The
 * host's link would hide a folder /lib beneath it.
 */
function mergeIntoUsr(folder: string): void {
  const links = topFolders.filter((name) => lstatSync(`/${name}`, { throwIfNoEntry: false })?.isSymbolicLink())
  for (const name of links) moveIntoUsr(folder, name)
}

export const topFolders = ['bin', 'sbin', 'lib', 'lib64'] as const

export function moveIntoUsr(folder: string, name: (typeof topFolders)[number]): void {
  const own = join(folder, name)
  if (lstatSync(own, { throwIfNoEntry: false })?.isDirectory() !== true) return
  cpSync(own, join(folder, 'usr', name), { recursive: true, verbatimSymlinks: true })
  rmSync(own, { recursive: true })
}
