import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { root } from '../support/child-process.js'
import { type Example, examplesOf } from '../support/guide-examples.js'
import { needs, whyNotBuilt, whyNotPhysical } from '../support/requirements.js'

// Every TypeScript example of the guides and the README runs unchanged, on this machine's real memory. An example that
// imports vitest is a test: vitest runs it, with the configuration of the same guide.

// The folder lies inside the package, so that 'pinfold' resolves to it, as in a program that has installed it.
const scratch = `${root}build/guides-${process.pid}`

mkdirSync(scratch, { recursive: true })
afterAll(() => rmSync(scratch, { recursive: true }))

const guides = ['README.md', ...readdirSync(`${root}docs`).map((name) => `docs/${name}`)]
  .filter((name) => name.endsWith('.md'))
  .map((guide) => ({ guide, examples: examplesOf(readFileSync(root + guide, 'utf8')) }))
  .filter(({ examples }) => examples.length > 0)

describe.each(guides)('$guide', ({ guide, examples }) => {
  const name = guide.replaceAll('/', '-')
  const config = examples.find(isConfiguration)
  beforeEach((context) => needs(context, whyNotBuilt, whyNotPhysical))

  test.each(examples.filter((example) => !isTest(example)))(
    'contains an example at line $line that runs',
    (example) => {
      const file = written(`${name}-${example.line}.ts`, example)
      const { status, stderr } = node(['--import', 'tsx', file])
      expect(stderr).toBe('')
      expect(status).toBe(0)
    },
  )

  test.for(examples.filter(isTest))('contains a test at line $line that passes', (example, { skip }) => {
    if (config === undefined) throw new Error(`${guide} contains no configuration of vitest for its tests`)
    written(`${name}.config.ts`, config)
    const file = written(`${name}-${example.line}.test.ts`, example)
    const { status, stdout, stderr } = node(
      [`${root}node_modules/vitest/vitest.mjs`, 'run', '--config', `${name}.config.ts`, '--reporter=json', file],
      scratch,
    )
    expect(stderr).toBe('')
    const { numTotalTests, numPassedTests, testResults } = JSON.parse(stdout)
    expect({ status, failures: failuresOf(testResults) }).toEqual({ status: 0, failures: [] })
    expect(numTotalTests).toBeGreaterThan(0)
    if (numPassedTests === 0) skip(`a guide's example skips: ${testResults[0].assertionResults[0].title}`)
  })
})

interface FileResult {
  readonly message: string
  readonly assertionResults: readonly { readonly failureMessages: readonly string[] | null }[]
}

function failuresOf(results: readonly FileResult[]): string[] {
  const messages = results.flatMap(({ message, assertionResults }) => [
    message,
    ...assertionResults.flatMap(({ failureMessages }) => failureMessages ?? []),
  ])
  return messages.filter((message) => message !== '')
}

function isConfiguration({ code }: Example): boolean {
  return code.includes("from 'vitest/config'")
}

function isTest({ code }: Example): boolean {
  return code.includes("from 'vitest'")
}

function written(name: string, { code }: Example): string {
  writeFileSync(`${scratch}/${name}`, code)
  return `${scratch}/${name}`
}

function node(args: readonly string[], cwd = root): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, args, { cwd, encoding: 'utf8', env: withoutVitest() })
}

/** The environment without what this vitest tells its own workers, so that another vitest begins anew. */
function withoutVitest(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV$|TEST$)/.test(name)))
}
