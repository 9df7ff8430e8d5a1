import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Checks, type Outcome } from '../outcome.js'
import { run } from '../processes.js'

/** Runs clang-tidy on native/, in `workers` processes at a time. */
export async function tidy(workers: number): Promise<Outcome> {
  const checks = new Checks('tidy')
  checks.add('clang-tidy', await clangTidy(workers))
  return checks.outcome()
}

function sources(): string[] {
  const files = readdirSync('native', { recursive: true, encoding: 'utf8' })
  return files.filter((file) => file.endsWith('.cc')).map((file) => `native/${file}`)
}

/**
 * clang-tidy takes seconds a file, so a file that passed is remembered. The key is a hash of everything on which the
 * result depends: the file, its includes, the settings and the tool.
 */
async function clangTidy(workers: number): Promise<string> {
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
  const waiting = sources()
    .map((file) => {
      const hash = createHash('sha256').update(base)
      for (const read of withIncludes(file)) hash.update(read).update(readFileSync(read))
      return { file, passed: `build/tidy/passed/${hash.digest('hex')}` }
    })
    .filter(({ passed }) => !existsSync(passed))

  // A complaint about a header appears for every file that includes the header.
  const complaints = new Set<string>()
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { status, output } = await run('clang-tidy', ['-p', 'build/tidy', '--quiet', next.file], { minutes: 5 })
      // A signal ended clang-tidy: the suites were interrupted, so the other files are not checked.
      if (status > 128) waiting.length = 0
      if (status === 0) writeFileSync(next.passed, '')
      else for (const complaint of complaintsIn(output)) complaints.add(complaint)
    }
  }
  await Promise.all(Array.from({ length: workers }, worker))
  return [...complaints].join('\n')
}

/** The file and every header of ours that it includes, directly or indirectly. */
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

/** The settings of one configuration for every native file: the addon, the core and the tests. */
async function tidySettings(): Promise<string[]> {
  const { status, output } = await run('node', [
    '-p',
    '[require("node-api-headers").include_dir, require("node-addon-api").include.replaceAll("\\"", "")].join(";")',
  ])
  if (status !== 0) throw new Error(output)
  return [`-DCMAKE_JS_INC=${output.trim()}`, '-DPINFOLD_TESTS=ON', '-DCMAKE_BUILD_TYPE=Release']
}
