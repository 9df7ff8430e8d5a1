import { beforeEach, describe, expect, test } from 'vitest'
import type { FlowReport, LatencyReport, PerfReport } from '../../src/perf/report.js'
import { checkedReport } from '../../src/perf/report-schema.js'
import { Program } from '../support/child-process.js'
import { mainScript, pinfold } from '../support/command-line.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

beforeEach((context) => needs(context, whyNotBuilt))

const command = (...words: readonly string[]) => [process.execPath, mainScript, 'perf', ...words, '-d', 'loopback']

/** A server that waits, and the words by which a client reaches it. */
async function serverOf(tool: string, ...words: readonly string[]) {
  const program = new Program(command(tool, '-p', '0', ...words))
  const port = / (\d+)$/.exec(await program.line())?.[1] ?? ''
  return { program, client: ['localhost', '-p', port] }
}

/** Runs both sides. The server prints text, and the client its document. */
async function measured(tool: string, words: readonly string[], serverWords: readonly string[] = []) {
  const { program, client } = await serverOf(tool, ...serverWords)
  await using server = program
  await using asking = new Program(command(tool, ...client, '--json', ...words))
  const lines: string[] = []
  for (let line = await asking.line(); ; line = await asking.line()) {
    lines.push(line)
    if (line === '}') break
  }
  const ends = await Promise.all([asking.ended, server.ended])
  const report = checkedReport('the document', JSON.parse(lines.join('\n')))
  return { report, ends: ends.map(({ code, stderr }) => ({ code, stderr })) }
}

const good = [
  { code: 0, stderr: '' },
  { code: 0, stderr: '' },
]

function flowOf(report: PerfReport): FlowReport['results'][number] {
  if (report.tool !== 'bandwidth' && report.tool !== 'rate') throw new Error(report.tool)
  return report.results[0] ?? expect.fail('no result')
}

function latencyOf(report: PerfReport): LatencyReport['results'][number] {
  if (report.tool !== 'latency') throw new Error(report.tool)
  return report.results[0] ?? expect.fail('no result')
}

describe('pinfold perf bandwidth and rate, between two processes', () => {
  test.each([
    ['-n 200', 200],
    ['-n 200 --operation read -s 4KiB --validate', 200],
    ['-n 200 --operation send -s 4KiB --validate', 200],
    ['-n 200 --operation write -s 4KiB --validate', 200],
    ['-n 200 --operation fetchAndAdd --validate', 200],
    ['-n 200 --operation compareAndSwap --validate', 200],
    ['-n 200 --operation send -c UC', 200],
    ['-n 200 --operation send -c UD -s 1024', 200],
    ['-n 200 -q 3', 600],
    ['-n 200 -l 16 -Q 8 -t 64 -I 64 -s 64', 200],
    ['-n 200 -e', 200],
    ['-n 200 -e --operation send -r 16', 200],
    ['-n 200 -R -q 2', 400],
    ['-n 200 -m 1024 -F', 200],
  ])('%s', async (words, messages) => {
    const { report, ends } = await measured('bandwidth', words.split(' '))
    expect(ends).toEqual(good)
    const { local, remote, sum, bytes } = flowOf(report)
    expect(local).toMatchObject({ messages, bytes: messages * bytes })
    expect(remote).toBeUndefined()
    expect(sum.messages).toBe(messages)
    expect(local?.gigabitsPerSecond).toBeCloseTo((messages * bytes * 8) / (local?.seconds ?? 0) / 1e9, 6)
    if (words.includes('--validate')) {
      expect(local?.validated).toMatchObject({ differences: 0, first: null })
      expect(local?.validated?.messages).toBeGreaterThan(0)
    } else expect(local?.validated).toBeUndefined()
  })

  test('in both directions, with the sum', async () => {
    const { report, ends } = await measured('rate', ['-n', '500', '-b', '--operation', 'send', '--validate'])
    expect(ends).toEqual(good)
    const { local, remote, sum } = flowOf(report)
    expect([local?.messages, remote?.messages, sum.messages]).toEqual([500, 500, 1000])
    expect([local?.validated, remote?.validated]).toEqual(Array(2).fill({ messages: 500, differences: 0, first: null }))
    expect(report.options).toMatchObject({ postList: 32, sizes: [64] })
  })

  test('with a duration, intervals and a rate', async () => {
    const { report, ends } = await measured('bandwidth', ['-D', '1', '--interval', '0.2', '--rate', '100', '-s', '64'])
    expect(ends).toEqual(good)
    const { local } = flowOf(report)
    // The schedule of one second: a busy machine may send fewer, and never more.
    expect(local?.messages).toBeGreaterThan(0)
    expect(local?.messages).toBeLessThanOrEqual(Math.floor(100 * (local?.seconds ?? 0)) + 1)
    const [minimum = 0, peak = 0] = [local?.minimum?.messagesPerSecond, local?.peak?.messagesPerSecond]
    expect(minimum).toBeLessThanOrEqual(peak)
    expect(local?.intervals.length).toBeGreaterThan(0)
  })

  test.each(['write', 'send'])('several sizes of %s', async (operation) => {
    const words = ['-n', '700', '-s', '4KiB,64,256KiB', '--operation', operation, '--validate']
    const { report, ends } = await measured('bandwidth', words)
    expect(ends).toEqual(good)
    expect(report.results.map(({ bytes }) => bytes)).toEqual([4096, 64, 2 ** 18])
    if (report.tool !== 'bandwidth') throw new Error(report.tool)
    for (const { local } of report.results) expect(local?.validated?.differences).toBe(0)
  })
})

