import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Checks, type Outcome } from '../outcome.js'
import { run } from '../processes.js'

/** The packages of .ci/site are installed for this suite alone, so its checks run in processes of their own. */
const typescript = ['--import', 'tsx']
const browsers = ['chromium', 'chromium-browser', 'google-chrome']

/** Builds the site of the documentation, follows its links, and searches it in a headless browser. */
export async function docs(): Promise<Outcome> {
  const checks = new Checks('docs')
  const folder = mkdtempSync(join(tmpdir(), 'pinfold-docs-'))
  try {
    await checks.that('the tools of the site are installed', () => succeed('bash', ['.ci/setup', 'browser']))
    if (existsSync('.ci/site/node_modules/typedoc')) await checkSite(checks, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return checks.outcome()
}

async function checkSite(checks: Checks, folder: string): Promise<void> {
  await checks.that('tsc: .ci/site', () => succeed('.ci/site/node_modules/.bin/tsc', ['--project', '.ci/site']))
  await checkMarkdown(checks, folder)
  const site = join(folder, 'site')
  await checks.that('the site builds without a warning, and shows no type of another package', () =>
    succeed('node', [...typescript, '.ci/site/build.ts', '--out', site]),
  )
  await checkForeignTypes(checks, folder)
  if (!existsSync(join(site, 'index.html'))) return
  await checks.that('every link of the site leads to a page and an anchor of it', () => follow([site]))
  await search(checks, site)
}

async function checkMarkdown(checks: Checks, folder: string): Promise<void> {
  await checks.that('the check of links sees a missing file, and a missing anchor', async () => {
    const page = join(folder, 'page.md')
    const links = ['[a](page.md#b)', '[b](#c)', '[c](other.md)', '[d](https://example.org/x)', '`[e](code.md)`']
    writeFileSync(page, `# B\n\n${links.join(' ')}\n`)
    const { status, output } = await run('node', [...typescript, '.ci/site/links.ts', page])
    assert.equal(status, 1, output)
    const problems = output.split('\n').flatMap((line) => /page\.md: (.*)/.exec(line)?.[1] ?? [])
    assert.deepEqual(problems, ['#c: there is no such anchor', 'other.md: there is no such file'])
  })
  await checks.that('every link of the Markdown files leads to a file and an anchor of it', async () => {
    const trusting = ['-c', `safe.directory=${process.cwd()}`]
    const listing = ['ls-files', '--cached', '--others', '--exclude-standard', '*.md']
    const files = (await succeed('git', [...trusting, ...listing])).trim().split('\n')
    await follow(files.filter((file) => existsSync(file)))
  })
}

/** A public type that is inferred from a schema shows zod's types, and must not reach the site. */
async function checkForeignTypes(checks: Checks, folder: string): Promise<void> {
  await checks.that('the site refuses a public signature with a type of zod', async () => {
    const out = join(folder, 'refused')
    const entry = '.ci/site/inferred-options.ts'
    const { status, output } = await run('node', [...typescript, '.ci/site/build.ts', '--entry', entry, '--out', out])
    assert.equal(status, 1, output)
    assert.match(output, /InferredOptions: a public signature shows 'z.input' of zod/)
    assert.ok(!existsSync(out), 'the site was written all the same')
  })
}

async function search(checks: Checks, site: string): Promise<void> {
  const name = 'a search of registerSync in a browser leads to its documentation, and no page is wider than a phone'
  const browser = browsers.find((command) => spawnSync(command, ['--version']).status === 0)
  if (browser === undefined) return checks.skip(name, `there is no ${browsers.join(', ')}, and none can be installed`)
  const path = spawnSync('which', [browser], { encoding: 'utf8' }).stdout.trim()
  await checks.that(name, async () => {
    const output = await succeed('node', [...typescript, '.ci/site/browse.ts', '--browser', path, '--site', site])
    assert.match(output, /followed it to interfaces\/API\.MemoryRegistry\.html#registersync/)
  })
}

async function follow(paths: readonly string[]): Promise<void> {
  await succeed('node', [...typescript, '.ci/site/links.ts', ...paths])
}

async function succeed(command: string, args: readonly string[]): Promise<string> {
  const { status, output } = await run(command, args, { minutes: 10 })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with status ${status}:\n${output}`)
  return output
}
