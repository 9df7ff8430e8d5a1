import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { commandExamples } from '../../src/cli/examples.js'
import { ownProgram } from '../../src/system/own-command.js'
import { jsonOf, mainScript, pinfold } from '../support/command-line.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

// biome-ignore lint/suspicious/noControlCharactersInRegex: the tests look for an escape
const ansi = /\u001b/

beforeEach((context) => needs(context, whyNotBuilt))

describe('a command line', () => {
  test.each([
    [['frob'], "not 'frob'"],
    [['hugepages', 'frob'], "not 'frob'"],
    [['--frob'], "unknown option '--frob'"],
    [['doctor', '--frob'], "unknown option '--frob'"],
    [['hugepages', '--frob'], "unknown option '--frob'"],
    [['doctor', 'frob'], "one word too many: 'frob'"],
    [['doctor', '--only', 'frob'], "'frob'"],
    [['doctor', '--only'], '--only is missing its value'],
    [['doctor', '--json=yes'], "option '--json' does not take an argument"],
    [['hugepages', 'reserve'], 'SIZE is missing (Page size: 2MiB, 1GiB, …)'],
    [['hugepages', 'reserve', '2MiB', '1', '2'], "one word too many: '2'"],
    [['hugepages', 'unmount'], 'usage  pinfold hugepages unmount PATH [options]'],
    [['hugepages', 'reserve', '--frob'], 'usage  pinfold hugepages reserve SIZE [PAGES] [options]'],
    [['translate'], 'PID is missing'],
    [['hugepages', 'reserve', '3MiB', '1'], "'3MiB'"],
    [['hugepages', 'release', '2MiB', '1', '--to', '1'], 'either a number of pages or --to'],
    [['hugepages', 'mount', 'relative'], "'relative'"],
    [['hugepages', 'mount', '/'], "'/'"],
    [['hugepages', 'mount', '/mnt/a\nb'], 'an absolute path'],
    [['hugepages', 'mount', '/tmp/x', '--mode', '999'], "'999'"],
    [['hugepages', 'mount', '/tmp/x', '--size', '3MiB'], 'a multiple of'],
    [['hugepages', 'mount', '/tmp/x', '--owner', 'root,uid=0'], "'root,uid=0'"],
    [['hugepages', 'mount', '/tmp/x', '--owner', '-x'], 'is written --owner=VALUE'],
    [['hugepages', 'unmount', '/'], "'/'"],
    [['translate', '1'], 'ADDRESS is missing'],
    [['translate', '1', 'here'], "'here'"],
    [['translate', '0', '0x1000'], "'0'"],
    [['map'], 'PID is missing'],
    [['map', '1', 'here'], "'here'"],
    [['map', '1', '0x1000', 'long'], "'long'"],
    [['map', '1', '--html', '/no/such/folder/map.html'], "'/no/such/folder/map.html'"],
    [['whose'], 'ADDRESS is missing'],
    [['whose', 'here'], "'here'"],
    [['whose', '0x1000', '0x2000'], "one word too many: '0x2000'"],
    [['bench', 'frob'], "a benchmark (tlb, copy, pool, buffers), but received 'frob'"],
    [['bench', 'tlb', 'copy'], "one word too many: 'copy'"],
    [['bench', '--sizes', '1MiB'], 'one benchmark'],
    [['bench', 'tlb', '--sizes', '100'], "'100'"],
    [['bench', 'copy', '--sizes', '4GiB'], "'4GiB'"],
    [['bench', 'pool', '--sizes', '1000'], "'1000'"],
    [['bench', 'buffers', '--sizes', '65'], "'65'"],
    [['bench', '--pages', '3MiB'], "'3MiB'"],
    [['bench', '--seconds', '0'], "'0'"],
    [['completion', 'csh'], "not 'csh'"],
    [['constructor'], "not 'constructor'"],
  ])('%j is refused with exit code 2, and the message says what is wrong', async (words, complaint) => {
    const { code, stdout, stderr } = await pinfold(words)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(complaint)
    expect(stderr).not.toMatch(/^\s+at /m)
  })

  test('without a command shows the usage on stderr and ends with exit code 2', async () => {
    const { code, stdout, stderr } = await pinfold([])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    for (const command of ['doctor', 'hugepages', 'translate', 'map', 'whose', 'bench', 'demo', 'completion'])
      expect(stderr).toContain(command)
  })

  test('that is wrong is reported as JSON, too, and stdout contains nothing else', async () => {
    const run = await pinfold(['doctor', '--only', 'frob', '--json'])
    expect(run.code).toBe(2)
    expect(jsonOf(run)).toMatchObject({
      schema: 'pinfold/error/1',
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining("'frob'"),
    })
  })

  test('with --version prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await pinfold(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  test.each(Object.keys(commandExamples))(
    '%s --help shows its examples, and the command accepts the options of each',
    async (name) => {
      const words = name.split(' ').slice(1)
      const { code, stdout, stderr } = await pinfold([...words, '--help'])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      for (const example of commandExamples[name] ?? []) {
        expect(stdout).toContain(example.replace(/^pinfold(?= )/, ownProgram({ PATH: process.env.PATH })))
        const [, ...own] = example
          .replace(/^.*?(?=pinfold )/, '')
          .replace(/\s*[#|)].*$/, '')
          .split(/\s+/)
        // Words after -- belong to another program.
        const ours = own.slice(0, [...own, '--'].indexOf('--'))
        const { stdout: usage } = await pinfold([...ours, '--help'])
        expect(usage).toContain('USAGE')
        for (const option of ours.filter((word) => word.startsWith('--'))) expect(usage).toContain(option)
      }
    },
  )

  test('treats --help after -- as an operand', async () => {
    expect(await pinfold(['hugepages', 'unmount', '--', '--help'])).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('output', () => {
  test('into a pipe contains no escapes and no progress; FORCE_COLOR adds colour, and NO_COLOR removes it', async () => {
    const words = ['doctor', '--only', 'machine']
    const piped = await pinfold(words)
    expect(piped.stdout).not.toMatch(ansi)
    expect(piped.stderr).toBe('')
    expect((await pinfold(words, { env: { FORCE_COLOR: '1' } })).stdout).toMatch(ansi)
    expect((await pinfold(words, { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).stdout).not.toMatch(ansi)
    expect((await pinfold(['--help'], { env: { NO_COLOR: '' } })).stdout).not.toMatch(ansi)
    expect((await pinfold([...words, '--json'], { env: { FORCE_COLOR: '1' } })).stdout).not.toMatch(ansi)
  })

  test('on a terminal is coloured, unless NO_COLOR is set', (context) => {
    needs(context, spawnSync('script', ['--version']).status === 0 ? undefined : 'needs script(1)')
    const onTerminal = (environment: Record<string, string>) =>
      execFileSync('script', ['-qec', `${process.execPath} ${mainScript} doctor --only machine`, '/dev/null'], {
        encoding: 'utf8',
        env: { PATH: process.env.PATH, TERM: 'xterm', ...environment },
      })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the test looks for the escape of green
    const green = /\u001b\[32m/
    expect(onTerminal({})).toMatch(green)
    expect(onTerminal({})).toContain('looking at machine')
    expect(onTerminal({ NO_COLOR: '1' })).not.toMatch(green)
  })

  test('that nobody reads any more ends the command without an error message', () => {
    const line = `${process.execPath} ${mainScript} doctor --json | head -c 1`
    const { stdout, stderr } = spawnSync('sh', ['-c', line], { encoding: 'utf8' })
    expect({ stdout, stderr }).toEqual({ stdout: '{', stderr: '' })
  })
})
