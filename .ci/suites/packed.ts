import assert from 'node:assert/strict'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { platformName } from '../../src/addon/places.js'
import { libcName } from '../../src/addon/process-facts.js'
import { Checks, type Outcome } from '../outcome.js'
import { succeed } from '../processes.js'
import { checkContents } from './contents.js'
import { bunOnMusl, whyNoMusl } from './musl.js'
import { checkPrebuilds } from './prebuilds.js'
import { type Runtime, runtimeOf } from './runtimes.js'
import { checkSbom } from './sbom.js'
import { Tarball } from './tarball.js'
import type { Node } from './vitest.js'

/**
 * Checks the tarball as a user's package manager sees it: its contents, and its use in an otherwise empty folder. It
 * contains the addon that this checkout has built.
 */
export async function packed(node: Node): Promise<Outcome> {
  const tarball = new Tarball('here')
  try {
    return await withPackage(tarball, async (checks, folder) => {
      await checkUse(checks, folder, runtimeOf(node))
      await checkCommand(checks, folder, runtimeOf(node))
      await checkBundles(checks, folder)
      await checkCharts(checks, folder)
      await checkExamples(checks, folder, node)
      await checkTypes(checks, folder)
    })
  } finally {
    tarball.remove()
  }
}

/** Checks the addons of the tarball, and its use on other Node versions, on other runtimes, and with musl. */
export function packedOn(tarball: Tarball, nodes: readonly Node[], others: readonly Runtime[]): Promise<Outcome> {
  return withPackage(tarball, async (checks, folder) => {
    await checkSbom(checks, join(folder, 'node_modules/pinfold/sbom.cdx.json'))
    const isPublished = tarball.addons === 'published'
    if (isPublished) await checkPrebuilds(checks, join(folder, 'node_modules/pinfold'))
    else
      checks.skip('it has the addons that are published', `zig is installed on x64 only, and this is ${process.arch}`)
    for (const runtime of [...nodes.map(runtimeOf), ...others]) await checkUse(checks, folder, runtime)
    for (const node of nodes) {
      await checkCommand(checks, folder, runtimeOf(node))
      await checkExamples(checks, folder, node)
    }
    if (isPublished) await checkOnMusl(checks, folder)
  })
}

