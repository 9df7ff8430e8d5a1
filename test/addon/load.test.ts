import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { libcName } from '../../src/addon/process-facts.js'
import {
  addon,
  type ImportOutcome,
  importOutcome,
  makePackage,
  prebuilt,
  runHint,
  scratchFolder,
} from '../support/addon-package.js'
import { asNobody, root } from '../support/child-process.js'
import { cutOff, forMachine, linkedWith, patched, sharedObject, strangeAddon } from '../support/machine-code.js'
import { needs, whyNotBuilt, whyNotNamespaces, whyNotNobody } from '../support/requirements.js'

// Files that are really missing, wrong or broken, and what the library says of them.

beforeEach((context) => needs(context, whyNotBuilt))

const index = 'dist/index.js'
const otherMachine = process.arch === 'arm64' ? { number: 62, arch: 'x64' } : { number: 183, arch: 'arm64' }

/** The outcome of importing a package whose file for this machine was made by `make`. */
function importWith(make: (path: string) => void): ImportOutcome & { readonly path: string; readonly folder: string } {
  const folder = makePackage(scratchFolder(), { [prebuilt]: '' })
  const path = join(folder, prebuilt)
  make(path)
  return { ...importOutcome(join(folder, index)), path, folder }
}

const whyNotGlibc = libcName() === 'glibc' ? undefined : 'needs a process that uses glibc'

const exportsOfLibrary = { exports: expect.any(Number), loaded: expect.any(String) }

test('a package with the file for this machine loads', () => {
  const folder = makePackage(scratchFolder(), { [prebuilt]: { copyOf: addon } })
  expect(importOutcome(join(folder, index))).toEqual({ ...exportsOfLibrary, loaded: join(folder, prebuilt) })
})

test('a package without any file is not whole: the hint installs it again', () => {
  const folder = makePackage(scratchFolder())
  const platform = prebuilt.split('/')[1]
  expect(importOutcome(join(folder, index))).toMatchObject({
    ...{ name: 'PinfoldError', code: 'ERR_ADDON_LOAD', hint: `rm -r ${folder} && npm install` },
    message: `pinfold's native part cannot be loaded: there is no file for ${platform}\n  ${join(folder, prebuilt)} does not exist`,
    values: { platform: 'linux', arch: process.arch, node: process.version, reason: 'missing' },
  })
})

test('a package with files for other machines alone says for which, and how to build one for this machine', () => {
  const folder = makePackage(scratchFolder(), { 'prebuilds/linux-riscv64-glibc/pinfold.node': '' })
  expect(importOutcome(join(folder, index))).toMatchObject({
    message: expect.stringContaining('only for linux-riscv64-glibc'),
    values: { reason: 'missing', expected: prebuilt.split('/')[1] },
    hint: expect.stringMatching(/^run 'npm run build' in a checkout .*PINFOLD_ADDON/),
  })
})

test('a checkout without a build says how to build it', () => {
  const folder = makePackage(scratchFolder(), { 'CMakeLists.txt': '' })
  expect(importOutcome(join(folder, index))).toMatchObject({
    message: expect.stringContaining(`${join(folder, 'build/Release/pinfold.node')} does not exist`),
    values: { reason: 'missing' },
    hint: 'npm run build',
  })
})

test('a broken build is passed over if there is a prebuilt file; otherwise the hint removes it', () => {
  const build = 'build/Release/pinfold.node'
  const folder = makePackage(scratchFolder(), { 'CMakeLists.txt': '', [build]: 'no machine code' })
  expect(importOutcome(join(folder, index))).toMatchObject({
    values: { reason: 'corrupt', path: join(folder, build) },
    hint: `rm -f ${join(folder, build)} && npm run build`,
  })
  makePackage(folder, { [prebuilt]: { copyOf: addon } })
  expect(importOutcome(join(folder, index))).toEqual({ ...exportsOfLibrary, loaded: join(folder, prebuilt) })
})

test('a file for another processor', () => {
  const outcome = importWith((path) => forMachine(path, otherMachine.number))
  expect(outcome).toMatchObject({
    code: 'ERR_ADDON_LOAD',
    message: expect.stringContaining(
      `${outcome.path} is for ${otherMachine.arch}, and this process is ${process.arch}`,
    ),
    values: { reason: 'architecture', path: outcome.path, found: otherMachine.arch, expected: process.arch },
    hint: `rm -r ${outcome.folder} && npm install`,
  })
})

