import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readKernelFile } from '../../../system/kernel-files.js'
import { sudo } from '../../shell-command.js'
import { type Finding, finding } from '../finding.js'

const library = 'libibverbs.so.1'
/** The variable that names another library for pinfold to load (native/verbs/library.cc). */
const variable = 'PINFOLD_LIBIBVERBS'
/**
 * The folders in which the dynamic loaders of the common distributions look if their cache does not contain a library
 * (ld.so(8)).
 */
const libraryFolders = ['/lib', '/usr/lib', '/lib64', '/usr/lib64', '/usr/local/lib', '/usr/local/lib64']
const multiarch = new Map([
  ['x64', 'x86_64-linux-gnu'],
  ['arm64', 'aarch64-linux-gnu'],
]).get(process.arch)

/** The version of symbols that every usable libibverbs contains: the ABI of 2008. */
const neededVersion = 'IBVERBS_1.1'
/**
 * The functions that only newer versions contain, and what each of them gives. Source: libibverbs.map.in of rdma-core.
 */
const newerSymbols = [
  { symbol: 'ibv_reg_mr_iova2', gives: 'registrations at a chosen address' },
  { symbol: '_ibv_query_gid_table', gives: 'the types and interfaces of GIDs' },
  { symbol: 'ibv_reg_dmabuf_mr', gives: 'registrations of dma-bufs' },
  { symbol: 'ibv_is_fork_initialized', gives: 'the effect of a fork on registered memory' },
] as const

/**
 * Checks where libibverbs is, and which functions it lacks because it is too old. The file is only read, not loaded.
 */
export function examineLibrary(): Finding {
  const chosen = process.env[variable]
  const path = chosen ?? findLibrary()
  if (path === undefined) {
    const seen = 'not installed: real devices cannot be used, everything else can'
    return finding('rdma.libibverbs', 'info', seen, { mend: installCommand(), values: { path: null } })
  }
  if (!existsSync(path)) {
    const seen = `${variable} is ${path}, which is not there`
    return finding('rdma.libibverbs', 'warn', seen, { mend: `unset ${variable}`, values: { path } })
  }
  const file = realpathSync(path)
  // 1.14.44.0 means the ABI's version 1.14, of rdma-core 44.
  const version = basename(file).replace(/^libibverbs\.so\.?/, '')
  const names = readFileSync(file, 'latin1')
  const missing = newerSymbols.filter(({ symbol }) => !names.includes(`${symbol}\0`))
  const values = { path, file, version, chosen: chosen !== undefined, missing: missing.map(({ symbol }) => symbol) }
  if (!names.includes(`${neededVersion}\0`)) {
    const seen = `${path} is no libibverbs that pinfold can use: it has no ${neededVersion}`
    return finding('rdma.libibverbs', 'warn', seen, { values, mend: installCommand() })
  }
  const lacks = missing.map(({ symbol, gives }) => `${symbol} (${gives})`).join(', ')
  const seen = `${path} (${version})${chosen === undefined ? '' : `, named by ${variable}`}`
  return missing.length === 0
    ? finding('rdma.libibverbs', 'ok', seen, { values })
    : finding('rdma.libibverbs', 'info', `${seen} is too old for ${lacks}`, { values })
}

/**
 * Finds the library as the dynamic loader would, without loading it: by LD_LIBRARY_PATH, in the loader's cache, and in
 * its default folders.
 */
function findLibrary(): string | undefined {
  const named = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== '')
  const byDefault = multiarch === undefined ? libraryFolders : libraryFolders.map((folder) => join(folder, multiarch))
  const candidates = [...named, ...byDefault, ...libraryFolders].map((folder) => join(folder, library))
  const cached = libraryInCache('/etc/ld.so.cache')
  return [...candidates.slice(0, named.length), cached, ...candidates.slice(named.length)].find(
    (path) => path !== undefined && existsSync(path),
  )
}

/** Finds the library in the loader's cache, which contains paths as NUL-terminated strings. */
function libraryInCache(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  const strings = readFileSync(path, 'latin1').split('\0')
  return strings.find((text) => text.startsWith('/') && text.endsWith(`/${library}`))
}

function installCommand(): string | undefined {
  const release = readKernelFile('/etc/os-release') ?? ''
  if (/^ID(_LIKE)?=.*(debian|ubuntu)/m.test(release)) {
    return `${sudo}apt-get install -y libibverbs1 ibverbs-providers`
  }
  if (/^ID(_LIKE)?=.*(fedora|rhel|centos)/m.test(release)) return `${sudo}dnf install -y libibverbs`
  if (/^ID(_LIKE)?=.*suse/m.test(release)) return `${sudo}zypper install -y libibverbs1`
  if (/^ID=.*alpine/m.test(release)) return `${sudo}apk add rdma-core-libs`
  return undefined
}
