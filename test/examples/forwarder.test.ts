import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { Examples, outputsShown } from '../support/examples.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

const examples = new Examples()
afterAll(() => examples[Symbol.dispose]())
beforeEach((context) => needs(context, whyNotBuilt))

/** The lines 'what: count' of an output. */
function countsIn(output: string): Record<string, number> {
  const lines = [...output.matchAll(/^([^:\n]+): ([\d,]+)$/gm)]
  return Object.fromEntries(lines.map(([, what, count = '']) => [what, Number(count.replaceAll(',', ''))]))
}

describe('the forwarder', () => {
  test('forwards 14 of 16 packets, frees the others, and loses none if it sets the rate', () => {
    const { status, stdout, stderr } = examples.run('forwarder', ['64000'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(outputsShown('forwarder')[0] ?? /nothing/)
    expect(countsIn(stdout)).toEqual({
      received: 64_000,
      sent: 56_000,
      'freed, end of life': 4000,
      'freed, no route': 4000,
      'lost, receive ring full': 0,
      'lost, transmit ring full': 0,
    })
    expect(stdout).toContain('8192 of 8192 packets are free again')
  })

  test('counts each packet once when more packets come than it can take', () => {
    const { status, stdout, stderr } = examples.run('forwarder', ['1000001', '1000000000'])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(outputsShown('forwarder')[1] ?? /nothing/)
    const counts = countsIn(stdout)
    const sumOf = (...names: string[]) => names.reduce((sum, name) => sum + (counts[name] ?? Number.NaN), 0)
    expect(counts['lost, receive ring full']).toBeGreaterThan(0)
    expect(sumOf('received', 'lost, receive ring full')).toBe(1_000_001)
    expect(sumOf('sent', 'freed, end of life', 'freed, no route', 'lost, transmit ring full')).toBe(counts.received)
    expect(stdout).toContain('8192 of 8192 packets are free again')
  })

  test.each([
    [['0'], "packets: expected 1 or more, received '0'"],
    [['many'], "packets: expected 1 or more, received 'many'"],
    [['5', '-1'], "packets in a second: expected a number above 0, received '-1'"],
  ])('refuses %j', (args, message) => {
    const { status, stdout, stderr } = examples.run('forwarder', args)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(message)
  })
})