test('a file for a processor without a name in Node', () => {
  expect(importWith((path) => forMachine(path, 4242))).toMatchObject({
    values: { reason: 'architecture', found: 'machine 4242' },
  })
})

test.each([
  ['empty', 0, 'it is no ELF file'],
  ['with a part of the header', 40, 'it has 40 bytes of 64'],
  ['with the header alone', 64, /it has 64 bytes of \d+/],
  // Without the library's own check, the dynamic loader ends the process by a SIGBUS.
  ['with the first page', 4096, /it has 4096 bytes of \d+/],
  ['with most of it', 300_000, /it has 300000 bytes of \d+/],
] as const)('a file that was cut off: %s', (_, length, words) => {
  const outcome = importWith((path) => cutOff(path, length))
  expect(outcome).toMatchObject({
    message: expect.stringMatching(words),
    values: { reason: 'corrupt' },
    hint: `rm -r ${outcome.folder} && npm install`,
  })
})

test('a file that lacks only its last byte', () => {
  const whole = importWith((path) => cutOff(path, Number.MAX_SAFE_INTEGER))
  expect(whole).toMatchObject(exportsOfLibrary)
  const size = Number(spawnSync('stat', ['--format=%s', addon], { encoding: 'utf8' }).stdout)
  expect(importWith((path) => cutOff(path, size - 1))).toMatchObject({
    values: { reason: 'corrupt', found: `${size - 1} bytes`, expected: `${size} bytes` },
  })
})

test('a text in place of the file', () => {
  expect(importWith((path) => writeFileSync(path, 'version https://git-lfs.github.com/spec/v1\n'))).toMatchObject({
    message: expect.stringContaining('is corrupt: it is no ELF file'),
    values: { reason: 'corrupt' },
  })
})

test('a folder, a pipe and a link to nothing in place of the file', () => {
  const replacedBy = (make: (path: string) => void) =>
    importWith((path) => {
      rmSync(path)
      make(path)
    })
  expect(replacedBy((path) => mkdirSync(path))).toMatchObject({ values: { reason: 'corrupt' } })
  expect(replacedBy((path) => spawnSync('mkfifo', [path]))).toMatchObject({ values: { reason: 'corrupt' } })
  expect(replacedBy((path) => symlinkSync('nowhere', path))).toMatchObject({ values: { reason: 'missing' } })
})

test('a program in place of a shared object', () => {
  // The type of the file stands at byte 16: 2 is a program.
  expect(importWith((path) => patched(path, 16, [2, 0]))).toMatchObject({
    message: expect.stringContaining('is no shared object'),
    values: { reason: 'corrupt' },
  })
})

test('a shared object that is no addon', () => {
  expect(importWith((path) => sharedObject(path, 'int nothing(void) { return 0; }'))).toMatchObject({
    message: expect.stringContaining('is a shared object, and no addon of Node.js'),
    values: { reason: 'no-addon' },
  })
})

test('the addon of another package, and that of another version of pinfold', () => {
  expect(importWith((path) => strangeAddon(path))).toMatchObject({
    message: expect.stringMatching(/is an addon, and not that of pinfold \d/),
    values: { reason: 'other-addon' },
  })
  expect(importWith((path) => strangeAddon(path, '99.0.0'))).toMatchObject({
    message: expect.stringMatching(/is for pinfold 99\.0\.0, and this is pinfold \d/),
    values: { reason: 'version', found: 'pinfold 99.0.0' },
  })
})

test.for(['libc.musl-x86_64.so.1', 'libc.so'])('a file for musl on glibc, which needs %s', (soname, context) => {
  needs(context, whyNotGlibc)
  expect(importWith((path) => linkedWith(path, { soname }))).toMatchObject({
    message: expect.stringContaining('is for musl, and this process uses glibc'),
    values: { reason: 'libc', found: 'musl', expected: 'glibc' },
    cause: expect.stringContaining(soname),
  })
})

test('a file for a newer glibc: the hint builds one here, since an installation would bring the same file', (context) => {
  needs(context, whyNotGlibc)
  const outcome = importWith((path) => linkedWith(path, { soname: 'libc.so.6', version: 'GLIBC_2.99' }))
  const { stdout } = spawnSync('getconf', ['GNU_LIBC_VERSION'], { encoding: 'utf8' })
  expect(outcome).toMatchObject({
    message: expect.stringContaining(`needs GLIBC_2.99, and ${stdout.trim()} is older`),
    values: { reason: 'libc-version', found: stdout.trim(), expected: 'GLIBC_2.99' },
    hint: expect.stringMatching(/npm run build.*PINFOLD_ADDON/),
  })
})

