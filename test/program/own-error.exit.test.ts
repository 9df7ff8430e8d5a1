import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { type End, Program, root } from '../support/child-process.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

// A program that ends by an error must show this error, whatever is open then. Each program runs like a user's program:
// as TypeScript, whose `using` is compiled away, and as JavaScript on a Node that supports `using` itself.

// The folder lies inside the package, so that 'pinfold' resolves to it, as in a program that has installed it.
const scratch = `${root}build/own-error-${process.pid}`
mkdirSync(scratch, { recursive: true })
afterAll(() => rmSync(scratch, { recursive: true }))

const node24 = `${root}.ci/nodes/node_modules/node-24-${process.arch}/bin/node`
const runtimes = [
  {
    runtime: 'TypeScript, by tsx',
    command: [process.execPath, '--import', 'tsx'],
    extension: 'ts',
    missing: undefined,
  },
  {
    runtime: 'JavaScript, on Node 24',
    command: [node24],
    extension: 'mjs',
    missing: existsSync(node24) ? undefined : 'needs the Node 24 of .ci/nodes: bash .ci/setup platforms',
  },
]

const opening = `
import { openDevice, openRegistry, openRegistrySync } from 'pinfold'
const regions = { rx: { size: '64KiB', pages: 'base' } }
`
const ownError = `throw new Error('of the program itself')`

let programs = 0

/** The end of a program that consists of `opening` and `code`. */
async function end(command: readonly string[], extension: string, code: string): Promise<End> {
  const file = `${scratch}/${++programs}.${extension}`
  writeFileSync(file, opening + code)
  await using program = new Program([...command, file])
  return await program.ended
}

/** The errors that a program prints, without lines of source and stacks. */
const shown = (stderr: string) => stderr.match(/^ *(\[cause\]: |error: |suppressed: )?(\w*Error)\b.*$/gm)

