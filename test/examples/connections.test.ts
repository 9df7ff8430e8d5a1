import { type ChildProcess, spawn } from 'node:child_process'
import { afterAll, describe, expect, test } from 'vitest'
import { root } from '../support/child-process.js'
import { Examples, outputsShown } from '../support/examples.js'

const examples = new Examples()
afterAll(() => examples[Symbol.dispose]())

function start(name: string, args: readonly string[]) {
  const env = { ...process.env, RPING_DEVICE: 'loopback0' }
  const child = spawn(process.execPath, [examples.file(name), ...args], { cwd: root, env })
  const said = { output: '', errors: '' }
  child.stdout.on('data', (chunk) => {
    said.output += chunk
  })
  child.stderr.on('data', (chunk) => {
    said.errors += chunk
  })
  return { child, said }
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.on('close', (status) => resolve(status)))
}

/** Runs a server and a client as two processes on the loopback. @returns their outputs, the server's first */
async function bothSides(name: string, server: readonly string[], client: readonly string[]): Promise<string> {
  const one = start(name, server)
  const isOver = ended(one.child)
  await new Promise<void>((resolve, reject) => {
    one.child.stdout.on('data', () => {
      if (one.said.output.includes('listens')) resolve()
    })
    one.child.on('close', () => reject(new Error(one.said.errors)))
  })
  const other = start(name, client)
  expect(await ended(other.child), other.said.errors).toBe(0)
  expect(await isOver, one.said.errors).toBe(0)
  return one.said.output + other.said.output
}

describe('two processes find each other on the loopback:', () => {
  test('the echo, by a name', async () => {
    expect(await bothSides('echo', ['server'], ['client'])).toMatch(outputsShown('echo')[0] ?? /nothing/)
  })

  test('rping, by an address', async () => {
    const at = ['127.0.0.1', '7284']
    expect(await bothSides('rping', ['server', ...at], ['client', ...at])).toMatch(
      outputsShown('rping')[0] ?? /nothing/,
    )
  })
})
