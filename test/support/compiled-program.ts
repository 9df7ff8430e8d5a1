import { renameSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

// Programs and workers of these tests are started by the hundred, and Node 20 starts no worker from TypeScript. So each
// is compiled once: bundled with what it imports from test/, and using the package as it is built, in dist/.

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = `${root}build/test-programs`
const done = new Map<string, Promise<string>>()

/** The path of a file of test/support/programs as JavaScript. */
export function compiled(name: string): Promise<string> {
  const known = done.get(name) ?? compile(name)
  done.set(name, known)
  return known
}

async function compile(name: string): Promise<string> {
  const path = `${folder}/${basename(name, '.ts')}.js`
  // Beside and swapped in: another run may be starting from the one that is there.
  const beside = `${path}.${process.pid}`
  await build({
    entryPoints: [`${root}test/support/programs/${name}`],
    outfile: beside,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'warning',
    plugins: [
      {
        name: 'the package as it is built',
        setup({ onResolve }) {
          onResolve({ filter: /\/src\/.*\.js$/ }, ({ path: imported }) => ({
            path: imported.replace(/^.*\/src\//, '../../dist/'),
            external: true,
          }))
        },
      },
    ],
  })
  renameSync(beside, path)
  return path
}
