import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import * as z from 'zod'
import { platformName } from '../../src/addon/places.js'
import { version } from '../../src/addon/version.js'
import { root } from './child-process.js'

/** The addon of this checkout. */
export const addon = join(root, 'build/Release/pinfold.node')

/** Where a package has the addon for this machine. */
export const prebuilt = `prebuilds/${platformName()}/pinfold.node`

/** A folder for a test, which other users may read. It is removed when the test ends. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pinfold-addon-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  chmodSync(folder, 0o755)
  return folder
}

/** Makes a package of the library in `folder`. `files` are its further files: copies of others, or texts. */
export function makePackage(folder: string, files: Readonly<Record<string, { copyOf: string } | string>> = {}): string {
  mkdirSync(join(folder, 'dist'), { recursive: true })
  for (const file of ['dist/index.js', 'dist/shared.js']) copyFileSync(join(root, file), join(folder, file))
  const description = {
    ...{ name: 'pinfold', version, type: 'module' },
    exports: { '.': './dist/index.js', './package.json': './package.json' },
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(description))
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    if (typeof content === 'string') writeFileSync(path, content)
    else copyFileSync(content.copyOf, path)
  }
  return folder
}

const reportSchema = z.object({
  name: z.string(),
  code: z.string(),
  message: z.string(),
  values: z.record(z.string(), z.unknown()),
  hint: z.string().optional(),
  cause: z.string().optional(),
})

/** The outcome of importing the library: its error, or the number of its exports and the addon that was loaded. */
export type ImportOutcome = z.infer<typeof reportSchema> | { readonly exports: number; readonly loaded: string }

export interface ImportOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Options of Node. */
  readonly options?: readonly string[]
  /** The command that runs Node, such as setpriv and its options, or another Node. */
  readonly command?: readonly string[]
}

/** Imports a module, which is the library or re-exports it, in a process of its own. */
export function importOutcome(module: string, { env = {}, options = [], command }: ImportOptions = {}): ImportOutcome {
  const program = `
    import(${JSON.stringify(module)}).then(
      (exports) => console.log(JSON.stringify({
        exports: Object.keys(exports.default ?? exports).length,
        loaded: process.permission === undefined
          ? process.report.getReport().sharedObjects.filter((path) => path.endsWith('.node')).join()
          : '',
      })),
      ({ name, code, message, values, hint, cause }) =>
        console.log(JSON.stringify({ name, code, message, values, hint, cause: cause?.message })))`
  const [first = '', ...rest] = command ?? [process.execPath]
  const { status, signal, stdout, stderr } = spawnSync(
    first,
    [...rest, ...options, '--input-type=module', '--eval', program],
    { cwd: '/', encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '', NODE_NO_WARNINGS: '1', ...env } },
  )
  if (status !== 0 || stderr !== '') throw new Error(`the import ended with ${signal ?? status}: ${stderr}`)
  return z.union([reportSchema, z.object({ exports: z.number(), loaded: z.string() })]).parse(JSON.parse(stdout))
}

/** Runs a hint as a shell command in a folder. */
export function runHint(hint: string | undefined, cwd: string): void {
  const { status, stderr } = spawnSync('sh', ['-c', hint ?? 'exit 1'], { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${hint} ended with ${status}: ${stderr}`)
}