test('a file for a newer libstdc++', () => {
  expect(importWith((path) => linkedWith(path, { soname: 'libstdc++.so.6', version: 'GLIBCXX_3.4.99' }))).toMatchObject(
    {
      message: expect.stringContaining("needs GLIBCXX_3.4.99, and this machine's libstdc++ is older"),
      values: { reason: 'libc-version', expected: 'GLIBCXX_3.4.99' },
    },
  )
})

test('a file that needs a library which is not there', () => {
  expect(importWith((path) => linkedWith(path, { soname: 'libpinfold-nowhere.so.7' }))).toMatchObject({
    message: expect.stringContaining('needs libpinfold-nowhere.so.7, which this machine does not have'),
    values: { reason: 'library', expected: 'libpinfold-nowhere.so.7' },
    hint: 'install the package that contains libpinfold-nowhere.so.7',
  })
})

test('a file for a newer Node-API, and one with an unknown symbol', () => {
  const calls = (name: string) => (path: string) =>
    sharedObject(
      path,
      `int ${name}(void); void* napi_register_module_v1(void* env, void* exports) { ${name}(); return exports; }`,
      ['-Wl,-z,now'],
    )
  expect(importWith(calls('napi_future'))).toMatchObject({
    values: { reason: 'runtime', expected: 'napi_future' },
    hint: 'install Node.js 20.19 or later',
  })
  expect(importWith(calls('unheard_of'))).toMatchObject({
    message: expect.stringContaining('cannot be loaded: undefined symbol: unheard_of'),
    values: { reason: 'loader' },
  })
})

test('a file that this user may not read: after the hint it loads', (context) => {
  needs(context, whyNotNobody())
  const folder = makePackage(scratchFolder(), { [prebuilt]: { copyOf: addon } })
  const path = join(folder, prebuilt)
  chmodSync(path, 0o700)
  const command = [...asNobody, process.execPath]
  const outcome = importOutcome(join(folder, index), { command })
  expect(outcome).toMatchObject({
    message: expect.stringContaining(`${path} cannot be read: EACCES`),
    values: { reason: 'unreadable' },
    hint: `chmod a+r ${path}`,
  })
  runHint('hint' in outcome ? outcome.hint : undefined, '/')
  expect(importOutcome(join(folder, index), { command })).toMatchObject(exportsOfLibrary)
})

test('a file system that is mounted with noexec', (context) => {
  needs(context, whyNotNamespaces('--mount'))
  const folder = makePackage(scratchFolder(), { [prebuilt]: '' })
  const mount = join(folder, dirnameOf(prebuilt))
  const script = 'mount -t tmpfs -o noexec tmpfs "$1" && cp "$2" "$1" && shift 2 && exec "$@"'
  const command = ['unshare', '--mount', 'sh', '-c', script, 'sh', mount, addon, process.execPath]
  expect(importOutcome(join(folder, index), { command })).toMatchObject({
    message: expect.stringContaining('lies on a file system that is mounted with noexec'),
    values: { reason: 'no-exec' },
    hint: expect.stringContaining('PINFOLD_ADDON'),
  })
  expect(existsSync(join(mount, 'pinfold.node'))).toBe(true) // The mount is gone with its namespace.
})

function dirnameOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

const deno = `${root}.ci/nodes/node_modules/deno-${process.arch}/deno`
test('Deno without permissions', (context) => {
  needs(context, existsSync(deno) ? undefined : 'no Deno in .ci/nodes: bash .ci/setup platforms')
  const folder = makePackage(scratchFolder(), { [prebuilt]: { copyOf: addon } })
  const main = join(folder, 'main.js')
  writeFileSync(
    main,
    "await import('./dist/index.js').catch(({ code, hint, values }) => console.log(JSON.stringify({ code, hint, values })))\n",
  )
  const { stdout } = spawnSync(deno, ['run', '--allow-read', '--allow-env', '--allow-sys', '--no-remote', main], {
    encoding: 'utf8',
    env: { ...process.env, DENO_DIR: join(folder, 'cache'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' },
  })
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ code: 'ERR_ADDON_LOAD', hint: 'deno run --allow-all' },
    values: { reason: 'disabled' },
  })
})
