import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { root } from '../support/child-process.js'
import { examplesOf } from '../support/guide-examples.js'
import { needs, whyNotBuilt, whyNotPhysical } from '../support/requirements.js'

// Every TypeScript example of the guides and the README runs unchanged, on this machine's real memory.

// The folder lies inside the package, so that 'pinfold' resolves to it, as in a program that has installed it.
const scratch = `${root}build/guides-${process.pid}`

mkdirSync(scratch, { recursive: true })
afterAll(() => rmSync(scratch, { recursive: true }))

const guides = ['README.md', ...readdirSync(`${root}docs`).map((name) => `docs/${name}`)]
  .filter((name) => name.endsWith('.md'))
  .map((guide) => ({ guide, examples: examplesOf(readFileSync(root + guide, 'utf8')) }))
  .filter(({ examples }) => examples.length > 0)

describe.each(guides)('$guide', ({ guide, examples }) => {
  beforeEach((context) => needs(context, whyNotBuilt, whyNotPhysical))

  test.each(examples)('contains an example at line $line that runs', ({ line, code }) => {
    const file = `${scratch}/${guide.replaceAll('/', '-')}-${line}.ts`
    writeFileSync(file, code)
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', file], { cwd: root, encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(status).toBe(0)
  })
})
