import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { PinfoldError } from '../errors.js'
import { type Architecture, isOwn } from './architectures.js'
import { cached } from './cache.js'
import { isReadable, loadOrder, wantedModules } from './kernel-modules.js'
import { hasApt, type PackageLists } from './package-lists.js'
import { dependenciesOf, unpackPackages } from './packages.js'
import { keyOf, unavailable } from './parts.js'

export interface Kernel {
  readonly image: string
  /** The folder that contains the modules of the kernel, at any depth. */
  readonly modules: string
  readonly release: string
}

/**
 * Finds the kernel of the machine. `wanted` is the path of an image, whose modules are in `modules`, or the release of
 * an installed kernel or of a package. Without it, the kernel is the newest of the distribution or, without apt, the
 * newest that is installed.
 *
 * @throws PinfoldError `ERR_LAB_UNAVAILABLE`
 */
export async function findKernel(
  architecture: Architecture,
  lists: PackageLists,
  { kernel: wanted, modules }: { readonly kernel?: string | undefined; readonly modules?: string | undefined },
): Promise<Kernel> {
  if (wanted?.includes('/') === true) return ownKernel(wanted, modules)
  if (modules !== undefined) throw unavailable('kernel for these modules', '--kernel <path of its image>')
  const installed = (isOwn(architecture) ? installedKernels() : []).find(
    ({ release }) => wanted === undefined || release === wanted,
  )
  if (installed !== undefined && (wanted !== undefined || !hasApt())) return installed
  if (!hasApt()) {
    throw unavailable(
      `kernel ${wanted ?? 'that this user can read,'} with Soft-RoCE (rdma_rxe)`,
      '--kernel <image> --modules <folder>',
    )
  }
  return fetchKernel(lists, await releaseOf(architecture, lists, wanted))
}

/** The release to fetch. `wanted` may also be the end of the name of a package that depends on the newest of a kind. */
async function releaseOf(
  { debian, kernelPackages }: Architecture,
  lists: PackageLists,
  wanted: string | undefined,
): Promise<string> {
  if (wanted !== undefined) {
    const release = /-[a-z][\w-]*$/.test(wanted) ? wanted : `${wanted}-${debian}`
    return (await newestRelease(lists, [`linux-image-${release}`])) ?? release
  }
  const newest = await newestRelease(lists, kernelPackages)
  if (newest === undefined) throw unavailable(`package ${kernelPackages.join(' or ')}`, 'sudo apt-get update')
  return newest
}

/**
 * The newest release on which one of these packages depends; undefined if none depends on a kernel. It is found anew
 * only if the lists have changed, since apt takes a second.
 */
async function newestRelease(lists: PackageLists, packages: readonly string[]): Promise<string | undefined> {
  const folder = await cached(`newest-${keyOf([packages, lists.state])}`, async (making) => {
    const needed = (await Promise.all(packages.map((name) => dependenciesOf(lists, name)))).flat()
    const releases = needed.flatMap((name) => /^linux-image-(\d.*)$/.exec(name)?.[1] ?? [])
    writeFileSync(join(making, 'release'), releases.sort(newestFirst)[0] ?? '')
  })
  const newest = readFileSync(join(folder, 'release'), 'utf8')
  return newest === '' ? undefined : newest
}

const numbers = new Intl.Collator('en', { numeric: true })

function newestFirst(one: string, other: string): number {
  return numbers.compare(other, one)
}

/**
 * Fetches a kernel. Of the hundreds of MiB of its packages, it keeps only the image and the modules that a lab may
 * load.
 */
async function fetchKernel(lists: PackageLists, release: string): Promise<Kernel> {
  const all = wantedModules({ iommu: true, edu: true })
  const folder = await cached(`kernel-${release}-${keyOf(all)}`, async (making) => {
    const unpacked = join(making, 'unpacked')
    mkdirSync(unpacked)
    // Ubuntu's kernels have separate packages for the modules.
    const modules = release.endsWith('-generic') ? [`linux-modules-${release}`, `linux-modules-extra-${release}`] : []
    await unpackPackages(lists, [`linux-image-${release}`, ...modules], unpacked)
    const from = ['usr/lib/modules', 'lib/modules'].map((path) => join(unpacked, path, release)).find(existsSync)
    if (from === undefined) throw unavailable(`modules in linux-image-${release}`, '--kernel <another release>')
    mkdirSync(join(making, 'modules'))
    for (const { path } of loadOrder(from, all)) copyFileSync(path, join(making, 'modules', basename(path)))
    copyFileSync(join(from, 'modules.builtin'), join(making, 'modules/modules.builtin'))
    renameSync(join(unpacked, 'boot', `vmlinuz-${release}`), join(making, 'vmlinuz'))
    rmSync(unpacked, { recursive: true })
  })
  return { image: join(folder, 'vmlinuz'), modules: join(folder, 'modules'), release }
}

/** Installed kernels that have Soft-RoCE, the newest first. */
function installedKernels(): Kernel[] {
  const folder = '/lib/modules'
  if (!existsSync(folder)) return []
  const found = readdirSync(folder)
    .sort(newestFirst)
    .map((release) => {
      const modules = join(folder, release)
      const image = [join('/boot', `vmlinuz-${release}`), join(modules, 'vmlinuz')].find(isReadable)
      return { image, modules, release }
    })
  return found.flatMap(({ image, ...rest }) =>
    image !== undefined && canLoad(rest.modules) ? [{ image, ...rest }] : [],
  )
}

function canLoad(modules: string): boolean {
  try {
    return loadOrder(modules, wantedModules({ iommu: false, edu: false })).length > 0
  } catch (error) {
    if (error instanceof PinfoldError) return false // a module is missing
    throw error
  }
}

function ownKernel(image: string, modules: string | undefined): Kernel {
  if (!isReadable(image)) throw unavailable(`readable kernel ${image}`, '--kernel <vmlinuz>')
  const release = basename(image).replace(/^vmlinu[xz]-?/, '')
  const folder = modules ?? join('/lib/modules', release)
  if (!existsSync(folder)) throw unavailable(`folder of modules ${folder}`, '--modules <folder>')
  return { image, modules: folder, release: release === '' ? basename(folder) : release }
}
