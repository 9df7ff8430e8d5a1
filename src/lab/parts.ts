import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { arch } from 'node:os'
import { delimiter, join } from 'node:path'
import { PinfoldError } from '../errors.js'
import { cached } from './cache.js'
import { hasApt, missingPackages, unpackPackages } from './packages.js'

/** A program, and what it needs around it where it is not installed. */
export interface Program {
  readonly path: string
  /** Folders of shared libraries. */
  readonly libraries: readonly string[]
  /** Folders where it finds its own data (QEMU's -L). */
  readonly data: readonly string[]
}

const emulator = 'qemu-system-x86_64'

/** What the guest has of RDMA's tools: what the host lacks of them lies below the host's own files. */
const guestPackages = ['iproute2', 'ibverbs-providers', 'ibverbs-utils', 'rdmacm-utils', 'perftest']

/** @param hint - the command that mends it */
export function unavailable(what: string, hint: string): PinfoldError {
  return new PinfoldError(`lab: there is no ${what} here`, { code: 'ERR_LAB_UNAVAILABLE', values: { what }, hint })
}

/** @throws PinfoldError `ERR_UNSUPPORTED` */
export function requireArchitecture(): void {
  if (process.platform === 'linux' && arch() === 'x64') return
  throw new PinfoldError(`lab: it runs on x86-64 Linux only, and this is ${process.platform}-${arch()}`, {
    code: 'ERR_UNSUPPORTED',
    values: { platform: process.platform, arch: arch() },
  })
}

export function onPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin']
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false // absent or forbidden: either way it cannot be run
  }
}

/** The emulator: the host's own, or one out of the cache. */
export async function findEmulator(): Promise<Program> {
  const installed = onPath(emulator)
  if (installed !== undefined) return { path: installed, libraries: [], data: [] }
  if (!hasApt()) throw unavailable(emulator, `install QEMU for x86-64 (Fedora: dnf install qemu-system-x86-core)`)
  const folder = await fetched('qemu', ['qemu-system-x86'])
  const usr = join(folder, 'usr')
  return {
    path: join(usr, 'bin', emulator),
    libraries: [join(usr, 'lib/x86_64-linux-gnu'), join(folder, 'lib/x86_64-linux-gnu')],
    data: ['share/qemu', 'share/seabios', 'lib/ipxe/qemu'].map((path) => join(usr, path)).filter(existsSync),
  }
}

/** A busybox that needs no library: it is all that the machine has before the host's files are there. */
export async function findBusybox(): Promise<string> {
  const installed = onPath('busybox')
  if (installed !== undefined && isStatic(installed)) return installed
  if (!hasApt()) throw unavailable('static busybox', 'install busybox (Fedora: dnf install busybox)')
  const folder = await cached('busybox', (making) => unpackPackages(['busybox-static'], making))
  return ['bin', 'usr/bin'].map((path) => join(folder, path, 'busybox')).find(existsSync) ?? join(folder, 'bin/busybox')
}

/** Whether no dynamic linker is asked for: elf(5), a segment of type PT_INTERP. */
function isStatic(path: string): boolean {
  const file = readFileSync(path)
  if (file.length < 64 || file.toString('latin1', 1, 4) !== 'ELF') return false
  const start = Number(file.readBigUInt64LE(32))
  const size = file.readUInt16LE(54)
  const segments = Array.from({ length: file.readUInt16LE(56) }, (_, index) => start + index * size)
  return segments.every((at) => at + 4 <= file.length && file.readUInt32LE(at) !== 3)
}

/** What the guest sees below the host's own files; undefined where nothing is missing, or nothing can be fetched. */
export async function findGuestTools(): Promise<string | undefined> {
  if (!hasApt()) return undefined
  try {
    return await fetched('tools', guestPackages)
  } catch (error) {
    if (onPath('rdma') !== undefined) return undefined // the one without which there is no lab
    throw error
  }
}

/**
 * Packages and those that they need, as far as this machine has them not. What is missing is asked anew when a package
 * was installed or removed, since the question takes a second.
 */
async function fetched(name: string, packages: readonly string[]): Promise<string> {
  const installed = statSync('/var/lib/dpkg/status', { throwIfNoEntry: false })?.mtimeMs ?? 0
  const plan = await cached(`missing-${keyOf([packages, installed])}`, async (making) => {
    writeFileSync(join(making, 'packages'), (await missingPackages(packages)).join('\n'))
  })
  const missing = readFileSync(join(plan, 'packages'), 'utf8').split('\n').filter(Boolean).sort()
  return cached(`${name}-${keyOf(missing)}`, async (making) => {
    await unpackPackages(missing, making)
    mergeIntoUsr(making)
  })
}

/** The start of a hash, to name what depends on many things. */
export function keyOf(of: unknown): string {
  return createHash('sha256').update(JSON.stringify(of)).digest('hex').slice(0, 16)
}

/** Where /lib is a link to /usr/lib, a folder /lib below it would not be seen. */
function mergeIntoUsr(folder: string): void {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    const own = join(folder, name)
    if (!existsSync(own) || !lstatSync(`/${name}`, { throwIfNoEntry: false })?.isSymbolicLink()) continue
    cpSync(own, join(folder, 'usr', name), { recursive: true, verbatimSymlinks: true })
    rmSync(own, { recursive: true })
  }
}
