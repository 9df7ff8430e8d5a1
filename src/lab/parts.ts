import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs'
import { arch } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { PinfoldError } from '../errors.js'
import { cached } from './cache.js'
import { dependenciesOf, hasApt, missingPackages, unpackPackages } from './packages.js'

/** A program, and what it needs around it where it is not installed. */
export interface Program {
  readonly path: string
  /** Folders of shared libraries. */
  readonly libraries: readonly string[]
  /** Folders where it finds its own data (QEMU's -L). */
  readonly data: readonly string[]
}

export interface Kernel {
  readonly image: string
  /** /lib/modules/<release> */
  readonly modules: string
  readonly release: string
}

const emulator = 'qemu-system-x86_64'
const kernelPackage = 'linux-image-amd64'
/** What a guest may use of RDMA, where the host has it not: it lies below the host's own files. */
const guestPackages = [
  'iproute2',
  'libibverbs1',
  'ibverbs-providers',
  'ibverbs-utils',
  'librdmacm1',
  'rdmacm-utils',
  'libnl-3-200',
  'libnl-route-3-200',
  'libbpf1',
  'libelf1',
  'libmnl0',
  'libbsd0',
  'libcap2',
  'libtirpc3',
  'libxtables12',
]

function unavailable(what: string, hint: string): PinfoldError {
  return new PinfoldError(`lab: there is no ${what} here`, {
    code: 'ERR_LAB_UNAVAILABLE',
    values: { what },
    hint,
  })
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
  if (!hasApt()) throw unavailable(emulator, `install QEMU, so that '${emulator}' is there`)
  const folder = await cached('qemu', async (making) => {
    await unpackPackages(await missingPackages(['qemu-system-x86']), making)
  })
  const usr = join(folder, 'usr')
  return {
    path: join(usr, 'bin', emulator),
    libraries: [join(usr, 'lib/x86_64-linux-gnu'), join(folder, 'lib/x86_64-linux-gnu')],
    data: ['share/qemu', 'share/seabios', 'lib/ipxe/qemu'].map((path) => join(usr, path)).filter(existsSync),
  }
}

/** A busybox that needs no library: it is all that the machine has before the host's files are there. */
export async function findBusybox(): Promise<string> {
  if (!hasApt()) {
    const installed = onPath('busybox')
    if (installed !== undefined) return installed
    throw unavailable('busybox', 'install a static busybox')
  }
  const folder = await cached('busybox', (making) => unpackPackages(['busybox-static'], making))
  return join(folder, 'bin', 'busybox')
}

/** What the guest sees below the host's own files; undefined where nothing can be fetched. */
export async function findGuestTools(): Promise<string | undefined> {
  if (!hasApt()) return undefined
  return cached('tools', (making) => unpackPackages(guestPackages, making))
}

/**
 * The kernel: a file with `modules` beside it, an installed or fetched release by (the start of) its version, or the
 * distribution's newest.
 */
export async function findKernel(wanted: string | undefined, modules: string | undefined): Promise<Kernel> {
  if (wanted?.includes('/') === true) return ownKernel(wanted, modules)
  if (!hasApt()) throw unavailable('kernel that could be fetched', 'name one: --kernel <vmlinuz> --modules <folder>')
  const name = wanted === undefined ? await newestKernel() : `linux-image-${wanted}`
  const folder = await cached(`kernel-${name}`, async (making) => {
    const packages = name.endsWith('-amd64') || name.endsWith('-generic') ? [name] : [`${name}-amd64`]
    await unpackPackages([...packages, ...(await modulePackages(name))], making)
  })
  return kernelIn(folder)
}

async function newestKernel(): Promise<string> {
  const isUbuntu = existsSync('/etc/lsb-release')
  const found = await dependenciesOf(isUbuntu ? 'linux-image-generic' : kernelPackage)
  const image = found.find((name) => /^linux-image-\d/.test(name))
  if (image === undefined) throw unavailable(`package ${kernelPackage}`, 'apt-get update')
  return image
}

/** Ubuntu has the modules in packages of their own. */
async function modulePackages(image: string): Promise<string[]> {
  const release = image.replace(/^linux-image-/, '')
  return image.endsWith('-generic') ? [`linux-modules-${release}`, `linux-modules-extra-${release}`] : []
}

function kernelIn(folder: string): Kernel {
  const images = readdirSync(join(folder, 'boot')).filter((name) => name.startsWith('vmlinuz-'))
  const [image] = images
  if (image === undefined) throw unavailable('kernel in what was fetched', `rm -r ${folder}`)
  const release = image.slice('vmlinuz-'.length)
  const modules = ['lib/modules', 'usr/lib/modules'].map((path) => join(folder, path, release)).find(existsSync)
  if (modules === undefined) throw unavailable(`modules of kernel ${release}`, `rm -r ${folder}`)
  return { image: join(folder, 'boot', image), modules, release }
}

function ownKernel(image: string, modules: string | undefined): Kernel {
  if (!existsSync(image)) throw unavailable(`kernel ${image}`, '--kernel <vmlinuz>')
  const release = basename(image).replace(/^vmlinuz-?/, '')
  const folder = modules ?? join(dirname(image), '../lib/modules', release)
  if (!existsSync(folder)) throw unavailable(`folder of modules ${folder}`, '--modules <folder>')
  return { image, modules: folder, release: release === '' ? basename(folder) : release }
}
