import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { isAbsolute, join, resolve } from 'node:path'
import { PinfoldError } from '../errors.js'
import { findHome, type Home, isCheckout, type Place, places, platformName } from './places.js'
import { hasGainedPrivileges } from './process-facts.js'
import {
  buildElsewhere,
  copyTo,
  quoted,
  type Refusal,
  refusedByHeader,
  refusedByLoader,
  refusedByVersion,
  reinstall,
} from './refusal.js'

/** The environment variable that names another file. */
const variable = 'PINFOLD_ADDON'

export interface LoadedAddon {
  readonly path: string
  readonly exports: unknown
}

/**
 * Loads the addon: the file that PINFOLD_ADDON names, or the first one of `places` that can be loaded.
 *
 * @param url the `import.meta.url` of a file at the top of `src` or `dist`; undefined in a CommonJS bundle
 * @throws PinfoldError `ERR_ADDON_LOAD` with the reason of each file that was not loaded
 */
export function loadAddon(url: string | undefined): LoadedAddon {
  const home = findHome(url)
  const chosen = chosenFile()
  const refusals: Refusal[] = []
  for (const place of chosen === undefined ? places(home) : [chosen]) {
    const result = loadFrom(place)
    if ('exports' in result) return result
    refusals.push(result)
  }
  throw failure(home, refusals)
}

function loadFrom(place: Place): LoadedAddon | Refusal {
  const refused = refusedByHeader(place)
  if (refused !== undefined) return refused
  let exports: unknown
  try {
    exports = createRequire(place.path)(place.path)
  } catch (error) {
    return refusedByLoader(place, error)
  }
  return refusedByVersion(place, exports) ?? { path: place.path, exports }
}

/**
 * The file that PINFOLD_ADDON names. A process that has more privileges than its user ignores the variable, since the
 * user would then choose the code that runs with these privileges.
 *
 * @throws PinfoldError `ERR_ADDON_LOAD` if the value is no path of an addon
 */
function chosenFile(): Place | undefined {
  const path = process.env[variable]
  if (path === undefined || path === '' || isIgnored()) return undefined
  const wrong = (expected: string, hint: string) =>
    new PinfoldError(`${variable} is '${path}', and ${expected} is expected`, {
      code: 'ERR_ADDON_LOAD',
      values: { ...platformValues(), reason: 'variable', path },
      hint,
    })
  if (!isAbsolute(path)) throw wrong('an absolute path', `${variable}=${quoted(resolve(path))}`)
  // Node would run any other file as JavaScript.
  if (!path.endsWith('.node'))
    throw wrong("a path that ends in '.node'", `cp ${quoted(path)} ${quoted(`${path}.node`)}`)
  return { path, origin: 'variable' }
}

function isIgnored(): boolean {
  try {
    return hasGainedPrivileges()
  } catch (cause) {
    const what = `${variable} cannot be used, since /proc/self/auxv cannot be read`
    throw new PinfoldError(`${what}: it tells whether this process has more privileges than its user`, {
      code: 'ERR_ADDON_LOAD',
      values: { ...platformValues(), reason: 'variable', path: process.env[variable] },
      hint: process.permission === undefined ? `unset ${variable}` : 'start Node with --allow-fs-read=/proc/self/auxv',
      cause,
    })
  }
}

/** The error that says why none of the files was loaded. The first file that exists tells the reason. */
function failure(home: Home, refusals: readonly Refusal[]): PinfoldError {
  const told = wrongRuntime() ?? refusals.find(({ reason }) => reason !== 'missing') ?? absence(home, refusals)
  const isChosen = refusals[0]?.place.origin === 'variable'
  const others = isChosen ? [] : refusals.filter((one) => one !== told).map(({ text }) => text)
  if (!isChosen && process.env[variable]) {
    others.push(`${variable} is ignored, since this process has more privileges than its user`)
  }
  const source = isChosen ? ` from ${variable}` : ''
  const lines = [`pinfold's native part cannot be loaded${source}: ${told.text}`, ...others]
  return new PinfoldError(lines.join('\n  '), {
    code: 'ERR_ADDON_LOAD',
    values: {
      ...platformValues(),
      reason: told.reason,
      ...(told.place === undefined ? {} : { path: told.place.path }),
      ...(told.found === undefined ? {} : { found: told.found }),
      ...(told.expected === undefined ? {} : { expected: told.expected }),
    },
    hint: told.hint,
    cause: told.cause,
  })
}

/** A refusal, or the reason why there is no file that could have been refused. */
type Told = Omit<Refusal, 'place'> & { readonly place?: Place }

function wrongRuntime(): Told | undefined {
  if (process.platform !== 'linux') {
    const text = `pinfold runs on Linux only, and this is ${process.platform}`
    return { reason: 'runtime', text, hint: 'run it on Linux: in a virtual machine or a container' }
  }
  if (Number(process.versions.napi) >= 9) return undefined
  const text = `pinfold needs Node.js 20.19 or later, and this is ${process.version}`
  return { reason: 'runtime', text, hint: 'install Node.js 20.19 or later' }
}

/** Why none of the files exists. */
function absence({ folders, root }: Home, refusals: readonly Refusal[]): Told {
  const [first] = refusals
  if (first?.place.origin === 'variable') return first
  const reason = 'missing'
  const packageRoot = root ?? refusals.find(({ place }) => place.root !== undefined)?.place.root
  const platform = platformName()
  if (packageRoot !== undefined) {
    const text = `there is no file for ${platform}`
    if (isCheckout(packageRoot)) return { reason, text, hint: 'npm run build' }
    const shipped = platformsIn(packageRoot)
    // Without any file, or with an empty folder for this platform, the package is not whole.
    if (shipped.length === 0 || shipped.includes(platform)) return { reason, text, hint: reinstall(packageRoot) }
    return { reason, text: `${text}, only for ${shipped.join(', ')}`, expected: platform, hint: buildElsewhere }
  }
  const folder = folders.at(-1)
  if (folder === undefined) {
    const text = 'this bundle does not know its own path'
    return { reason, text, hint: `set ${variable} to the path of the package's prebuilds/${platform}/pinfold.node` }
  }
  const text = `pinfold was bundled into a program, and its file for ${platform} is not beside it`
  return { reason, text, hint: copyTo(folder) }
}

function platformsIn(root: string): string[] {
  try {
    return readdirSync(join(root, 'prebuilds')).sort()
  } catch {
    return [] // There is no such folder, or it may not be read.
  }
}

function platformValues() {
  return { platform: process.platform, arch: process.arch, node: process.version }
}