test.each(['write', 'send', 'read'])(
  'few messages of each size of %s are compared with their own size',
  async (operation) => {
    // Fewer than the slots, so that those of the size before are still in memory.
    const words = ['-n', '10', '-s', '64,128', '--warmup', '0', '--operation', operation, '--validate']
    const { report, ends } = await measured('bandwidth', words)
    expect(ends).toEqual(good)
    if (report.tool !== 'bandwidth') throw new Error(report.tool)
    const expected = { messages: 10, differences: 0, first: null }
    expect(report.results.map(({ local }) => local?.validated)).toEqual([expected, expected])
  },
)

describe('pinfold perf latency, between two processes', () => {
  test.each([
    ['-n 100', 'half of the round trip'],
    ['-n 100 --validate -s 4KiB', 'half of the round trip'],
    ['-n 100 --operation send --validate', 'half of the round trip'],
    ['-n 100 --operation send -e', 'half of the round trip'],
    ['-n 100 --operation send -c UD', 'half of the round trip'],
    ['-n 100 --operation read', 'operation'],
    ['-n 100 --operation fetchAndAdd', 'operation'],
    ['-n 100 --operation compareAndSwap', 'operation'],
  ])('%s', async (words, kind) => {
    const { report, ends } = await measured('latency', words.split(' '))
    expect(ends).toEqual(good)
    const { latency, measured: how, iterations, validated, late } = latencyOf(report)
    expect([how, iterations, latency.count, late]).toEqual([kind, 100, 100, undefined])
    const { p50, p90, p99, p99_9, p99_99 } = latency.percentiles
    const times = [latency.minimum, p50, p90, p99, p99_9, p99_99]
    expect(times).toEqual([...times].sort((one, other) => one - other))
    if (words.includes('--validate')) expect(validated).toEqual({ messages: 200, differences: 0, first: null })
  })

  test.each(['write', 'send', 'read'])('several sizes of %s', async (operation) => {
    const { report, ends } = await measured('latency', ['-n', '50', '-s', '4KiB,2,64KiB', '--operation', operation])
    expect(ends).toEqual(good)
    expect(report.results.map(({ bytes }) => bytes)).toEqual([4096, 2, 65_536])
  })

  test('with a rate, from the intended start, too', async () => {
    const { report, ends } = await measured('latency', ['-D', '0.5', '--rate', '200'])
    expect(ends).toEqual(good)
    const { latency, late } = latencyOf(report)
    expect(late?.count).toBe(latency.count)
    expect(late?.mean).toBeGreaterThanOrEqual(latency.mean)
  })
})

