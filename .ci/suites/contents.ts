import assert from 'node:assert/strict'
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import type { Checks } from '../outcome.js'

interface Manifest {
  readonly name: string
  readonly version: string
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly os: readonly string[]
  readonly cpu: readonly string[]
  readonly libc: readonly string[]
  readonly repository: { readonly type: string; readonly url: string }
  readonly homepage: string
  readonly bugs: string
  readonly publishConfig: { readonly access: string; readonly provenance: boolean }
}

interface Bom {
  readonly bomFormat: string
  readonly specVersion: string
  readonly metadata: { readonly component: { readonly name: string; readonly version: string } }
  readonly components: readonly {
    readonly name: string
    readonly version: string
    readonly purl: string
    readonly licenses?: readonly unknown[]
  }[]
}

/** The entries, and what they share. */
const library = ['dist/index.js', 'dist/testing.js', 'dist/shared.js']

/** Checks the files of the package, in the folder into which its tarball was unpacked. */
export async function checkContents(checks: Checks, folder: string): Promise<void> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (file) => !statSync(join(folder, file)).isDirectory(),
  )
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8')

  await checks.that('it holds what a user needs, and nothing else', () => {
    const needed = ['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md', 'sbom.cdx.json', 'package.json']
    const compiled = [...library, 'dist/index.d.ts', 'dist/testing/index.d.ts', 'dist/cli/main.js']
    for (const file of [...needed, ...compiled]) assert.ok(files.includes(file), `${file} is missing`)
    assert.ok(
      files.some((file) => /^prebuilds\/linux-[^/]+\/pinfold\.node$/.test(file)),
      'no prebuilt addon',
    )
    const strangers = files.filter((file) => !/^(dist|docs|examples|prebuilds)\/|^[^/]+$/.test(file))
    assert.deepEqual(strangers, [], 'files that are not for users are packed')
  })
  await checks.that('it has no source map, and no file that names one: the sources are not in it', () => {
    const maps = files.filter((file) => file.endsWith('.map'))
    const naming = files.filter((file) => /\.(js|ts)$/.test(file) && /^\/\/# sourceMappingURL=/m.test(read(file)))
    assert.deepEqual([...maps, ...naming], [])
  })
  await checks.that('no link leads out of it: neither of its file system nor of its pages', () => {
    const links = files.filter((file) => lstatSync(join(folder, file)).isSymbolicLink())
    const pages = files.filter((file) => file.endsWith('.md'))
    const dead = pages.flatMap((page) =>
      linksOf(read(page))
        .filter((target) => !isInside(folder, page, target))
        .map((target) => `${page}: ${target}`),
    )
    assert.deepEqual([...links, ...dead], [])
  })
  await checks.that(
    'its entries share one file, whose zod comes with its licence: importing them loads no package',
    () => {
      for (const file of library) {
        const text = read(file)
        const imported = [...text.matchAll(/^(?:import|export)\b[^'"]*?\bfrom ['"]([^'"]+)['"]/gm)].map(
          ([, name = '']) => name,
        )
        assert.ok(imported.length > 0, `no import was found in ${file}`)
        assert.deepEqual(
          imported.filter((name) => !name.startsWith('node:') && name !== './shared.js'),
          [],
        )
        // One `import { z } from 'zod'` in src/ would bring all languages, since a bundler cannot see into that object.
        // 'erwartet' is in each German text.
        assert.doesNotMatch(text, /erwartet/, `zod's languages are in ${file}`)
        // V8 reads a text with other characters at half the speed, and keeps it in twice the memory.
        assert.equal(Buffer.byteLength(text), text.length, `${file} contains a character that is not ASCII`)
      }
      assert.match(read('dist/LICENSE.zod'), /MIT License/)
      assert.match(readFileSync('node_modules/zod/v4/locales/de.js', 'utf8'), /erwartet/)
    },
  )
  await checks.that('no declaration names zod, so that a program compiles without its types', () => {
    const declarations = files.filter((file) => file.endsWith('.d.ts'))
    assert.ok(declarations.length > 100, 'the declarations were not found')
    const naming = declarations.filter((file) => read(file).includes("from 'zod"))
    assert.deepEqual(naming, [])
  })
  await checks.that("the licences of what its benchmarks' charts and its addons contain are in it", () => {
    const charts = read('dist/cli/bench/LICENSE.echarts')
    for (const words of [/Apache License/, /Apache ECharts\nCopyright/, /Baidu Inc/]) assert.match(charts, words)
    assert.match(read('prebuilds/LICENSE.node-addon-api'), /MIT License/)
  })

  const manifest: Manifest = JSON.parse(read('package.json'))
  await checks.that('it has no script that an installation runs', () => {
    const hooks = Object.keys(manifest.scripts ?? {}).filter((name) => /^(pre|post)?(install|prepare)$/.test(name))
    assert.deepEqual(hooks, [])
  })
  await checks.that(
    'package.json says where its sources are, how it is published, and for which platforms it is',
    () => {
      const { repository, homepage, bugs, publishConfig, os, cpu, libc } = manifest
      const { 1: project = '' } = repository.url.match(/^git\+(https:\/\/.*)\.git$/) ?? []
      assert.notEqual(project, '', `repository.url is ${repository.url}`)
      assert.equal(repository.type, 'git')
      assert.equal(homepage, `${project}#readme`)
      assert.equal(bugs, `${project}/issues`)
      assert.deepEqual(publishConfig, { access: 'public', provenance: true })
      for (const folder of files.filter((file) => file.endsWith('/pinfold.node')).map(dirname)) {
        const [system = '', processor = '', standardLibrary = ''] = folder.replace('prebuilds/', '').split('-')
        assert.ok(os.includes(system) && cpu.includes(processor) && libc.includes(standardLibrary), folder)
      }
    },
  )
  await checks.that('its SBOM names every package that it installs or contains, with its version', () => {
    checkBom(JSON.parse(read('sbom.cdx.json')), manifest)
  })
}

/** The relative targets of a page's links, without the fragment. */
function linksOf(page: string): string[] {
  const text = page.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]*`/g, '')
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target.replace(/#.*/, ''))
  return targets.filter((target) => target !== '' && !/^[a-z]+:/.test(target))
}

function isInside(folder: string, page: string, target: string): boolean {
  const path = normalize(join(dirname(page), target))
  return !path.startsWith('..') && existsSync(join(folder, path))
}

function checkBom({ bomFormat, specVersion, metadata, components }: Bom, manifest: Manifest): void {
  assert.equal(bomFormat, 'CycloneDX')
  assert.match(specVersion, /^1\.\d$/)
  assert.equal(metadata.component.name, manifest.name)
  assert.equal(metadata.component.version, manifest.version)
  const inside = ['zod', 'echarts', 'zrender', 'tslib', 'node-addon-api']
  const { packages }: { packages: Readonly<Record<string, { readonly version: string }>> } = JSON.parse(
    readFileSync('package-lock.json', 'utf8'),
  )
  for (const name of new Set([...Object.keys(manifest.dependencies), ...inside])) {
    const locked = Object.entries(packages).filter(([path]) => path.endsWith(`node_modules/${name}`))
    const [found, second] = components.filter((component) => component.name === name)
    assert.ok(found !== undefined && second === undefined, `${name} is there not once`)
    const purls = locked.map(([, { version }]) => `pkg:npm/${name}@${version}`)
    assert.ok(purls.includes(found.purl), `${found.purl} is none of ${purls.join(', ')}`)
    assert.ok((found.licenses ?? []).length > 0, `${name} has no licence`)
  }
}
