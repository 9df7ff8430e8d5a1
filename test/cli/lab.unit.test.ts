import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, test, vi } from 'vitest'
import { labelled } from '../../src/cli/lab/labelled.js'
import { machineOptions } from '../../src/cli/lab/machine-arguments.js'

describe('the output of several machines', () => {
  test('is printed in whole lines with the number of the machine, also if the last line has no newline', async () => {
    const out = new PassThrough()
    const [one, two] = [labelled(out, 0), labelled(out, 1)]
    one.write('a')
    two.write('x\ny')
    one.write('b\n\nc\n')
    one.end()
    two.end()
    await Promise.all([one, two].map((stream) => new Promise((resolve) => stream.on('end', resolve))))
    out.end()
    const lines = (await text(out)).split('\n').filter(Boolean)
    expect(lines.filter((line) => line.startsWith('0'))).toEqual(['0| ab', '0| ', '0| c'])
    expect(lines.filter((line) => line.startsWith('1'))).toEqual(['1| x', '1| y'])
  })

  test('stays as it was, byte for byte', async () => {
    const out = new PassThrough()
    const stream = labelled(out, 3)
    stream.write(Buffer.from([0xff, 0x00, 0x0a]))
    stream.end()
    await new Promise((resolve) => stream.on('end', resolve))
    expect(out.read()).toEqual(Buffer.from([0x33, 0x7c, 0x20, 0xff, 0x00, 0x0a]))
  })
})

test('the processor of a machine is one that the lab knows', () => {
  expect(machineOptions({ arch: 'arm64' }, []).arch).toBe('arm64')
  expect(machineOptions({}, []).arch).toBeUndefined()
  expect(() => machineOptions({ arch: 'aarch64' }, [])).toThrowCode('ERR_INVALID_ARGUMENT', {
    message: "expected a processor, x64 or arm64, but received 'aarch64'",
  })
})

describe('variables for the command', () => {
  test('are given with a value or by name, any number of times, and only before the command', () => {
    vi.stubEnv('OURS', 'here')
    const words = ['--env', 'A=1,2', '--env=B==', '--env', 'OURS', '--env', 'ABSENT_HERE', '--', 'x', '--env', 'C=1']
    expect(machineOptions({}, words).env).toEqual({ A: '1,2', B: '=', OURS: 'here' })
    vi.unstubAllEnvs()
  })

  test.each(['=x', '1A=x', 'A B=1'])('%j is refused', (word) => {
    expect(() => machineOptions({}, ['--env', word])).toThrowCode('ERR_INVALID_ARGUMENT')
  })
})
