import { createHash } from 'node:crypto'
import { cpSync, existsSync, lstatSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { arch } from 'node:os'
import { delimiter, join } from 'node:path'
import { PinfoldError } from '../errors.js'
import { isProgram } from '../system/programs.js'
import { cached } from './cache.js'
import { dependenciesOf, hasApt, missingPackages, unpackPackages } from './packages.js'

/** A program, and the folders that it needs if it is not installed. */
export interface Program {
  readonly path: string
  /** Folders of shared libraries. */
  readonly libraries: readonly string[]
  /** Folders of the program's own data (QEMU's -L). */
  readonly data: readonly string[]
}

const emulator = 'qemu-system-x86_64'

/**
 * The packages whose files QEMU looks for beside itself, so they are fetched although another QEMU of this machine (as
 * that for arm64) may have installed them. Those that a version of Debian lacks are left out.
 */
const ownFiles = ['qemu-system-common', 'qemu-system-data', 'seabios', 'ipxe-qemu']

/** RDMA's tools for the guest. Those that the host lacks are put beneath the host's own files. */
const guestPackages = ['iproute2', 'ibverbs-providers', 'ibverbs-utils', 'rdmacm-utils', 'perftest']

/** @param hint - the command that repairs the problem */
export function unavailable(what: string, hint: string): PinfoldError {
  return new PinfoldError(`lab: there is no ${what} here`, { code: 'ERR_LAB_UNAVAILABLE', values: { what }, hint })
}

/** @throws PinfoldError `ERR_UNSUPPORTED` */
export function requireArchitecture(): void {
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
export async function findEmulator(): Promise<Program> {
  const installed = onPath(emulator)
  if (installed !== undefined) return { path: installed, libraries: [], data: [] }
  if (!hasApt()) throw unavailable(emulator, `install QEMU for x86-64 (Fedora: dnf install qemu-system-x86-core)`)
  const folder = await fetched('qemu', ['qemu-system-x86'], ownFiles)
  const usr = join(folder, 'usr')
  return {
    path: join(usr, 'bin', emulator),
    libraries: [join(usr, 'lib/x86_64-linux-gnu'), join(folder, 'lib/x86_64-linux-gnu')],
    data: ['share/qemu', 'share/seabios', 'lib/ipxe/qemu'].map((path) => join(usr, path)).filter(existsSync),
  }
}

/** A busybox that needs no library. The machine has nothing else until the host's files are there. */
export async function findBusybox(): Promise<string> {
  const installed = onPath('busybox')
  if (installed !== undefined && isStatic(installed)) return installed
  if (!hasApt()) throw unavailable('static busybox', 'install busybox (Fedora: dnf install busybox)')
  const folder = await cached('busybox', (making) => unpackPackages(['busybox-static'], making))
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
export async function findGuestTools(): Promise<string | undefined> {
  if (!hasApt()) return undefined
  try {
    return await fetched('tools', guestPackages)
  } catch (error) {
    if (onPath('rdma') !== undefined) return undefined // the only tool that the lab itself needs
    throw error
  }
}

/**
 * A folder with packages and their dependencies, without those that this machine has. Of the dependencies, those in
 * `always` are there although this machine has them. The list of missing packages is made anew only after a package was
 * installed or removed, since apt takes a second to make it.
 */
async function fetched(name: string, packages: readonly string[], always: readonly string[] = []): Promise<string> {
  const installed = statSync('/var/lib/dpkg/status', { throwIfNoEntry: false })?.mtimeMs ?? 0
  const plan = await cached(`missing-${keyOf([packages, always, installed])}`, async (making) => {
    const missing = await missingPackages(packages)
    const [first] = packages
    const needed = first === undefined ? [] : await dependenciesOf(first)
    const kept = always.filter((one) => needed.includes(one) && !missing.includes(one))
    writeFileSync(join(making, 'packages'), [...missing, ...kept].join('\n'))
  })
  const missing = readFileSync(join(plan, 'packages'), 'utf8').split('\n').filter(Boolean).sort()
  return cached(`${name}-${keyOf(missing)}`, async (making) => {
    await unpackPackages(missing, making)
    mergeIntoUsr(making)
  })
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
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    const own = join(folder, name)
    if (!existsSync(own) || !lstatSync(`/${name}`, { throwIfNoEntry: false })?.isSymbolicLink()) continue
    cpSync(own, join(folder, 'usr', name), { recursive: true, verbatimSymlinks: true })
    rmSync(own, { recursive: true })
  }
}
