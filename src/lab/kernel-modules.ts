import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { PinfoldError } from '../errors.js'

/** A module that the machine loads at its start. */
export interface KernelModule {
  /** The name with '_' in place of '-', as the kernel writes it. */
  readonly name: string
  readonly path: string
}

/** The modules that every machine needs, in the order of loading. Each is loaded after its dependencies. */
const always = [
  'virtio_pci',
  'virtio_console',
  'virtio_rng',
  '9pnet_virtio',
  '9p',
  'overlay',
  'virtio_net',
  'crc32_generic',
  'rdma_rxe',
  'ib_uverbs',
  'rdma_ucm',
]
/** Modules that newer kernels do not have: since Linux 6.15, rdma_rxe needs no driver for its checksum (lib/crc). */
const inOlderKernels = new Set(['crc32_generic'])
const forIommu = ['vfio', 'vfio_iommu_type1', 'vfio_pci']
const forDevices = ['uio', 'uio_pci_generic']

export function wantedModules(options: { readonly iommu: boolean; readonly edu: boolean }): string[] {
  return [...always, ...(options.iommu ? forIommu : []), ...(options.edu ? forDevices : [])]
}

/**
 * The files of the `wanted` modules and of all their dependencies, in the order of loading. Dependencies are read from
 * the modules themselves (.modinfo), so that an unpacked package needs no depmod. A module that is built into the
 * kernel has no file.
 *
 * @param folder - /lib/modules/<release>, or another folder of modules
 * @throws PinfoldError `ERR_LAB_UNAVAILABLE` for a module that is neither there nor built in
 */
export function loadOrder(folder: string, wanted: readonly string[]): KernelModule[] {
  const files = moduleFiles(folder)
  const builtIn = new Set(builtInModules(folder))
  const ordered = new Map<string, KernelModule>()
  const visit = (name: string, neededBy: string) => {
    if (ordered.has(name) || (builtIn.has(name) && !files.has(name))) return
    const path = files.get(name)
    if (path === undefined) {
      throw new PinfoldError(`lab: the kernel in ${folder} has no module ${name}, which ${neededBy} needs`, {
        code: 'ERR_LAB_UNAVAILABLE',
        values: { module: name, folder },
        hint: 'leave --kernel out, or name a kernel that has it',
      })
    }
    for (const dependency of dependencies(path)) visit(dependency, name)
    ordered.set(name, { name, path })
  }
  for (const name of wanted) if (files.has(name) || !inOlderKernels.has(name)) visit(name, 'the lab')
  return [...ordered.values()]
}

export function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false // absent or forbidden: in both cases it cannot be read
  }
}

function moduleFiles(folder: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  if (!existsSync(folder)) return files
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const [, name] = /^(.+)\.ko(?:\.(?:xz|gz|zst))?$/.exec(entry.name) ?? []
    if (name !== undefined) files.set(name.replaceAll('-', '_'), join(entry.parentPath, entry.name))
  }
  return files
}

function builtInModules(folder: string): string[] {
  const list = join(folder, 'modules.builtin')
  if (!existsSync(list)) return []
  const lines = readFileSync(list, 'utf8').trim().split('\n')
  return lines.map((line) => basename(line, '.ko').replaceAll('-', '_'))
}

/** The names after 'depends=' in a module's .modinfo. */
function dependencies(path: string): string[] {
  const [, names = ''] = /\0depends=([^\0]*)\0/.exec(readModule(path).toString('latin1')) ?? []
  return names.split(',').flatMap((name) => (name === '' ? [] : [name.replaceAll('-', '_')]))
}

const contents = new Map<string, Buffer>()

/** The content of a module, unpacked. */
export function readModule(path: string): Buffer {
  const kept = contents.get(path)
  if (kept !== undefined) return kept
  const content = unpacked(path)
  contents.set(path, content)
  return content
}

function unpacked(path: string): Buffer {
  const packed = readFileSync(path)
  if (path.endsWith('.gz')) return gunzipSync(packed)
  const command = path.endsWith('.xz') ? 'xz' : path.endsWith('.zst') ? 'zstd' : undefined
  if (command === undefined) return packed
  const { status, stdout, error } = spawnSync(command, ['-dc'], { input: packed, maxBuffer: 2 ** 28 })
  if (status === 0) return stdout
  throw new PinfoldError(`lab: ${path} could not be unpacked by ${command}: ${error?.message ?? `status ${status}`}`, {
    code: 'ERR_LAB_UNAVAILABLE',
    values: { path, command },
    hint: `apt-get install ${command === 'xz' ? 'xz-utils' : 'zstd'}`,
  })
}
