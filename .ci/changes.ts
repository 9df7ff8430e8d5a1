import { existsSync, readdirSync } from 'node:fs'
import { run } from './processes.js'

/**
 * The files that differ from the main branch: committed since this branch left it, changed in the working tree, or new.
 * On the main branch itself, the files that differ from origin/main, if it exists.
 */
export async function changedFiles(): Promise<string[]> {
  const base = await startOfBranch()
  const [changed, added] = await Promise.all([
    git('diff', '--name-only', '--no-renames', base),
    git('ls-files', '--others', '--exclude-standard'),
  ])
  return [...changed, ...added]
}

async function startOfBranch(): Promise<string> {
  for (const branch of ['origin/main', 'main']) {
    const [commit] = await git('merge-base', branch, 'HEAD')
    if (commit !== undefined) return commit
  }
  return 'HEAD'
}

/** The lines that git prints; none if it fails. */
async function git(...args: string[]): Promise<string[]> {
  const { status, output } = await run('git', args)
  return status === 0 ? output.split('\n').filter((line) => line !== '') : []
}

/** The tests of a module lie in the folder with its name, except for these modules of src and native. */
const testedWith: Readonly<Record<string, string>> = {
  'native/memory': 'memory',
  'native/translate': 'translate',
  'native/verbs': 'rdma',
  'native/addon': 'program',
  'native/os': 'system',
  arrays: 'pool',
  threads: 'ring',
}

/** The test files of the modules that these files belong to, and the test files among them. */
export function testsOf(files: readonly string[]): string[] {
  const tests = new Set<string>()
  for (const file of files) {
    if (/^test\/.*\.test\.ts$/.test(file)) {
      if (existsSync(file)) tests.add(file)
      continue
    }
    const [top, folder, rest] = file.split('/')
    if (folder === undefined) continue
    // A file at the top of src belongs to the vocabulary of all modules. The unit tests cover it.
    if (top === 'src' && rest !== undefined) tests.add(`test/${testedWith[folder] ?? folder}/`)
    if (top === 'examples') tests.add('test/examples/')
    if (top === 'native') tests.add(`test/${testedWith[`native/${folder}`] ?? 'memory'}/`)
  }
  return [...new Set([...tests].flatMap((path) => (path.endsWith('/') ? testsIn(path) : [path])))]
}

function testsIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith('.test.ts')).map((name) => `${folder}${name}`)
}
