import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'

// Every TypeScript example of the guides and the README runs as it stands, on this machine's real memory.

const root = fileURLToPath(new URL('../..', import.meta.url))
// Inside the package, so that 'pinfold' resolves to it as it would for whoever has installed it.
const scratch = `${root}build/guides-${process.pid}`
const isRoot = process.getuid?.() === 0

interface Example {
  readonly line: number
  readonly code: string
}

function examplesOf(text: string): Example[] {
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    code: match[1] ?? '',
  }))
}

mkdirSync(scratch, { recursive: true })
afterAll(() => rmSync(scratch, { recursive: true }))

const guides = ['README.md', ...readdirSync(`${root}docs`).map((name) => `docs/${name}`)]
  .filter((name) => name.endsWith('.md'))
  .map((guide) => ({ guide, examples: examplesOf(readFileSync(root + guide, 'utf8')) }))
  .filter(({ examples }) => examples.length > 0)

describe.each(guides)('$guide', ({ guide, examples }) => {
  test.skipIf(!isRoot).each(examples)(
    `its example at line $line runs${isRoot ? '' : ' (needs root, for physical addresses)'}`,
    ({ line, code }) => {
      const file = `${scratch}/${guide.replaceAll('/', '-')}-${line}.ts`
      writeFileSync(file, code)
      const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', file], { cwd: root, encoding: 'utf8' })
      expect(stderr).toBe('')
      expect(status).toBe(0)
    },
  )
})
