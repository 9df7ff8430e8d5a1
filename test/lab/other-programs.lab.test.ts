import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { transform } from 'esbuild'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { root } from '../support/child-process.js'
import { examplesOf } from '../support/guide-examples.js'
import { lab, whyNoLab } from '../support/lab.js'
import { needs } from '../support/requirements.js'

beforeEach((context) => needs(context, whyNoLab()))

// The folder lies inside the package, so that 'pinfold' resolves to it, as in a program that has installed it.
const scratch = `${root}build/other-programs-${process.pid}`
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** The example of the guide, compiled to JavaScript. Under emulation, compiling takes longer than running. */
async function pingPong(): Promise<string> {
  const [example] = examplesOf(readFileSync(`${root}docs/talking-to-other-programs.md`, 'utf8'))
  const { code } = await transform(example?.code ?? '', { loader: 'ts', target: 'node20.19', format: 'esm' })
  mkdirSync(scratch, { recursive: true })
  writeFileSync(`${scratch}/pingpong.mjs`, code)
  return `${scratch}/pingpong.mjs`
}

describe('the ping-pong of the guide', () => {
  test('exchanges messages with ibv_rc_pingpong over Soft-RoCE, as client and as server', {
    timeout: 300_000,
  }, async () => {
    const script = fileURLToPath(new URL('../support/programs/pingpong-in-lab.mjs', import.meta.url))
    const { status, stdout, stderr } = await lab(['run', '--', process.execPath, script, await pingPong()])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    const [client, server] = stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(client.ours).toEqual({ status: 0, said: 'client: 1000 sent, 1000 received, as sent\n' })
    expect(client.theirs).toEqual({ status: 0, said: expect.stringMatching(/^1000 iters in /m) })
    expect(server.ours).toEqual({
      status: 0,
      said: 'listening on 18515\nserver: 1000 sent, 1000 received, as sent\n',
    })
    expect(server.theirs).toEqual({ status: 0, said: expect.stringMatching(/^1000 iters in /m) })
  })
})
