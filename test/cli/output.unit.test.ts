import { describe, expect, test } from 'vitest'
import {
  coloured,
  Output,
  plain,
  renderJson,
  renderTable,
  type Surroundings,
  wantsColour,
} from '../../src/cli/output.js'

/** Streams that keep the written text, as on a terminal or as in a pipe. */
function surroundings({ terminal = false, env = {} }: { terminal?: boolean; env?: Surroundings['env'] } = {}) {
  const written = { stdout: '', stderr: '' }
  const stream = (name: 'stdout' | 'stderr') => ({
    isTTY: terminal,
    write: (text: string) => {
      written[name] += text
    },
  })
  return { around: { stdout: stream('stdout'), stderr: stream('stderr'), env }, written }
}

const report = { schema: 'pinfold/test/1', address: 0x7f00_0000_0000n, pages: 64, node: null }

describe('colour', () => {
  const terminal = { isTTY: true }
  test.each([
    ['on a terminal', terminal, {}, true],
    ['into a pipe', {}, {}, false],
    ['on a dumb terminal', terminal, { TERM: 'dumb' }, false],
    ['with NO_COLOR, whatever it says', terminal, { NO_COLOR: '0' }, false],
    ['with an empty NO_COLOR, which counts as none', terminal, { NO_COLOR: '' }, true],
    ['with FORCE_COLOR into a pipe', {}, { FORCE_COLOR: '1' }, true],
    ['with FORCE_COLOR=0 on a terminal', terminal, { FORCE_COLOR: '0' }, false],
    ['with NO_COLOR and FORCE_COLOR', terminal, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
  ])('%s', (_, stream, env, wanted) => {
    expect(wantsColour(stream, env)).toBe(wanted)
  })

  test('is never in JSON', () => {
    const { around, written } = surroundings({ terminal: true })
    new Output({ json: true }, around).report(report, () => '')
    expect(JSON.parse(written.stdout)).toMatchObject({ schema: 'pinfold/test/1' })
  })
})

describe('a report', () => {
  test('in JSON writes 64-bit values as hex strings, and leaves other values as they are', () => {
    expect(JSON.parse(renderJson({ ...report, largest: 2n ** 64n - 1n }))).toEqual({
      schema: 'pinfold/test/1',
      address: '0x7f0000000000',
      largest: '0xffffffffffffffff',
      pages: 64,
      node: null,
    })
  })

  test('goes to stdout as text, and writes nothing to stderr', () => {
    const { around, written } = surroundings()
    const output = new Output({ json: false }, around)
    output.progress('looking …')
    output.report(report, ({ pages }) => `${pages} pages`)
    expect(written).toEqual({ stdout: '64 pages\n', stderr: '' })
  })

  test('replaces the progress line on a terminal', () => {
    const { around, written } = surroundings({ terminal: true })
    const output = new Output({ json: false }, around)
    output.progress('looking …')
    expect(written.stderr).toContain('looking …')
    output.report(report, () => 'done')
    expect(written.stderr.endsWith('\r\u001b[K')).toBe(true)
    expect(written.stdout).toBe('done\n')
  })

  test('that is printed in pieces prints no piece with --json', () => {
    const { around, written } = surroundings()
    new Output({ json: true }, around).piece('a line')
    expect(written.stdout).toBe('')
  })
})

describe('a table', () => {
  const columns = [{ title: 'size' }, { title: 'free', align: 'right' }] as const

  test('is as wide as its widest cells, with numbers on the right and without spaces at the end of a line', () => {
    expect(
      renderTable(
        columns,
        [
          ['2MiB', '1,024'],
          ['1GiB (default)', '0'],
        ],
        plain,
      ),
    ).toBe(['size             free', '2MiB            1,024', '1GiB (default)      0'].join('\n'))
  })

  test('is aligned by its visible characters, not by the escapes of its colours', () => {
    const rows = [
      [coloured('2MiB', 'green'), '1'],
      ['1GiB', coloured('12', 'red')],
    ]
    const lines = renderTable(columns, rows, plain).split('\n')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the test removes escapes
    const seen = lines.map((line) => line.replace(/\u001b\[\d+m/g, ''))
    expect(seen).toEqual(['size  free', '2MiB     1', '1GiB    12'])
  })
})
