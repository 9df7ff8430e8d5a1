import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { Examples, outputsShown } from '../support/examples.js'
import { lab, whyNoLab } from '../support/lab.js'
import { needs } from '../support/requirements.js'

const examples = new Examples()
afterAll(() => examples[Symbol.dispose]())
beforeEach((context) => needs(context, whyNoLab()))

describe('the key-value store', () => {
  test('serves a client on another host over Soft-RoCE', { timeout: 600_000 }, async () => {
    const program = `${process.execPath} ${examples.file('key-value-store', true)}`
    const script = `if [ $LAB_HOST = 0 ]; then exec ${program} serve; fi; exec ${program} lab0`
    const { status, stdout, stderr } = await lab(['run', '--hosts', '2', '--', 'sh', '-c', script])
    expect(stderr).toMatch(
      /^(1\| client: no server at lab0 yet, trying for 2 minutes\n)?host 0 ended with 0 .*; host 1 ended with 0 .*\n$/,
    )
    expect(status).toBe(0)
    // The lines of both hosts, each host's in its order.
    const lines = stdout.toString().trim().split('\n')
    const inOrder = [...lines.filter((line) => line.startsWith('0|')), ...lines.filter((line) => line.startsWith('1|'))]
    expect(`${inOrder.join('\n')}\n`).toMatch(outputsShown('key-value-store')[1] ?? /nothing/)
  })
})
