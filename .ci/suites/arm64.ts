import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Checks, type Outcome } from '../outcome.js'
import { run, succeed } from '../processes.js'
import { readTap } from './native.js'
import type { Tarball } from './tarball.js'

/** An emulated machine. */
interface Machine {
  readonly label: string
  /** The arguments of `pinfold lab run`. */
  readonly options: readonly string[]
  readonly basePageSize: number
  readonly nodes: number
}

const usual: Machine = {
  label: "Debian's kernel",
  options: ['--numa', '2', '--iommu', '--edu'],
  basePageSize: 4096,
  nodes: 2,
}
const largePages: Machine = {
  label: 'the kernel with base pages of 16 KiB',
  options: ['--kernel', '6.12-arm64-16k'],
  basePageSize: 16_384,
  nodes: 1,
}

/** The operations of each thread in the test of rings, buffer pools and packets. */
const operations = 10_000
/** Minutes that one machine may take. An idle machine needs two of them. */
const limit = 15

/**
 * Uses the tarball on arm64, in emulated machines: as a program does, by the demo and the doctor, and by threads that
 * contend. The core's own tests run there, too.
 *
 * @param tarball with the addons that are published
 */
export async function arm64(tarball: Tarball): Promise<Outcome> {
  const checks = new Checks('arm64')
  const why = whyNoMachine()
  if (why !== undefined) {
    checks.skip('the package runs on arm64', why)
    return checks.outcome()
  }
  const folder = mkdtempSync(join(tmpdir(), 'pinfold-arm64-'))
  try {
    await checks.that('the package installs, with an addon for arm64', async () =>
      install(folder, await tarball.path()),
    )
    if (!existsSync(addonIn(folder))) return checks.outcome()
    // The core's own tests run where most can differ. They compile while the other machine runs.
    await Promise.all([
      checkMachine(checks, folder, usual, []),
      checks.that("the core's own tests compile for arm64", compileTests).then(() =>
        checkMachine(
          checks,
          folder,
          largePages,
          coreTests.filter((name) => existsSync(pathOf(name))),
        ),
      ),
    ])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return checks.outcome()
}

/** The reason why no emulated arm64 machine can be started here. */
function whyNoMachine(): string | undefined {
  const isDebian = /^ID=debian$/m.test(existsSync(osRelease) ? readFileSync(osRelease, 'utf8') : '')
  return process.arch === 'x64' && isDebian ? undefined : 'the lab starts arm64 machines on Debian and x64 only'
}
const osRelease = '/etc/os-release'

function addonIn(folder: string): string {
  return join(folder, 'node_modules/pinfold/prebuilds/linux-arm64-glibc/pinfold.node')
}

async function install(folder: string, tarball: string): Promise<void> {
  writeFileSync(join(folder, 'package.json'), '{ "name": "user", "private": true, "type": "module" }\n')
  await succeed('npm', ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', tarball], {
    cwd: folder,
  })
  for (const file of ['installed.mjs', 'installed-worker.mjs']) {
    copyFileSync(`test/support/programs/${file}`, join(folder, file))
  }
  assert.ok(existsSync(addonIn(folder)), 'prebuilds/linux-arm64-glibc/pinfold.node is not in it')
}

const compiled = 'build/zig/arm64-tests'
/**
 * The core's own tests of memory and translation. Those of verbs do not depend on the pages of the machine, and
 * region_table_test needs parts of C++20 that zig's library lacks.
 */
const coreTests = [
  ...['address_range', 'mapping', 'mapping_failure', 'mapping_retire', 'mapping_room', 'page_scan', 'page_size'],
  ...['page_words', 'pagemap', 'placement', 'populate', 'shadow'],
].map((name) => `${name}_test`)

function pathOf(test: string): string {
  return resolve(compiled, 'test', test)
}

