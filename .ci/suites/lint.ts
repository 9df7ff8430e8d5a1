import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { cases, cycleCases } from '../modules/cases.js'
import { lintCycles, lintFile, type Violation } from '../modules/lint.js'
import { Checks, type Outcome } from '../outcome.js'
import { run } from '../processes.js'

/** Checks the format and lint of all files, and the dependencies between the modules. */
export async function lint(): Promise<Outcome> {
  const checks = new Checks('lint')
  const files = await repositoryFiles()
  const native = files.filter((file) => /^(native|bench\/peers)\/.*\.(cc|c|h)$/.test(file))

  checks.add('biome: format and lint', await biome())
  if (native.length > 0) {
    checks.add('clang-format', await clangFormat(native))
  }
  for (const script of ['setup', 'test', 'platforms', 'run', 'format', 'prebuilds', 'wasm', 'docs', 'musl/libstdcxx']) {
    await checkCommand(checks, `.ci/${script} is bash`, 'bash', ['-n', `.ci/${script}`])
  }
  await compiledWasm(checks)
  for (const { says, file, text, expects } of cases) {
    checks.add(`the lint of modules sees: ${says}`, mistaken(lintFile(file, text), expects))
  }
  for (const { says, files, expects } of cycleCases) {
    checks.add(`the lint of modules sees: ${says}`, mistaken(lintCycles(new Map(Object.entries(files))), expects))
  }
  const sources = new Map(files.filter(isSource).map((file) => [file, readFileSync(file, 'utf8')]))
  const violations = [...sources].flatMap(([file, text]) => lintFile(file, text))
  checks.add('modules: dependencies, casts, length of files', told(violations))
  checks.add('modules: no cycles of values', told(lintCycles(sources)))
  return checks.outcome()
}

/** Empty if the lint has found what a case expects. */
function mistaken(violations: readonly Violation[], expects: readonly string[]): string {
  const found = violations.map(({ message }) => message)
  const right = found.length === expects.length && found.every((message, i) => message.includes(expects[i] ?? ''))
  return right ? '' : `expected ${JSON.stringify(expects)}, found:\n${found.join('\n')}`
}

function told(violations: readonly Violation[]): string {
  return [...new Set(violations.map(({ file, line, message }) => `${file}:${line}: ${message}`))].join('\n')
}

function isSource(file: string): boolean {
  return /^(src|native|test|bench|examples|\.ci)\//.test(file) && /\.(ts|mts|cc|h|c)$/.test(file)
}

// In a container the checkout may belong to another user, and git would refuse to read it.
const trusting = ['-c', `safe.directory=${process.cwd()}`]

/** The files that git tracks or would add: also files that are not yet committed, but no build outputs. */
async function repositoryFiles(): Promise<string[]> {
  const { status, output } = await run('git', [...trusting, 'ls-files', '--cached', '--others', '--exclude-standard'])
  if (status !== 0) throw new Error(`git ls-files failed: ${output}`)
  return output.split('\n').filter((file) => file !== '' && existsSync(file))
}

async function checkCommand(checks: Checks, name: string, command: string, args: readonly string[]): Promise<void> {
  const { status, output } = await run(command, args, { minutes: 5 })
  checks.add(name, status === 0 ? '' : output || `${command} ended with status ${status}`)
}

/** The committed WebAssembly must be what its source compiles to. */
async function compiledWasm(checks: Checks): Promise<void> {
  const name = 'src/shadow/compiled.ts is compiled from native/wasm'
  const missing = ['clang-14', 'wasm-ld-14'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined)
  if (missing.length > 0) return checks.skip(name, `${missing.join(' and ')} of Debian 12 is not here`)
  const { status, output } = await run('.ci/wasm', ['--print'])
  const isSame = status === 0 && output === readFileSync('src/shadow/compiled.ts', 'utf8')
  checks.add(name, isSame ? '' : status === 0 ? 'it differs: run .ci/wasm, and commit the file' : output)
}

/** biome's complaints, one line each. biome's own report has ten lines for each complaint. */
async function biome(): Promise<string> {
  const settings = ['--error-on-warnings', '--diagnostic-level=warn', '--max-diagnostics=none', '--reporter=github']
  const { status, output } = await run('node_modules/.bin/biome', ['check', ...settings, '.'])
  if (status === 0) return ''
  const complaints = [...output.matchAll(/^::\w+ title=([^,]*),file=([^,]*),line=(\d+).*?::(.*)$/gm)].map(
    ([, rule, file = '', line, message = '']) => {
      const what = rule === 'format' ? 'not formatted (npm run format does it)' : message.replaceAll('%0A', ' ')
      return `${relative(process.cwd(), file)}:${line}: ${rule}: ${what}`
    },
  )
  return complaints.join('\n') || output
}

async function clangFormat(native: readonly string[]): Promise<string> {
  const { status, output } = await run('clang-format', ['--dry-run', '-Werror', ...native])
  const files = new Set(output.match(/^(native|bench)\/[^:]+(?=:\d+:\d+: error)/gm))
  if (files.size > 0) return `these files are not formatted (npm run format does it):\n${[...files].join('\n')}`
  return status === 0 ? '' : output
}