describe.each(runtimes)('$runtime', ({ command, extension, missing }) => {
  beforeEach((context) => needs(context, whyNotBuilt, missing))

  test.each([
    ['await using a registry', `await using memory = await openRegistry({ regions })`],
    ['using a registry', `using memory = openRegistrySync({ regions })`],
    [
      'await using a region',
      `const memory = openRegistrySync()
      await using rx = memory.allocateSync('rx', regions.rx)`,
    ],
    [
      'using a region',
      `const memory = openRegistrySync()
      using rx = memory.allocateSync('rx', regions.rx)`,
    ],
  ])('%s that is held: the error is shown, and the holder', async (_, declaration) => {
    const body = `${declaration}\nconst hold = memory.get('rx').hold('a disk write')\n${ownError}`
    for (const program of [body, `async function main() {\n${body}\n}\nawait main()`]) {
      const { code, stderr } = await end(command, extension, program)
      expect(stderr).toContain('Error: of the program itself\n')
      expect(stderr).toMatch(/PinfoldError.*held.*a disk write/)
      expect(stderr).toContain("code: 'ERR_REGION_HELD'")
      expect(code).toBe(1)
    }
  })

  // Objects that depend on others, and that the program does not close itself.
  const onDevice = `
    using queue = device.createCompletionQueue({ entries: 256, channel: device.createCompletionChannel() })
    const other = device.createCompletionQueue({ entries: 256 })
    const queuePair = domain.createQueuePair({ sendQueue: queue, receiveQueue: other })
    queuePair.connect(queuePair.describe())
    const window = domain.allocateWindow()
    using registration = memory.registerSync(memory.regions.rx, domain, ['localWrite', 'bindWindow'])
    queuePair.post({ operation: 'bind', window, memory: registration, access: ['remoteRead'] })
    await queue.wait()
    memory.registerSync(memory.regions.rx, domain, [])
    domain.createQueuePair({ sendQueue: other, sharedReceiveQueue: domain.createSharedReceiveQueue({ requests: 4 }) })
    const implicit = domain.registerImplicit([])
    using part = implicit.cover(memory.regions.rx)
  `
  const device = `using device = openDevice({ loopback: true })`
  const domain = `using domain = device.createDomain()`
  const memory = `using memory = openRegistrySync({ regions })`
  const orders = [
    ['the registry first', [memory, device, domain]],
    ['the device first', [device, domain, memory]],
    ['the device first, and the registry before the domain', [device, memory, domain]],
    ['the registry by await using', [device, `await ${memory}`, domain]],
  ] as const

  test.each(orders)(
    'with all objects of a device open, declared %s: only the error is shown',
    async (_, declarations) => {
      const { code, stderr } = await end(command, extension, [...declarations, onDevice, ownError].join('\n'))
      expect(shown(stderr)).toEqual(['Error: of the program itself'])
      expect(code).toBe(1)
    },
  )

  test.each(orders)(
    'with all objects of a device open, declared %s: a program without errors ends well',
    async (_, declarations) => {
      expect(await end(command, extension, [...declarations, onDevice].join('\n'))).toEqual({
        code: 0,
        signal: null,
        stderr: '',
      })
    },
  )

  test('with a registration under way, which nothing can close: the error is shown, and the registration', async () => {
    const code = [device, domain, memory, `memory.register(memory.regions.rx, domain, []).catch(() => {})`, ownError]
    const { code: status, stderr } = await end(command, extension, code.join('\n'))
    expect(stderr).toContain('Error: of the program itself\n')
    expect(stderr).toContain("code: 'ERR_REGION_HELD'")
    expect(status).toBe(1)
  })

  test.each(['memory', 'memory.regions.rx'])(
    'a wait to close %s keeps the process alive, and leaves no timer',
    async (closer) => {
      const code = `
      const memory = openRegistrySync({ regions })
      const hold = memory.regions.rx.hold('a disk write')
      const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
      const seen = []
      // The timer of this signal alone does not keep a process alive.
      const waiting = ${closer}.closeWhenReleased({ signal: AbortSignal.timeout(50) }).catch(({ name }) => name)
      seen.push(timers(), await waiting, timers())
      const closing = ${closer}.closeWhenReleased()
      await new Promise((resolve) => process.on('warning', resolve))
      seen.push(timers())
      hold.release()
      await closing
      seen.push(timers())
      console.error(JSON.stringify(seen))
    `
      const { code: status, stderr } = await end(command, extension, code)
      expect(stderr).toContain('[1,"TimeoutError",0,1,0]')
      expect(status).toBe(0)
    },
  )

  test('a wait to close that never ends reports the holders once, and process.exit ends it', async () => {
    const code = `
      const memory = openRegistrySync({ regions })
      function save() { return memory.regions.rx.hold('a disk write') }
      const hold = save()
      process.on('warning', () => setImmediate(() => process.exit(7)))
      await memory.closeWhenReleased()
    `
    const { code: status, stderr } = await end(command, extension, code)
    expect(status).toBe(7)
    expect(stderr.match(/PINFOLD_HELD/g)).toHaveLength(1)
    expect(stderr).toMatch(/1 of 1 region is held: 'rx' by a disk write\n.*made\n +at save \(.*:6:/)
  })
})

test('a test of vitest shows its assertion if its registry is held', async () => {
  writeFileSync(`${scratch}/vitest.config.mjs`, `export default { oxc: { target: 'es2022' } }\n`)
  writeFileSync(
    `${scratch}/held.test.ts`,
    `import { expect, test } from 'vitest'
    ${opening}
    test('fails', { timeout: 3000 }, async () => {
      await using memory = await openRegistry({ regions })
      const hold = memory.regions.rx.hold('a disk write')
      expect('seen').toBe('wanted')
    })\n`,
  )
  await using program = new Program([process.execPath, 'node_modules/vitest/vitest.mjs', 'run', '--root', scratch])
  const { code, stderr } = await program.ended
  expect(stderr).not.toContain('timed out')
  expect(stderr).toMatch(/expected 'seen' to be 'wanted'/)
  expect(stderr).toMatch(/region.* held: .*a disk write/)
  expect(code).toBe(1)
})
