import { dirname } from 'node:path'
import { type ElfHeader, type ElfNeeds, readElfHeader, readElfNeeds } from './elf.js'
import { isCheckout, type Place, platformName } from './places.js'
import { type Libc, libc } from './process-facts.js'
import { version } from './version.js'

/** Why a file was not loaded. */
export type Reason =
  | 'missing' // there is no file
  | 'unreadable' // there is one, and this process may not read it
  | 'disabled' // this process loads no addons
  | 'corrupt' // no ELF file, or not all of one, or no shared object
  | 'architecture' // for another processor
  | 'libc' // for another C library
  | 'libc-version' // for a newer C library, or a newer C++ library
  | 'library' // a library that it needs is missing
  | 'no-exec' // on a file system from which nothing may be executed
  | 'no-addon' // a shared object, and no addon
  | 'other-addon' // an addon, and not pinfold's
  | 'version' // of another version of pinfold
  | 'runtime' // for a runtime with a newer Node-API
  | 'loader' // anything else that the dynamic loader says

/** The refusal of one file. */
export interface Refusal {
  readonly place: Place
  readonly reason: Reason
  /** A sentence that begins with the file's path, without a full stop. */
  readonly text: string
  /** The command or the change that repairs it. */
  readonly hint: string
  readonly found?: string | undefined
  readonly expected?: string | undefined
  readonly cause?: unknown
}

type Judgement = Omit<Refusal, 'place' | 'text' | 'hint'> & { readonly text: string; readonly hint?: string }

function refusal(place: Place, { text, hint, ...rest }: Judgement): Refusal {
  return { place, text: `${place.path} ${text}`, hint: hint ?? otherFile(place), ...rest }
}

/**
 * Looks at a file before the dynamic loader does. The loader maps a file that was cut off without an error, and the
 * process then dies of a SIGBUS. Undefined if the file can be loaded as far as its header tells.
 */
export function refusedByHeader(place: Place): Refusal | undefined {
  let header: ElfHeader | undefined
  try {
    header = readElfHeader(place.path)
  } catch (error) {
    return refusal(place, unreadable(place, error))
  }
  const judgement = judgeHeader(header)
  return judgement && refusal(place, judgement)
}

function unreadable({ path, origin, root = dirname(path) }: Place, cause: unknown): Judgement {
  const { code, message } = failureOf(cause)
  if (code === 'ENOENT' || code === 'ENOTDIR') return { reason: 'missing', text: 'does not exist', cause }
  if (code === 'ERR_ACCESS_DENIED') {
    const readable = origin === 'build' || origin === 'package' ? `${root}/*` : path
    const text = "may not be read: Node's permission model forbids it"
    return { reason: 'unreadable', text, hint: `start Node with --allow-fs-read=${quoted(readable)}`, cause }
  }
  return { reason: 'unreadable', text: `cannot be read: ${message}`, hint: `chmod a+r ${quoted(path)}`, cause }
}

function judgeHeader(header: ElfHeader | undefined): Judgement | undefined {
  const expected = process.arch
  if (header === undefined) {
    return { reason: 'corrupt', text: 'is corrupt: it is no ELF file', found: 'no ELF file', expected: 'an ELF file' }
  }
  const { arch, isLibrary, size, neededSize } = header
  if (size < neededSize) {
    const text = `is corrupt: it has ${size} bytes of ${neededSize}`
    return { reason: 'corrupt', text, found: `${size} bytes`, expected: `${neededSize} bytes` }
  }
  if (arch !== expected) {
    return { reason: 'architecture', text: `is for ${arch}, and this process is ${expected}`, found: arch, expected }
  }
  if (isLibrary) return undefined
  const found = 'another kind of ELF file'
  return { reason: 'corrupt', text: 'is no shared object', found, expected: 'a shared object' }
}

/** Finds out why the runtime or its dynamic loader has refused a file. */
export function refusedByLoader(place: Place, error: unknown): Refusal {
  const { code, name, message } = failureOf(error)
  if (code === 'ERR_DLOPEN_DISABLED') return refusal(place, { ...disabled(), cause: error })
  if (name === 'NotCapable') {
    const text = `cannot be loaded: ${message}`
    return refusal(place, { reason: 'disabled', text, hint: 'deno run --allow-all', cause: error })
  }
  const needs = readElfNeeds(place.path)
  const here = libc()
  const judgement = judgeLibc(needs, here) ?? judgeMessage(place, message, needs, here)
  return refusal(place, { ...judgement, cause: error })
}

function disabled(): Judgement {
  const reason = 'disabled'
  const noAddons = '--no-addons'
  if (process.execArgv.includes(noAddons) || process.env.NODE_OPTIONS?.split(/\s+/).includes(noAddons)) {
    return {
      reason,
      text: `cannot be loaded: Node was started with ${noAddons}`,
      hint: `start Node without ${noAddons}`,
    }
  }
  if (process.permission !== undefined) {
    const text = "cannot be loaded: Node's permission model allows no addons"
    return { reason, text, hint: 'start Node with --allow-addons' }
  }
  return { reason, text: 'cannot be loaded: this thread loads no addons', hint: 'allow addons where it is started' }
}

