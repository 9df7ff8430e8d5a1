import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { libcName } from './process-facts.js'

/**
 * What put a file at its place: PINFOLD_ADDON, a build in a checkout, the package that was installed, or the program
 * into whose bundle pinfold was put.
 */
export type Origin = 'variable' | 'build' | 'package' | 'bundle'

/** A path at which the addon may be. */
export interface Place {
  readonly path: string
  readonly origin: Origin
  /** The folder of the package, for `build` and `package`. */
  readonly root?: string
}

/** Where this code is. */
export interface Home {
  /** The folders of the file that runs. A bundler may make several, of which the first ones do not exist. */
  readonly folders: readonly string[]
  /** The folder of the package, if the code runs from it; undefined in a bundle. */
  readonly root?: string | undefined
}

/**
 * Finds where this code is. `url` is the `import.meta.url` of a file at the top of `src` or `dist`. In a bundle it is
 * the URL of the bundle, or undefined where the bundle is a CommonJS module, which knows `__dirname` instead.
 */
export function findHome(url: string | undefined): Home {
  const folders: string[] = []
  if (url?.startsWith('file:')) folders.push(dirname(fileURLToPath(url)))
  // A bundler may write a path of another machine there.
  if (typeof __dirname === 'string' && isAbsolute(__dirname)) folders.push(__dirname)
  return { folders, root: folders.map((folder) => dirname(folder)).find(isPackage) }
}

function isPackage(folder: string): boolean {
  try {
    const { name }: { name?: unknown } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return name === 'pinfold'
  } catch {
    return false // There is none, or it is none.
  }
}

/** True in a checkout. Only a checkout contains the sources, from which the addon can be built. */
export function isCheckout(root: string): boolean {
  try {
    return existsSync(join(root, 'CMakeLists.txt'))
  } catch {
    return false // Node's permission model, under which nobody builds.
  }
}

/** The platform of a file for this process, as folders in `prebuilds` are named. */
export function platformName(libc = libcName()): string {
  return `${process.platform}-${process.arch}${libc === undefined ? '' : `-${libc}`}`
}

/**
 * The places where the addon may be, the first one first: in the package, which may also be a checkout; of a bundle,
 * beside it, then in the package `pinfold` that is installed for it.
 */
export function* places({ folders, root }: Home): Generator<Place> {
  if (root !== undefined) return yield* placesInPackage(root)
  for (const folder of folders) yield { path: join(folder, 'pinfold.node'), origin: 'bundle' }
  for (const folder of folders) {
    const installed = installedFor(folder)
    if (installed !== undefined) yield* placesInPackage(installed)
  }
}

function* placesInPackage(root: string): Generator<Place> {
  if (isCheckout(root)) yield { path: join(root, 'build/Release/pinfold.node'), origin: 'build', root }
  const libc = libcName()
  for (const name of libc === undefined ? (['glibc', 'musl'] as const) : [libc]) {
    yield { path: join(root, 'prebuilds', platformName(name), 'pinfold.node'), origin: 'package', root }
  }
}

/** The folder of the package `pinfold` that programs in this folder import, if there is one. */
function installedFor(folder: string): string | undefined {
  try {
    return dirname(createRequire(join(folder, 'bundle.js')).resolve('pinfold/package.json'))
  } catch {
    return undefined
  }
}
