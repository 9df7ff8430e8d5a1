import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkedReport } from '../../src/perf/report-schema.js'
import { pinfold } from '../support/command-line.js'
import { bandwidthReport, latencyReport } from '../support/perf-reports.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

let folder: string
beforeEach((context) => {
  needs(context, whyNotBuilt)
  folder = mkdtempSync(join(tmpdir(), 'pinfold-perf-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('pinfold perf register', () => {
  test('measures each kind of pages, number of threads and size, and draws them', async () => {
    const page = join(folder, 'register.html')
    const words = ['-d', 'loopback', '--pages', 'base', '--threads', '1,2', '-s', '4KiB,64KiB', '-n', '5']
    const { code, stdout, stderr } = await pinfold(['perf', 'register', ...words, '--json', '--html', page])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const report = checkedReport('the document', JSON.parse(stdout))
    if (report.tool !== 'register') throw new Error(report.tool)
    const shapes = report.results.map(({ bytes, threads, memory }) => [memory.pages, threads, bytes])
    expect(shapes).toEqual([
      ['base', 1, 4096],
      ['base', 1, 65_536],
      ['base', 2, 4096],
      ['base', 2, 65_536],
    ])
    for (const { first, register, close, threads, rounds } of report.results) {
      expect([first.count, register.count, close.count]).toEqual([threads, threads * (rounds - 1), threads * rounds])
    }
    expect(readFileSync(page, 'utf8')).toContain('<h2>Registering, by size</h2>')
  })

  test.each([
    [['-n', '1'], /iterations as a whole number of 2 or more/],
    [['--threads', '0'], /threads as a whole number of 1 or more/],
    [['--pages', 'huge'], /huge/],
    [['--html', '/no/such/page.html'], /a file for --html/],
  ])('%j is refused', async (words, message) => {
    const { code, stderr } = await pinfold(['perf', 'register', '-d', 'loopback', ...words])
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })
})

describe('pinfold perf compare', () => {
  const file = (name: string, content: unknown) => {
    const path = join(folder, name)
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }

  test('exits with 3 when a figure is worse by more than the limit', async () => {
    const [one, other] = [file('a.json', bandwidthReport({ 64: 10 })), file('b.json', bandwidthReport({ 64: 9 }))]
    const within = await pinfold(['perf', 'compare', one, other, '--limit', '11%'])
    expect([within.code, within.stderr]).toEqual([0, ''])
    expect(within.stdout).toMatch(/64B +bandwidth +10 \(9 to 11\) +9 \(8\.1 to 9\.9\) +Gbit\/s +0\.90 +10\.0 % worse/)
    const beyond = await pinfold(['perf', 'compare', one, other, '--limit', '5%', '--html', join(folder, 'page.html')])
    expect([beyond.code, beyond.stderr]).toEqual([3, ''])
    expect(beyond.stdout).toContain('beyond the limit')
    expect(readFileSync(join(folder, 'page.html'), 'utf8')).toContain('b.json')
  })

  test.each([
    ['no JSON', '{', /expected a JSON document of pinfold perf, but received '.*wrong'/],
    [
      'another document',
      { schema: 'pinfold/devices/1' },
      /the schema pinfold\/perf\/1 in .*wrong, but received 'pinfold\/devices\/1'/,
    ],
    ['a part of a document', { ...bandwidthReport({ 64: 1 }), local: {} }, /wrong: local\.\w+: expected string/],
    [
      'another tool',
      latencyReport({ 2: [1000] }),
      /expected two documents of one tool, received latency and bandwidth/,
    ],
  ])('%s is refused, with the name of the file', async (_, content, message) => {
    const good = file('good', bandwidthReport({ 64: 1 }))
    const { code, stderr } = await pinfold(['perf', 'compare', file('wrong', content), good])
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })

  test('a file that is not there is named', async () => {
    const { code, stderr } = await pinfold(['perf', 'compare', join(folder, 'none'), join(folder, 'none')])
    expect(stderr).toMatch(/none/)
    expect(code).toBe(1)
  })
})
