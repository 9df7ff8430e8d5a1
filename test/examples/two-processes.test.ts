import { afterAll, beforeEach, expect, test } from 'vitest'
import { Program } from '../support/child-process.js'
import { Examples, outputsShown } from '../support/examples.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

const examples = new Examples()
afterAll(() => examples[Symbol.dispose]())
beforeEach((context) => needs(context, whyNotBuilt))

/** Starts the client again and again until the server listens. */
async function client(): Promise<string> {
  for (;;) {
    const { status, stdout, stderr } = examples.run('two-processes', ['client'])
    if (status === 0) return stdout
    if (!stderr.includes('ECONNREFUSED')) throw new Error(stderr)
  }
}

test('a server and a client reach each other as two processes on the loopback', async () => {
  await using server = new Program([process.execPath, examples.file('two-processes'), 'server'])
  const [served, asked] = outputsShown('two-processes')
  expect(await client()).toMatch(asked ?? /nothing/)
  expect(`${await server.line()}\n`).toMatch(served ?? /nothing/)
  expect(await server.ended).toEqual({ code: 0, signal: null, stderr: '' })
})
