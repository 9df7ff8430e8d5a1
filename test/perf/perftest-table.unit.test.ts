import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { measurementArguments } from '../../src/cli/perf/arguments.js'

// The table of docs/perf.md tells a user of perftest what each option is here.
const page = readFileSync(new URL('../../docs/perf.md', import.meta.url), 'utf8')
const [, table = ''] = page.split('## perftest → pinfold')
const rows = [...table.matchAll(/^\| `-(\w)`, `--[\w-]+` \| `-(\w)`, `--([\w-]+)`/gm)].map(
  ([, theirs, ours, name]) => ({
    theirs,
    ours,
    name,
  }),
)
const options: ReadonlyMap<string, { readonly alias?: string; readonly type: string }> = new Map(
  Object.entries(measurementArguments),
)

test.each([...'dixsanDqQtrImlFRbcep'])("perftest's -%s is in the table", (letter) =>
  expect(rows.map(({ theirs }) => theirs)).toContain(letter),
)

test.each(rows)('the table says that -$theirs is --$name, and the command has this option with this letter', (row) => {
  const { theirs, ours, name = '' } = row
  expect(ours).toBe(theirs)
  expect(options.get(name)?.alias).toBe(ours)
})

test('each option with a letter is in the table', () => {
  const letters = [...options.values()].flatMap(({ alias }) => alias ?? [])
  expect(letters.sort()).toEqual(rows.map(({ ours }) => ours).sort())
})
