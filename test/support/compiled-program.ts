import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { buildSync } from 'esbuild'

// Programs and workers of the tests are started by the hundred, a loader of TypeScript takes each of them half a second, and
// Node 20 starts no worker from TypeScript. So each is compiled once: bundled with what it imports from test/, and using the
// package as it is built, in dist/. Tests and their programs run in the root of the checkout.

/** As deep in the checkout as test/support/programs, so that the paths in a program stay true. */
const folder = 'build/test/programs'
const known = new Set<string>()

/** The path of a program of test/support/programs as JavaScript. */
export function compiled(name: string): string {
  const path = `${folder}/${basename(name, '.ts')}.js`
  if (!known.has(name)) compile(`test/support/programs/${name}`, path)
  known.add(name)
  return resolve(path)
}

function compile(source: string, path: string): void {
  const { outputFiles } = buildSync({
    entryPoints: [source],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'warning',
    packages: 'external',
    external: ['../src/*', '../../src/*', '../../../src/*'],
  })
  const text = outputFiles[0]?.text ?? ''
  mkdirSync(folder, { recursive: true })
  // Beside and swapped in: another run may be starting from the one that is there.
  const beside = `${path}.${process.pid}`
  writeFileSync(beside, text.replaceAll(/(?<=")(?:\.\.\/)+src\/(?=[\w/-]+\.js")/g, '../../../dist/'))
  renameSync(beside, path)
}