describe('two sides that do not fit', () => {
  test('say which options differ, each from its side', async () => {
    const { program, client } = await serverOf('bandwidth', '-s', '64')
    await using server = program
    await using asking = new Program(command('bandwidth', ...client, '-s', '128'))
    const [ours, theirs] = await Promise.all([asking.ended, server.ended])
    expect([ours.code, theirs.code]).toEqual([2, 2])
    expect(ours.stderr).toContain('--size is 128 here and 64 at the peer')
    expect(theirs.stderr).toContain('--size is 64 here and 128 at the peer')
  })

  test('say so when the commands differ', async () => {
    const { program, client } = await serverOf('latency')
    await using server = program
    await using asking = new Program(command('rate', ...client))
    const [ours, theirs] = await Promise.all([asking.ended, server.ended])
    expect([ours.code, theirs.code]).toEqual([2, 2])
    expect(ours.stderr).toContain('the command is rate here and latency at the peer')
  })

  test('a second client is told that the server is busy', async () => {
    const { program, client } = await serverOf('bandwidth')
    await using server = program
    await using first = new Program(command('bandwidth', ...client, '-D', '60', '--interval', '0.1'))
    for (let line = await first.line(); !line.includes(' at 0.'); ) line = await first.line()
    await using second = new Program(command('bandwidth', ...client))
    const { code, stderr } = await second.ended
    expect(stderr).toContain('the peer gave up: it measures with another client at present')
    expect(code).toBe(1)
    first.kill('SIGINT')
    expect((await Promise.all([first.ended, server.ended])).map((end) => end.code)).toEqual([0, 0])
  })

  test('a side whose peer was killed ends with the reason', async () => {
    const { program, client } = await serverOf('bandwidth')
    await using server = program
    await using asking = new Program(command('bandwidth', ...client, '-D', '60', '--interval', '0.1'))
    for (let line = await asking.line(); !line.includes(' at 0.'); ) line = await asking.line()
    await server.kill('SIGKILL')
    const { code, stderr } = await asking.ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/the peer is gone|RETRY_EXC_ERR|WR_FLUSH_ERR/)
  })

  test('Ctrl-C ends a measurement on both sides, with what was measured', async () => {
    const { program, client } = await serverOf('bandwidth')
    await using server = program
    await using asking = new Program(command('bandwidth', ...client, '-D', '60', '--interval', '0.1'))
    for (let line = await asking.line(); !line.includes(' at 0.'); ) line = await asking.line()
    asking.kill('SIGINT')
    const [ours, theirs] = await Promise.all([asking.ended, server.ended])
    expect([ours, theirs]).toEqual(Array(2).fill({ code: 0, signal: null, stderr: '' }))
  })
})

test.each([
  [['bandwidth', '--operation', 'scan'], /one of write, read, send, .* as the operation, but received 'scan'/],
  [['bandwidth', '-s', '0'], /--size from 1 to/],
  [['bandwidth', '-s', '64', '-a'], /--size or --all, not both/],
  [['bandwidth', '-c', 'XRC'], /one of RC, UC, UD as the transport, but received 'XRC'/],
  [['bandwidth', '-n', '0'], /--iterations as a whole number of 1 or more/],
  [['bandwidth', 'localhost', '--keep'], /--keep on the server alone/],
  [['bandwidth', '--wait', '3'], /--wait on the client alone/],
  [['bandwidth', '--cpus', 'all'], /CPUs such as '2', '0,1' or '0-3', but received 'all'/],
  [['rate', '--rate', '-1'], /--rate is missing its value/],
  [['latency', 'localhost', 'again'], /one word too many: 'again'/],
])('%j is refused with a message', async (words, message) => {
  const { code, stderr } = await pinfold(['perf', ...words])
  expect(stderr).toMatch(message)
  expect(code).toBe(2)
})

test('a client says that no server answers', async () => {
  const { code, stderr } = await pinfold(['perf', 'latency', 'localhost', '-p', '1', '--wait', '0.1'])
  expect(stderr).toMatch(/no server answers at localhost, TCP port 1, for 0.1 s: .*ECONNREFUSED/)
  expect(code).toBe(1)
})
