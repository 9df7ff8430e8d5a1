import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { buildSync } from 'esbuild'
import { root } from './child-process.js'

/**
 * The programs of examples/, as a user runs them. Node 24 runs them as they are. For an older Node they are compiled, with
 * the options that examples/README.md gives.
 */
export class Examples {
  // The folder lies inside the package, so that 'pinfold' resolves to it, as in a program that has installed it.
  readonly #scratch = `${root}build/examples-${process.pid}`

  /** @param mustCompile for a program that runs under emulation, where its types would take long to remove */
  file(name: string, mustCompile = false): string {
    const source = `${root}examples/${name}/${name}.mts`
    if (Number.parseInt(process.versions.node, 10) >= 24 && !mustCompile) return source
    const outfile = `${this.#scratch}/${name}.mjs`
    const options = { bundle: true, platform: 'node', format: 'esm', packages: 'external', target: 'node20' } as const
    buildSync({ entryPoints: [source], outfile, ...options, logLevel: 'warning' })
    return outfile
  }

  run(name: string, args: readonly string[] = [], prefix: readonly string[] = []): SpawnSyncReturns<string> {
    const [command = '', ...words] = [...prefix, process.execPath, this.file(name), ...args]
    return spawnSync(command, words, { cwd: root, encoding: 'utf8' })
  }

  [Symbol.dispose](): void {
    rmSync(this.#scratch, { recursive: true, force: true })
  }
}

/**
 * The outputs that the README of an example shows, each as a pattern: numbers may differ, and so may the pages that a
 * machine has free.
 */
export function outputsShown(name: string): RegExp[] {
  const text = readFileSync(`${root}examples/${name}/README.md`, 'utf8')
  return [...text.matchAll(/^```text\n(.*?)^```/gms)].map(([, output = '']) => {
    const escaped = output.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
    const anyPages = escaped.replaceAll(/\S+ pages in/g, '\\S+ pages in')
    return new RegExp(`^${anyPages.replaceAll(/\d+(?:(?:,|\\\.)\d+)*/g, '\\d[\\d,.]*')}$`)
  })
}
