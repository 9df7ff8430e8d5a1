import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { buildSync } from 'esbuild'

// The tests start hundreds of programs and workers. A loader of TypeScript would take half a second for each of them,
// and Node 20 starts no worker from TypeScript. So each program is compiled once, into a bundle with its imports from
// test/, which uses the built package in dist/. Tests and their programs run in the root of the checkout.

/** This folder is as deep in the checkout as test/support/programs, so that relative paths in a program stay valid. */
const folder = 'build/test/programs'
const known = new Set<string>()

/** The path of a program of test/support/programs, compiled to JavaScript. */
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
  // The file is written beside its place and then renamed, since another run may be starting from the old file.
  const beside = `${path}.${process.pid}`
  writeFileSync(beside, text.replaceAll(/(?<=")(?:\.\.\/)+src\/(?=[\w/-]+\.js")/g, '../../../dist/'))
  renameSync(beside, path)
}