function judgeLibc(needs: ElfNeeds | undefined, here: Libc | undefined): Judgement | undefined {
  const found = needs && libcOf(needs)
  if (found === undefined || here === undefined || found === here.name) return undefined
  return { reason: 'libc', text: `is for ${found}, and this process uses ${here.name}`, found, expected: here.name }
}

/** The C library that a file was built for; undefined if it names none. */
function libcOf({ libraries }: ElfNeeds): Libc['name'] | undefined {
  if (libraries.some((name) => name === 'libc.so.6' || name.startsWith('ld-linux'))) return 'glibc'
  return libraries.some((name) => name === 'libc.so' || name.startsWith('libc.musl-')) ? 'musl' : undefined
}

function judgeMessage(place: Place, message: string, needs: ElfNeeds | undefined, here: Libc | undefined): Judgement {
  const wantedVersion = message.match(/version [`']([A-Z]+)_([\d.]+)' not found/)
  if (wantedVersion) return olderLibrary(place, wantedVersion[1] ?? '', needs?.versions ?? [], here)
  const library =
    message.match(/(?:^|: )([^\s:/]+\.so[^\s:/]*): cannot open shared object file/)?.[1] ??
    message.match(/Error loading shared library (\S+):/)?.[1]
  if (library !== undefined) {
    const text = `needs ${library}, which this machine does not have`
    return { reason: 'library', text, expected: library, hint: `install the package that contains ${library}` }
  }
  if (message.includes('failed to map segment')) {
    const hint = `copy it to another file system, and set PINFOLD_ADDON to its path there`
    return { reason: 'no-exec', text: 'lies on a file system that is mounted with noexec', hint }
  }
  const symbol = message.match(/undefined symbol: (\w+)/)?.[1] ?? message.match(/relocating [^:]+: (\w+):/)?.[1]
  if (symbol !== undefined && /^n(?:ode_)?api_/.test(symbol)) {
    const text = `needs ${symbol}, which this runtime (${process.version}) does not have`
    return { reason: 'runtime', text, expected: symbol, hint: 'install Node.js 20.19 or later' }
  }
  if (needs?.isAddon === false) return { reason: 'no-addon', text: 'is a shared object, and no addon of Node.js' }
  return { reason: 'loader', text: `cannot be loaded: ${message.replaceAll(`${place.path}: `, '')}` }
}

/** The libraries whose symbols have these versions. */
const versionedLibraries: Readonly<Record<string, string>> = {
  GLIBC: 'glibc',
  GLIBCXX: 'libstdc++',
  CXXABI: 'libstdc++',
  GCC: 'libgcc',
}

function olderLibrary(place: Place, prefix: string, versions: readonly string[], here: Libc | undefined): Judgement {
  const [newest = prefix] = versions
    .filter((name) => name.startsWith(`${prefix}_`))
    .sort(byVersion)
    .reverse()
  const library = versionedLibraries[prefix] ?? prefix
  const found = prefix === 'GLIBC' && here?.version !== undefined ? `glibc ${here.version}` : undefined
  const text = `needs ${newest}, and ${found ?? `this machine's ${library}`} is older`
  // The same package for the same platform would not load either.
  const hint = place.origin === 'build' ? otherFile(place) : buildElsewhere
  return { reason: 'libc-version', text, found, expected: newest, hint }
}

function byVersion(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true })
}

/** Whether an object that was loaded is pinfold's addon, of this version. */
export function refusedByVersion(place: Place, exports: unknown): Refusal | undefined {
  const found = typeof exports === 'object' && exports !== null && 'version' in exports ? exports.version : undefined
  if (found === version) return undefined
  const expected = `pinfold ${version}`
  if (typeof found !== 'string') {
    return refusal(place, { reason: 'other-addon', text: `is an addon, and not that of ${expected}`, expected })
  }
  const text = `is for pinfold ${found}, and this is ${expected}`
  return refusal(place, { reason: 'version', text, found: `pinfold ${found}`, expected })
}

/** How a file that is missing or wrong is replaced by the right one. */
function otherFile({ path, origin, root = '' }: Place): string {
  switch (origin) {
    case 'variable':
      return 'unset PINFOLD_ADDON'
    case 'build':
      return `rm -f ${quoted(path)} && npm run build`
    case 'package':
      return isCheckout(root) ? 'npm run prebuilds' : reinstall(root)
    case 'bundle':
      return copyTo(dirname(path))
  }
}

export function reinstall(root: string): string {
  return `rm -r ${quoted(root)} && npm install`
}

/** How a bundle in `folder` gets its file. */
export function copyTo(folder: string): string {
  return `cp node_modules/pinfold/prebuilds/${platformName()}/pinfold.node ${quoted(folder)}/`
}

/** How to get a file for a machine for which the package has none. */
export const buildElsewhere =
  "run 'npm run build' in a checkout of pinfold on this machine, then set PINFOLD_ADDON to the path of its build/Release/pinfold.node"

/** A path as a word of a shell command. */
export function quoted(path: string): string {
  return /^[\w@%+=:,./*-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

function failureOf(error: unknown): { code: unknown; name: string; message: string } {
  if (!(error instanceof Error)) return { code: undefined, name: '', message: String(error) }
  return { code: 'code' in error ? error.code : undefined, name: error.name, message: error.message }
}
