import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Checks } from '../outcome.js'
import { succeed } from '../processes.js'
import { muslLoader, whyNoMusl } from './musl.js'

/** Every addon of the published package, and what a machine must have for it. */
const platforms = {
  'linux-x64-glibc': { machine: 'X86-64', loader: 'ld-linux-x86-64.so.2', libc: 'glibc' },
  'linux-arm64-glibc': { machine: 'AArch64', loader: 'ld-linux-aarch64.so.1', libc: 'glibc' },
  'linux-x64-musl': { machine: 'X86-64', loader: 'libc.so', libc: 'musl' },
} as const

type Platform = (typeof platforms)[keyof typeof platforms]

/** The oldest glibc, which is the floor of Node itself: RHEL 8, Ubuntu 20.04 and Debian 11 have it or a newer one. */
const oldestGlibc = [2, 28]
/** The libraries that glibc consists of, in every version. No other library may be needed, least of all a C++ library. */
const glibcLibraries = ['libc.so.6', 'libm.so.6', 'libpthread.so.0', 'libdl.so.2', 'librt.so.1']
/**
 * Functions of glibc that zig's stubs do not version, so that the file itself does not say since when glibc has them.
 * The second column says it, from the man page of each.
 */
const unversionedGlibc: Readonly<Record<string, readonly [number, number]>> = {
  memfd_create: [2, 27],
  getrandom: [2, 25],
}
/** Symbols of the runtime that loads the addon: Node, Bun or Deno. */
const runtimeSymbols = /^(napi|node_api)_/

/**
 * Checks what each addon of the published package needs, by its dynamic section and symbols. Nothing is run.
 *
 * @param root the folder of the package, or the checkout that made its addons
 */
export async function checkPrebuilds(checks: Checks, root: string): Promise<void> {
  await checks.that('prebuilds/ has an addon for each platform, and no other', () => {
    const folders = readdirSync(join(root, 'prebuilds'), { withFileTypes: true }).filter((file) => file.isDirectory())
    assert.deepEqual(folders.map(({ name }) => name).sort(), Object.keys(platforms).sort())
  })
  for (const [name, platform] of Object.entries(platforms)) {
    await check(checks, join(root, 'prebuilds', name, 'pinfold.node'), name, platform)
  }
  await checks.that('the check of versions sees a version above the floor, and no version', () => {
    const symbols = ['fstat@GLIBC_2.33', 'secure_getenv', 'open@GLIBC_2.2.5', 'napi_create_object', 'memfd_create']
    assert.deepEqual(refusedByGlibc(symbols), ['fstat@GLIBC_2.33', 'secure_getenv'])
  })
}

async function check(checks: Checks, file: string, name: string, { machine, loader, libc }: Platform): Promise<void> {
  await checks.that(
    `${name} is for its processor, stays loaded, and needs no library but those of ${libc}`,
    async () => {
      assert.match(await readelf('--file-header', file), new RegExp(`Machine: .*${machine}`))
      const dynamic = await readelf('--dynamic', file)
      assert.match(dynamic, /Flags: .*NODELETE/)
      const needed = [...dynamic.matchAll(/\(NEEDED\) .*\[(.*)\]/g)].map(([, library = '']) => library)
      const allowed: readonly string[] = libc === 'glibc' ? [...glibcLibraries, loader] : [loader]
      assert.ok(needed.length > 0, 'it needs no library at all')
      assert.deepEqual(
        needed.filter((library) => !allowed.includes(library)),
        [],
      )
      assert.doesNotMatch(dynamic, /\((RPATH|RUNPATH)\)/)
    },
  )
  await checks.that(`${name} contains no path of the checkout that compiled it`, () => {
    assert.ok(!readFileSync(file).includes(`${process.cwd()}/`), `${process.cwd()} is in it`)
  })
  if (libc === 'glibc') {
    await checks.that(`${name} needs no symbol that glibc ${oldestGlibc.join('.')} lacks`, async () => {
      assert.deepEqual(refusedByGlibc(await undefinedSymbols(file)), [])
    })
    return
  }
  const what = `${name} needs no symbol that musl lacks`
  const why = whyNoMusl()
  if (why !== undefined) return checks.skip(what, why)
  await checks.that(what, async () => {
    const defined = new Set(
      (await dynamicSymbols(muslLoader)).filter(({ isDefined }) => isDefined).map(({ name }) => name),
    )
    assert.ok(defined.has('malloc'), 'no symbol of musl was read')
    const missing = (await undefinedSymbols(file)).filter(
      (symbol) => !runtimeSymbols.test(symbol) && !defined.has(symbol),
    )
    assert.deepEqual(missing, [])
  })
}

/** The symbols that glibc of the oldest version lacks, or of which this is not known. */
function refusedByGlibc(symbols: readonly string[]): string[] {
  return symbols.filter((symbol) => {
    const [, name = symbol, major, minor] = symbol.match(/^(.*)@GLIBC_(\d+)\.(\d+)/) ?? []
    const since = major === undefined ? unversionedGlibc[name] : [Number(major), Number(minor)]
    return !runtimeSymbols.test(name) && (since === undefined || isNewer(since))
  })
}

function isNewer([major = 0, minor = 0]: readonly number[]): boolean {
  const [oldestMajor = 0, oldestMinor = 0] = oldestGlibc
  return major > oldestMajor || (major === oldestMajor && minor > oldestMinor)
}

interface DynamicSymbol {
  /** With its version, if it has one: `open@GLIBC_2.2.5`. */
  readonly name: string
  readonly isDefined: boolean
  readonly isWeak: boolean
}

async function dynamicSymbols(file: string): Promise<DynamicSymbol[]> {
  // Num: Value Size Type Bind Vis Ndx Name, and for an undefined symbol the number of its version in brackets
  const line = /^ +\d+: +[0-9a-f]+ +\S+ +\S+ +(\S+) +\S+ +(\S+) (\S+)/gm
  return [...(await readelf('--dyn-syms', file)).matchAll(line)].map(([, bind, index, name = '']) => ({
    name,
    isDefined: index !== 'UND',
    isWeak: bind === 'WEAK',
  }))
}

/** The symbols that another library or the runtime must define. A weak symbol may stay undefined. */
async function undefinedSymbols(file: string): Promise<string[]> {
  const symbols = (await dynamicSymbols(file)).filter(({ isDefined, isWeak }) => !isDefined && !isWeak)
  assert.ok(
    symbols.some(({ name }) => runtimeSymbols.test(name)),
    `no symbol of Node-API was read from ${file}`,
  )
  return symbols.map(({ name }) => name)
}

function readelf(option: string, file: string): Promise<string> {
  return succeed('readelf', ['--wide', option, file], { env: { LC_ALL: 'C' } })
}