/** Checks the contents of the tarball, installs it into an empty folder, and runs the checks there. */
async function withPackage(
  tarball: Tarball,
  body: (checks: Checks, folder: string) => Promise<void>,
): Promise<Outcome> {
  const checks = new Checks('packed')
  const folder = mkdtempSync(join(tmpdir(), 'pinfold-packed-'))
  try {
    let path = ''
    await checks.that('npm pack makes a tarball with prebuilt addons', async () => {
      path = await tarball.path()
    })
    if (path !== '') {
      await unpack(checks, folder, path)
      await install(checks, folder, path)
      await body(checks, folder)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return checks.outcome()
}

/** Checks the contents of the tarball. */
async function unpack(checks: Checks, folder: string, tarball: string): Promise<void> {
  const unpacked = join(folder, 'unpacked')
  mkdirSync(unpacked)
  await succeed('tar', ['-xf', tarball, '-C', unpacked])
  await checkContents(checks, join(unpacked, 'package'))
  rmSync(unpacked, { recursive: true })
}

async function install(checks: Checks, folder: string, tarball: string): Promise<void> {
  writeFileSync(join(folder, 'package.json'), '{ "name": "user", "private": true, "type": "module" }\n')
  await checks.that('it installs into an empty folder, without install scripts', async () => {
    const quiet = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
    await succeed('npm', ['install', ...quiet, tarball], { cwd: folder })
  })
}

/**
 * Whether the installed package loads its addon from prebuilds/ on this runtime, makes a region, translates it, shares it
 * with a thread and registers it, and lets the process end well.
 */
async function checkUse(checks: Checks, folder: string, runtime: Runtime): Promise<void> {
  const { label, path, args, libc } = runtime
  for (const file of ['installed.mjs', 'installed-worker.mjs']) {
    copyFileSync(`test/support/programs/${file}`, join(folder, file))
  }
  await checks.that(`on ${label} it makes, translates, shares and registers a region, and ends well`, async () => {
    const env = { DENO_DIR: join(folder, 'deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1', ...runtime.env }
    const output = await succeed(path, [...args, 'installed.mjs'], { cwd: folder, env })
    const said: { program: string; libc: string; loaded?: string; isTranslated: boolean } = JSON.parse(output)
    assert.ok(label.startsWith(said.program), `${said.program} ran in place of ${label}`)
    assert.equal(said.libc, libc ?? libcName())
    const addon = `node_modules/pinfold/prebuilds/${platformName(libc)}/pinfold.node`
    assert.ok(said.loaded?.endsWith(`/${addon}`), `${said.loaded} was loaded, and not ${addon}`)
    assert.equal(
      said.isTranslated,
      maySeeAddresses(),
      'physical addresses are seen with CAP_SYS_ADMIN, and only with it',
    )
  })
}

/** Whether this process has CAP_SYS_ADMIN, bit 21 of capabilities(7). */
function maySeeAddresses(): boolean {
  const effective = readFileSync('/proc/self/status', 'utf8').match(/^CapEff:\s*([0-9a-f]+)$/m)?.[1]
  return (BigInt(`0x${effective}`) & (1n << 21n)) !== 0n
}

async function checkCommand(checks: Checks, folder: string, { label, path, args, env = {} }: Runtime): Promise<void> {
  const command = join(folder, 'node_modules/.bin/pinfold')
  await checks.that(`its command runs on ${label}`, async () => {
    for (const words of ['hugepages show', 'devices']) {
      JSON.parse(await succeed(path, [...args, command, ...words.split(' '), '--json'], { cwd: folder, env }))
    }
  })
}

/** The addon for musl, on the one runtime for musl that can be installed here. */
async function checkOnMusl(checks: Checks, folder: string): Promise<void> {
  const why = whyNoMusl()
  if (why !== undefined) return checks.skip('it runs on Bun with musl', why)
  let bun: Runtime | undefined
  await checks.that('Bun for musl gets a C++ library', async () => {
    bun = await bunOnMusl(folder)
  })
  if (bun === undefined) return
  await checkUse(checks, folder, bun)
  await checkCommand(checks, folder, bun)
}

/** Whether a bundle of a program runs: in its project, and in another folder with the addon beside it. */
async function checkBundles(checks: Checks, folder: string): Promise<void> {
  for (const format of ['esm', 'cjs']) {
    await checks.that(`a bundle by esbuild as ${format} runs, also elsewhere with the addon beside it`, async () => {
      const program = [
        "import { openRegistrySync } from 'pinfold'",
        'const memory = openRegistrySync()',
        "memory.allocateSync('rx', { size: '1MiB', pages: 'base' }).bytes.fill(7)",
        'memory.close()',
        "console.log('closed')",
      ]
      writeFileSync(join(folder, 'program.js'), program.join('\n'))
      const bundle = join(folder, `out/program.${format === 'esm' ? 'mjs' : 'cjs'}`)
      const options = ['--bundle', '--platform=node', `--format=${format}`, `--outfile=${bundle}`]
      await succeed(resolve('node_modules/.bin/esbuild'), ['program.js', ...options], { cwd: folder })
      assert.equal(await succeed(process.execPath, [bundle]), 'closed\n')

      const prebuilds = join(folder, 'node_modules/pinfold/prebuilds')
      const platform = readdirSync(prebuilds).find((name) => name === platformName()) ?? ''
      const elsewhere = mkdtempSync(join(tmpdir(), 'pinfold-bundle-'))
      try {
        const moved = join(elsewhere, basename(bundle))
        copyFileSync(bundle, moved)
        copyFileSync(join(prebuilds, platform, 'pinfold.node'), join(elsewhere, 'pinfold.node'))
        assert.equal(await succeed(process.execPath, [moved]), 'closed\n')
      } finally {
        rmSync(elsewhere, { recursive: true, force: true })
      }
    })
  }
}

async function checkCharts(checks: Checks, folder: string): Promise<void> {
  await checks.that('its benchmarks draw charts', async () => {
    const command = join(folder, 'node_modules/.bin/pinfold')
    const args = ['bench', 'copy', '--quick', '--pages', 'base', '--html', 'report.html']
    await succeed(command, args, { cwd: folder })
    assert.match(readFileSync(join(folder, 'report.html'), 'utf8'), /<svg /)
  })
}

/** The examples of the package, copied and compiled as examples/README.md says. */
async function checkExamples(checks: Checks, folder: string, { label, path }: Node): Promise<void> {
  await checks.that(`its examples run on Node ${label}, once they are copied`, async () => {
    cpSync(join(folder, 'node_modules/pinfold/examples'), join(folder, 'examples'), { recursive: true })
    for (const [name, args, said] of [
      ['forwarder', ['1600'], /^sent: 1,400$/m],
      ['key-value-store', [], /^client: 100 pairs got, /m],
      ['testing', [], /^(#|ℹ) pass 5$/m],
    ] as const) {
      const source = `examples/${name}/${name}.mts`
      const options = ['--bundle', '--packages=external', '--platform=node', '--format=esm', '--target=node20']
      const compiled = [...options, `--outfile=${name}.mjs`, '--log-level=warning', source]
      await succeed(resolve('node_modules/.bin/esbuild'), compiled, { cwd: folder })
      assert.match(await succeed(path, [`${name}.mjs`, ...args], { cwd: folder }), said)
      // Node 24 and later run the source itself.
      if (Number.parseInt(label, 10) >= 24) assert.match(await succeed(path, [source, ...args], { cwd: folder }), said)
    }
  })
}

async function checkTypes(checks: Checks, folder: string): Promise<void> {
  await checks.that('its types compile in a strict program, library check included', async () => {
    writeFileSync(
      join(folder, 'user.ts'),
      [
        "import * as pinfold from 'pinfold'",
        "import { connectedPair } from 'pinfold/testing'",
        'export const names = Object.keys(pinfold)',
        'export const device: pinfold.Device = connectedPair().device',
      ].join('\n'),
    )
    const settings = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,esnext.disposable']
    const types = ['--module', 'nodenext', '--types', 'node', '--typeRoots', resolve('node_modules/@types')]
    await succeed(resolve('node_modules/.bin/tsc'), [...settings, ...types, 'user.ts'], { cwd: folder })
  })
}
