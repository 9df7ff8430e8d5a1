import assert from 'node:assert/strict'
import { copyFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { platformName } from '../../src/addon/places.js'
import { Checks, type Outcome } from '../outcome.js'
import { run } from '../processes.js'
import type { Node } from './vitest.js'

/** Checks the tarball as a user's package manager sees it: its contents, and its use in an otherwise empty folder. */
export function packed(node: Node): Promise<Outcome> {
  return withTarball(async (checks, folder, tarball) => {
    await checkContents(checks, tarball)
    await install(checks, folder, tarball)
    await checkUse(checks, folder, node)
    await checkBundles(checks, folder)
    await checkCharts(checks, folder, tarball)
    await checkExamples(checks, folder, node)
    await checkTypes(checks, folder)
  })
}

/** Checks the use of the tarball on other Node versions. */
export function packedOn(nodes: readonly Node[]): Promise<Outcome> {
  return withTarball(async (checks, folder, tarball) => {
    await install(checks, folder, tarball)
    for (const node of nodes) {
      await checkUse(checks, folder, node)
      await checkExamples(checks, folder, node)
    }
  })
}

/** Makes the tarball in an empty folder, and runs the checks there. */
async function withTarball(body: (checks: Checks, folder: string, tarball: string) => Promise<void>): Promise<Outcome> {
  const checks = new Checks('packed')
  const folder = mkdtempSync(join(tmpdir(), 'pinfold-packed-'))
  try {
    let tarball = ''
    await checks.that('npm pack makes a tarball with a prebuilt addon', async () => {
      await succeed('bash', ['.ci/prebuilds'])
      tarball = await pack(folder)
    })
    if (tarball !== '') await body(checks, folder, tarball)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return checks.outcome()
}

async function checkContents(checks: Checks, tarball: string): Promise<void> {
  await checks.that('it holds what a user needs, and nothing else', async () => {
    const files = (await succeed('tar', ['-tf', tarball])).trim().split('\n')
    for (const needed of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'dist/index.js', 'dist/index.d.ts']) {
      assert.ok(files.includes(`package/${needed}`), `${needed} is missing`)
    }
    assert.ok(files.includes('package/dist/cli/main.js'), 'dist/cli/main.js, the command, is missing')
    assert.ok(
      files.some((file) => /^package\/prebuilds\/linux-[^/]+\/pinfold\.node$/.test(file)),
      'no prebuilt addon',
    )
    const strangers = files.filter((file) => !/^package\/(dist|docs|examples|prebuilds)\/|^package\/[^/]+$/.test(file))
    assert.deepEqual(strangers, [], 'files that are not for users are packed')
  })
  await checks.that(
    'its library is one file, whose zod comes with its licence: importing it loads no package',
    async () => {
      const [library, licence] = await Promise.all([
        succeed('tar', ['-xOf', tarball, 'package/dist/index.js']),
        succeed('tar', ['-xOf', tarball, 'package/dist/LICENSE.zod']),
      ])
      const imported = [...library.matchAll(/^(?:import|export)\b[^'"]*?\bfrom ['"]([^'"]+)['"]/gm)].map(
        ([, name]) => name,
      )
      assert.ok(imported.length > 0, 'no import was found in it')
      assert.deepEqual(
        imported.filter((name) => !name?.startsWith('node:')),
        [],
      )
      assert.match(licence, /MIT License/)
      // One `import { z } from 'zod'` in src/ would bring all languages, since a bundler cannot see into that object.
      assert.deepEqual(library.match(/zod\/v4\/locales\/(?!en\.js)\S+/g) ?? [], [], "zod's languages are in it")
    },
  )
  await checks.that('it has no install script', () => {
    const { scripts = {} }: { scripts?: object } = JSON.parse(readFileSync('package.json', 'utf8'))
    const hooks = Object.keys(scripts).filter((name) => /^(pre|post)?(install|prepare)$/.test(name))
    assert.deepEqual(hooks, [])
  })
}

async function install(checks: Checks, folder: string, tarball: string): Promise<void> {
  writeFileSync(join(folder, 'package.json'), '{ "name": "user", "private": true, "type": "module" }\n')
  await checks.that('it installs into an empty folder, without install scripts', async () => {
    const quiet = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
    await succeed('npm', ['install', ...quiet, tarball], folder)
  })
}

/** Whether the installed package loads its addon, and its command runs, on this Node. */
async function checkUse(checks: Checks, folder: string, { label, path }: Node): Promise<void> {
  const command = join(folder, 'node_modules/.bin/pinfold')
  await checks.that(`it imports on Node ${label}, and its addon loads from prebuilds/`, async () => {
    const program = [
      "import 'pinfold'",
      "const loaded = process.report.getReport().sharedObjects.filter((path) => path.endsWith('pinfold.node'))",
      'console.log(loaded.join())',
    ].join('\n')
    const output = await succeed(path, ['--input-type=module', '--eval', program], folder)
    assert.match(output, /node_modules\/pinfold\/prebuilds\/linux-[^/]+\/pinfold\.node/)
  })
  await checks.that(`its command runs on Node ${label}`, async () => {
    for (const words of ['hugepages show', 'devices']) {
      JSON.parse(await succeed(path, [command, ...words.split(' '), '--json'], folder))
    }
  })
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
      await succeed(resolve('node_modules/.bin/esbuild'), ['program.js', ...options], folder)
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

async function checkCharts(checks: Checks, folder: string, tarball: string): Promise<void> {
  await checks.that('its benchmarks draw charts, by a library that comes with its licences', async () => {
    const command = join(folder, 'node_modules/.bin/pinfold')
    await succeed(command, ['bench', 'copy', '--quick', '--pages', 'base', '--html', 'report.html'], folder)
    assert.match(readFileSync(join(folder, 'report.html'), 'utf8'), /<svg /)
    const licences = await succeed('tar', ['-xOf', tarball, 'package/dist/cli/bench/LICENSE.echarts'])
    for (const words of [/Apache License/, /Apache ECharts\nCopyright/, /Baidu Inc/]) assert.match(licences, words)
  })
}

/** The examples of the package, copied and compiled as examples/README.md says. */
async function checkExamples(checks: Checks, folder: string, { label, path }: Node): Promise<void> {
  await checks.that(`its examples run on Node ${label}, once they are copied`, async () => {
    cpSync(join(folder, 'node_modules/pinfold/examples'), join(folder, 'examples'), { recursive: true })
    for (const [name, args, said] of [
      ['forwarder', ['1600'], /^sent: 1,400$/m],
      ['key-value-store', [], /^client: 100 pairs got, /m],
    ] as const) {
      const source = `examples/${name}/${name}.mts`
      const options = ['--bundle', '--packages=external', '--platform=node', '--format=esm', '--target=node20']
      const compiled = [...options, `--outfile=${name}.mjs`, '--log-level=warning', source]
      await succeed(resolve('node_modules/.bin/esbuild'), compiled, folder)
      assert.match(await succeed(path, [`${name}.mjs`, ...args], folder), said)
      // Node 24 and later run the source itself.
      if (Number.parseInt(label, 10) >= 24) assert.match(await succeed(path, [source, ...args], folder), said)
    }
  })
}

async function checkTypes(checks: Checks, folder: string): Promise<void> {
  await checks.that('its types compile in a strict program, library check included', async () => {
    writeFileSync(
      join(folder, 'user.ts'),
      "import * as pinfold from 'pinfold'\nexport const names = Object.keys(pinfold)\n",
    )
    const settings = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2023,esnext.disposable']
    const types = ['--module', 'nodenext', '--types', 'node', '--typeRoots', resolve('node_modules/@types')]
    await succeed(resolve('node_modules/.bin/tsc'), [...settings, ...types, 'user.ts'], folder)
  })
}

async function pack(destination: string): Promise<string> {
  const output = await succeed('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', destination])
  return join(destination, output.trim().split('\n').at(-1) ?? '')
}

async function succeed(command: string, args: readonly string[], cwd?: string): Promise<string> {
  const { status, output } = await run(command, args, { minutes: 5, ...(cwd ? { cwd } : {}) })
  if (status !== 0) throw new Error(`${command} ${args[0]} ended with status ${status}:\n${output}`)
  return output
}
