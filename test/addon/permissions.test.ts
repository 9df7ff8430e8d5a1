import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { addon, importOutcome, makePackage, prebuilt, scratchFolder } from '../support/addon-package.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

beforeEach((context) => needs(context, whyNotBuilt))

/** The option that turns Node's permission model on. */
const permission = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

function packageHere(): string {
  return makePackage(scratchFolder(), { [prebuilt]: { copyOf: addon } })
}

test('the permission model without --allow-addons: the hint is the option that is missing', () => {
  const module = join(packageHere(), 'dist/index.js')
  const options = [permission, '--allow-fs-read=*']
  expect(importOutcome(module, { options })).toMatchObject({
    code: 'ERR_ADDON_LOAD',
    message: expect.stringContaining("cannot be loaded: Node's permission model allows no addons"),
    values: { reason: 'disabled' },
    hint: 'start Node with --allow-addons',
    cause: expect.stringContaining('loading addons is disabled'),
  })
  expect(importOutcome(module, { options: [...options, '--allow-addons'] })).toMatchObject({
    exports: expect.any(Number),
  })
})

test('the permission model, if it hides the file: the hint is the option with the folder of the package', () => {
  const folder = packageHere()
  const module = join(folder, 'dist/index.js')
  const options = [
    permission,
    '--allow-addons',
    `--allow-fs-read=${folder}/dist/*`,
    `--allow-fs-read=${folder}/package.json`,
  ]
  const outcome = importOutcome(module, { options })
  expect(outcome).toMatchObject({
    message: expect.stringContaining("may not be read: Node's permission model forbids it"),
    values: { reason: 'unreadable', path: join(folder, prebuilt) },
    hint: `start Node with --allow-fs-read=${folder}/*`,
  })
  expect(importOutcome(module, { options: [...options, `--allow-fs-read=${folder}/*`] })).toMatchObject({
    exports: expect.any(Number),
  })
})

test('--no-addons, as an option and in NODE_OPTIONS', () => {
  const module = join(packageHere(), 'dist/index.js')
  const expected = {
    message: expect.stringContaining('cannot be loaded: Node was started with --no-addons'),
    values: { reason: 'disabled' },
    hint: 'start Node without --no-addons',
  }
  expect(importOutcome(module, { options: ['--no-addons'] })).toMatchObject(expected)
  expect(importOutcome(module, { env: { NODE_OPTIONS: '--no-addons' } })).toMatchObject(expected)
})

test('the permission model, if it hides the files of the kernel: the hint is the options that are missing', () => {
  const folder = packageHere()
  const program = `
    import { openRegistrySync } from ${JSON.stringify(join(folder, 'dist/index.js'))}
    const memory = openRegistrySync()
    try {
      console.log(memory.allocateSync('a', { size: '4MiB', pages: ['2MiB', 'base'] }).name)
    } catch ({ code, hint }) {
      console.log(code, hint)
    }
    memory.close()`
  const outputWith = (...more: readonly string[]) =>
    spawnSync(
      process.execPath,
      [permission, '--allow-addons', `--allow-fs-read=${folder}/*`, ...more, '--input-type=module', '--eval', program],
      { encoding: 'utf8' },
    ).stdout
  const missing = ['--allow-fs-read=/proc/*', '--allow-fs-read=/sys/*']
  expect(outputWith()).toBe(`ERR_PERMISSION start Node with ${missing.join(' ')}\n`)
  expect(outputWith(...missing)).toBe('a\n')
})