/** Compiles the core and native/test by zig, with which .ci/prebuilds has compiled the addon. */
async function compileTests(): Promise<void> {
  const cache = resolve('build/zig/cache')
  const compiling = { env: { ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache }, minutes: 15 }
  const target = ['--toolchain', '.ci/zig/toolchain.cmake', '-DPINFOLD_TARGET=aarch64-linux-gnu.2.28']
  const options = ['-DCMAKE_UNITY_BUILD=ON', '-DPINFOLD_TESTS=ON'] // without a build type, quickly
  mkdirSync(compiled, { recursive: true })
  await succeed('cmake', ['-S', '.', '-B', compiled, '-G', 'Unix Makefiles', ...target, ...options], compiling)
  const building = ['--build', compiled, '--parallel', String(availableParallelism()), '--target', ...coreTests]
  await succeed('cmake', building, compiling)
}

/** Runs everything in one machine, since each start takes a third of a minute. Then it checks what each program said. */
async function checkMachine(checks: Checks, folder: string, machine: Machine, tests: readonly string[]): Promise<void> {
  const { label, options, basePageSize, nodes } = machine
  const out = join(folder, `out-${basePageSize}`)
  mkdirSync(out)
  const pinfold = 'node_modules/.bin/pinfold'
  // These use the library in dist/, with the addon of the package.
  const checkout = (name: string): string =>
    `PINFOLD_ADDON=${quoted(addonIn(folder))} node ${quoted(resolve('test/support/programs', name))}`
  const programs = {
    installed: 'node installed.mjs',
    demo: `node ${pinfold} demo --json`,
    doctor: `node ${pinfold} doctor --json`,
    contended: `${checkout('contended.mjs')} ${operations}`,
    'base-pages': checkout('base-pages.mjs'),
  }
  const testsByName = Object.fromEntries(tests.map((name) => [name, quoted(pathOf(name))]))
  const script = [
    // The number in /proc/sys/vm would be of pages of 32 MiB where base pages have 16 KiB.
    'echo 64 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages',
    'uname -m > $LAB_OUT/machine.out',
    'ls -d /sys/devices/system/node/node* | wc -l >> $LAB_OUT/machine.out',
    'ls /sys/kernel/iommu_groups | wc -l >> $LAB_OUT/machine.out',
    'cat /sys/bus/pci/devices/*/vendor | grep -c 0x1234 >> $LAB_OUT/machine.out',
    ...runAll(programs),
    // The core's tests use hugepages of the default size, if they are there.
    'large=/sys/kernel/mm/hugepages/hugepages-32768kB/nr_hugepages; [ ! -e $large ] || echo 8 > $large',
    ...runAll(testsByName),
  ].join('\n')
  const lab = [resolve('dist/cli/main.js'), 'lab', 'run', '--arch', 'arm64', ...options]
  const words = [...lab, '--out', out, '--time-limit', String(limit * 60), '--json', '--', 'bash', '-c', script]
  const ended = await run('node', words, { cwd: folder, minutes: limit + 5 })
  const read = (name: string, ending: string): string => {
    const file = join(out, `${name}.${ending}`)
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }
  const status = (name: string): number => Number(read(name, 'status') || '-1')
  const on = `on arm64, with ${label}, `

  await checks.that(`${on}a machine starts and runs everything to its end`, () => {
    assert.equal(ended.status, 0, ended.output)
    const [processor, nodeCount, groups, devices] = read('machine', 'out').trim().split('\n')
    assert.deepEqual([processor, nodeCount], ['aarch64', String(nodes)])
    const has = [Number(groups) > 0, Number(devices) > 0]
    assert.deepEqual(has, [options.includes('--iommu'), options.includes('--edu')], 'an IOMMU, and the edu device')
  })
  const answer = <T>(name: string): T => {
    assert.equal(status(name), 0, `${name} ended with status ${status(name)}: ${read(name, 'err')}${read(name, 'out')}`)
    return JSON.parse(read(name, 'out'))
  }
  await checks.that(`${on}a program makes, translates, shares and registers a region, and ends well`, () => {
    const { loaded, isTranslated, pages } = answer<{ loaded: string; isTranslated: boolean; pages: number }>(
      'installed',
    )
    assert.deepEqual({ loaded, isTranslated, pages }, { loaded: addonIn(folder), isTranslated: true, pages: 2 ** 21 })
  })
  await checks.that(`${on}the demo shows hugepages, verified physical addresses and RDMA by rxe0`, () => {
    const demo = answer<Demo>('demo')
    assert.equal(demo.machine.arch, 'aarch64')
    assert.equal(demo.machine.virtual, 'QEMU')
    assert.equal(demo.machine.basePageSize, basePageSize)
    assert.equal(demo.region.pageSize, 2 ** 21)
    assert.deepEqual(demo.physical.states, { present: 32, swapped: 0, hidden: 0, absent: 0 })
    assert.deepEqual([demo.device.name, demo.device.kind, demo.device.write.differences], ['rxe0', 'verbs', 0])
    assert.equal(demo.left.nothing, true)
  })
  await checks.that(`${on}the doctor finds nothing that fails, and answers each purpose`, () => {
    const { counts, purposes } = answer<Doctor>('doctor')
    assert.deepEqual([counts.fail, counts.unknown], [0, 0])
    const yes = purposes.filter(({ answer }) => answer === 'yes').map(({ purpose }) => purpose)
    assert.deepEqual(yes, ['hugepages', 'physical-addresses', 'rdma', 'numa'])
  })
  await checks.that(`${on}threads contend for a ring, a buffer pool and a packet, and nothing is lost`, () => {
    const counts = Object.values(answer<Record<string, number>>('contended'))
    assert.equal(counts.length, 3)
    for (const count of counts) assert.ok(count >= operations, `${counts}`)
  })
  await checks.that(
    `${on}sizes and addresses follow the base pages, and the loopback refuses what rxe0 refuses`,
    () => {
      const { cases, refused, basePageSize: size } = answer<BasePages>('base-pages')
      assert.deepEqual({ size, refused }, { size: basePageSize, refused: ['loopback0', 'rxe0'] })
      assert.ok(cases > 30, `${cases}`)
    },
  )
  for (const name of Object.keys(testsByName)) {
    const { passed, failed, skipped } = readTap(name, read(name, 'out'), status(name))
    for (let index = 0; index < passed; index++) checks.add(`${on}${name}`, '')
    for (const { name: test, detail } of failed) checks.add(`${on}${test}`, `${detail}\n${read(name, 'err')}`)
    for (const { name: test, reason } of skipped) checks.skip(`${on}${test}`, reason)
  }
}

/** The lines of a script that run commands, and keep what each says, and its status. */
function runAll(commands: Readonly<Record<string, string>>): string[] {
  return Object.entries(commands).flatMap(([name, command]) => [
    `echo "$(cut -d ' ' -f 1 /proc/uptime) ${name}" >&2`,
    `${command} > $LAB_OUT/${name}.out 2> $LAB_OUT/${name}.err < /dev/null; echo $? > $LAB_OUT/${name}.status`,
  ])
}

interface Demo {
  readonly machine: { readonly arch: string; readonly virtual: string; readonly basePageSize: number }
  readonly region: { readonly pageSize: number }
  readonly physical: { readonly states: Readonly<Record<string, number>> }
  readonly device: { readonly name: string; readonly kind: string; readonly write: { readonly differences: number } }
  readonly left: { readonly nothing: boolean }
}

interface BasePages {
  readonly basePageSize: number
  readonly cases: number
  readonly refused: readonly string[]
}

interface Doctor {
  readonly counts: { readonly fail: number; readonly unknown: number }
  readonly purposes: readonly { readonly purpose: string; readonly answer: string }[]
}

/** Quotes a word for a shell. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
