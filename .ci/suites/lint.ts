import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { relative } from 'node:path'
import { Checks, type Outcome } from '../outcome.js'
import { run } from '../processes.js'
import { cases } from '../rooms/cases.js'
import { lintFile } from '../rooms/lint.js'

/** Format and lint of everything, and the arrows between the rooms. */
export async function lint(): Promise<Outcome> {
  const checks = new Checks('lint')
  const files = await repositoryFiles()
  const native = files.filter((file) => /^(native|bench\/peers)\/.*\.(cc|c|h)$/.test(file))

  checks.add('biome: format and lint', await biome())
  if (native.length > 0) {
    checks.add('clang-format', await clangFormat(native))
    checks.add('clang-tidy', await clangTidy(native.filter((file) => file.startsWith('native/'))))
  }
  for (const script of ['setup', 'test', 'run', 'format', 'prebuilds']) {
    await checkCommand(checks, `.ci/${script} is bash`, 'bash', ['-n', `.ci/${script}`])
  }
  for (const { says, file, text, expects } of cases) {
    const found = lintFile(file, text).map(({ message }) => message)
    const right = found.length === expects.length && found.every((message, i) => message.includes(expects[i] ?? ''))
    checks.add(`the rooms lint sees: ${says}`, right ? '' : `expected ${JSON.stringify(expects)}, found:\n${found}`)
  }
  const violations = files.flatMap((file) => (isSource(file) ? lintFile(file, readFileSync(file, 'utf8')) : []))
  const lines = violations.map(({ file, line, message }) => `${file}:${line}: ${message}`)
  checks.add('rooms: arrows, doors, length of files', [...new Set(lines)].join('\n'))
  return checks.outcome()
}

function isSource(file: string): boolean {
  return /^(src|native|test|bench|\.ci)\//.test(file) && /\.(ts|mts|cc|h|c)$/.test(file)
}

// In a container the checkout may belong to somebody else, and git would refuse to read it.
const trusting = ['-c', `safe.directory=${process.cwd()}`]

/** What git tracks or would add: build outputs are ignored, files not yet committed are not. */
async function repositoryFiles(): Promise<string[]> {
  const { status, output } = await run('git', [...trusting, 'ls-files', '--cached', '--others', '--exclude-standard'])
  if (status !== 0) throw new Error(`git ls-files failed: ${output}`)
  return output.split('\n').filter((file) => file !== '' && existsSync(file))
}

async function checkCommand(checks: Checks, name: string, command: string, args: readonly string[]): Promise<void> {
  const { status, output } = await run(command, args, { minutes: 5 })
  checks.add(name, status === 0 ? '' : output || `${command} ended with status ${status}`)
}

/** biome's complaints, a line each; its own report shows ten lines for every one. */
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

/**
 * clang-tidy takes seconds a file, so what passed is remembered by the hash of all that it depends on: the file,
 * what it includes, the settings and the tool.
 */
async function clangTidy(native: readonly string[]): Promise<string> {
  const configured = await run('cmake', [
    '-S',
    '.',
    '-B',
    'build/tidy',
    '-G',
    'Unix Makefiles',
    ...(await tidySettings()),
  ])
  if (configured.status !== 0) return configured.output

  const { output: version } = await run('clang-tidy', ['--version'])
  const shared = createHash('sha256').update(version)
  for (const file of ['.clang-tidy', 'native/test/.clang-tidy', 'CMakeLists.txt', 'package-lock.json'])
    shared.update(readFileSync(file))
  const base = shared.digest('hex')

  mkdirSync('build/tidy/passed', { recursive: true })
  const waiting = native
    .filter((file) => file.endsWith('.cc'))
    .map((file) => {
      const hash = createHash('sha256').update(base)
      for (const read of withIncludes(file)) hash.update(read).update(readFileSync(read))
      return { file, passed: `build/tidy/passed/${hash.digest('hex')}` }
    })
    .filter(({ passed }) => !existsSync(passed))

  // A header's complaint comes up in every file that includes it.
  const complaints = new Set<string>()
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { status, output } = await run('clang-tidy', ['-p', 'build/tidy', '--quiet', next.file], { minutes: 5 })
      if (status === 0) writeFileSync(next.passed, '')
      else for (const complaint of complaintsIn(output)) complaints.add(complaint)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  return [...complaints].join('\n')
}

/** The file and every header of ours that it includes, however deep. */
function withIncludes(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file) || !existsSync(file)) return seen
  seen.add(file)
  for (const [, included] of readFileSync(file, 'utf8').matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)) {
    withIncludes(`native/${included}`, seen)
  }
  return seen
}

/** Each complaint with the lines of source that belong to it, as clang-tidy prints them. */
function complaintsIn(output: string): string[] {
  const text = output.replace(/^\d+ warnings? (generated|treated).*\n/gm, '').replaceAll(`${process.cwd()}/`, '')
  return text.split(/^(?=\S+:\d+:\d+: (?:error|warning))/m).map((complaint) => complaint.trimEnd())
}

/** One configuration that knows every native file: the addon, the core and the tests. */
async function tidySettings(): Promise<string[]> {
  const { status, output } = await run('node', [
    '-p',
    '[require("node-api-headers").include_dir, require("node-addon-api").include.replaceAll("\\"", "")].join(";")',
  ])
  if (status !== 0) throw new Error(output)
  return [`-DCMAKE_JS_INC=${output.trim()}`, '-DPINFOLD_TESTS=ON', '-DCMAKE_BUILD_TYPE=Release']
}
