import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { root } from '../support/child-process.js'
import { Examples } from '../support/examples.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

// The tools for tests in the runners for which they are made, as a program finds them: in the built package.

const examples = new Examples()
// The folder lies inside the package, so that 'pinfold/testing' resolves to it.
const scratch = `${root}build/runners-${process.pid}`
beforeAll(() => mkdirSync(scratch, { recursive: true }))
afterAll(() => {
  rmSync(scratch, { recursive: true })
  examples[Symbol.dispose]()
})
beforeEach((context) => needs(context, whyNotBuilt))

/** The environment without what this vitest tells its own workers, so that another runner begins anew. */
function env(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_ENV$|TEST$|NODE_TEST_CONTEXT)/.test(name)),
  )
}

function node(...args: readonly string[]) {
  return spawnSync(process.execPath, args, { cwd: scratch, encoding: 'utf8', env: env() })
}

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly failureMessages: readonly string[] }[]
  }[]
}

function vitest(folder: string, pool: string): Report {
  const { stdout, stderr } = node(
    `${root}node_modules/vitest/vitest.mjs`,
    ...['run', '--root', folder, `--pool=${pool}`, '--reporter=json'],
  )
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

describe('the example passes', () => {
  test('with the test runner of Node.js', () => {
    const { status, stdout } = node(examples.file('testing'))
    expect(stdout).toMatch(/^# pass 5$|^ℹ pass 5$/m)
    expect(status).toBe(0)
  })

  test.each(['forks', 'threads'])('with vitest, in %s', (pool) => {
    // Vitest leaves a cache in the folder.
    cpSync(`${root}examples/testing`, `${scratch}/example`, { recursive: true })
    expect(vitest(`${scratch}/example`, pool)).toMatchObject({ numPassedTests: 5, numFailedTests: 0 })
  })
})

describe.each(['forks', 'threads'])('with vitest, in %s', (pool) => {
  test('a test that leaves something open fails, and the next one passes', () => {
    const folder = `${scratch}/${pool}`
    mkdirSync(folder)
    writeFileSync(`${folder}/vitest.config.mjs`, 'export default {}')
    writeFileSync(
      `${folder}/leaking.test.mjs`,
      `
      import { openDevice, openRegistrySync } from 'pinfold'
      import { fixtures } from 'pinfold/testing'
      import { expect, test as base } from 'vitest'
      const test = base.extend(fixtures)
      const memory = openRegistrySync()
      const device = openDevice({ loopback: true })
      test('leaves a region', () => { memory.allocateSync('lost', { size: 4096, pages: 'base' }) })
      test('leaves an object', () => { device.createDomain() })
      test('leaves nothing', async ({ pair }) => {
        pair.near.queuePair.post({ operation: 'write', memory: pair.near.memory, remote: pair.near.remote })
        expect((await pair.near.queue.wait())[0].ok).toBe(true)
      })`,
    )
    const { numPassedTests, numFailedTests, testResults } = vitest(folder, pool)
    expect({ numPassedTests, numFailedTests }).toEqual({ numPassedTests: 1, numFailedTests: 2 })
    const messages = testResults[0]?.assertionResults.map(({ failureMessages }) => failureMessages.join('\n'))
    expect(messages?.[0]).toMatch(/still open: region 'lost'/)
    expect(messages?.[1]).toMatch(/still open: domain \d+/)
  })
})

test('with the test runner of Node.js, a test that leaves something open fails', () => {
  writeFileSync(
    `${scratch}/leaking.mjs`,
    `
    import { test } from 'node:test'
    import { connectedPair, expectNoLeaks, leakCheck } from 'pinfold/testing'
    test('leaves a pair', () => expectNoLeaks(() => { connectedPair() }))
    test('closes it', () => expectNoLeaks(() => connectedPair().close()))
    test('closes it after the test', (context) => {
      const check = leakCheck()
      const pair = connectedPair()
      context.after(() => pair.close())
      context.after(() => check[Symbol.asyncDispose]())
    })`,
  )
  const { status, stdout } = node('--test-reporter=tap', `${scratch}/leaking.mjs`)
  expect(status).toBe(1)
  expect(stdout).toMatch(/^not ok 1 - leaves a pair$/m)
  expect(stdout).toMatch(/still open: device loopback0, region 'near', region 'far', domain \d+, .* and \d+ more/)
  expect(stdout).toMatch(/^ok 2 - closes it$/m)
  expect(stdout).toMatch(/^ok 3 - closes it after the test$/m)
})

test('in worker threads and forks, each finds its own leak and no other', () => {
  const program = `${scratch}/everywhere.mjs`
  writeFileSync(
    program,
    `
    import { fork } from 'node:child_process'
    import { once } from 'node:events'
    import { isMainThread, parentPort, Worker } from 'node:worker_threads'
    import { openRegistrySync } from 'pinfold'
    import { connectedPair, expectNoLeaks } from 'pinfold/testing'

    const file = new URL(import.meta.url)
    const isChild = process.argv[2] === 'child'
    if (isMainThread && !isChild) {
      const workers = [1, 2, 3].map(() => new Worker(file))
      const said = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]))
      const [forked] = await once(fork(file, ['child']), 'message')
      console.log(JSON.stringify([...said, forked]))
    } else {
      const memory = openRegistrySync()
      const found = []
      const look = (test) => { try { expectNoLeaks(test); found.push('nothing') } catch (error) { found.push(error.values.left[0]) } }
      for (let round = 0; round < 50; round++) look(() => connectedPair().close())
      look(() => memory.allocateSync('lost', { size: 4096, pages: 'base' }))
      memory.close()
      const summary = [...new Set(found)]
      if (isMainThread) process.send(summary)
      else parentPort.postMessage(summary)
      if (isMainThread) process.disconnect()
    }`,
  )
  const { status, stdout, stderr } = node(program)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(JSON.parse(stdout)).toEqual(Array(4).fill(['nothing', "region 'lost'"]))
})
