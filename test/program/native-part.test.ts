import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { root } from '../support/child-process.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

const library = join(root, 'dist/index.js')

beforeEach((context) => needs(context, whyNotBuilt))

/** A package that contains the library and no addon. */
function packageWithoutAddon(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pinfold-without-addon-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'dist'))
  copyFileSync(library, join(folder, 'dist/index.js'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  return folder
}

/** The error of importing the library in this folder; empty if there is none. */
function importIn(folder: string): unknown {
  const program = `
    import('./dist/index.js').then(
      () => console.log('{}'),
      ({ name, code, message, values, hint }) => console.log(JSON.stringify({ name, code, message, values, hint })))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

test('without a native part the library names every place where it looked, and remedies', () => {
  const folder = packageWithoutAddon()
  const platform = `${process.platform}-${process.arch}`
  const message = [
    join(folder, 'build/Release/pinfold.node'),
    join(folder, `prebuilds/${platform}-glibc/pinfold.node`),
    join(folder, `prebuilds/${platform}-musl/pinfold.node`),
    'remedies:',
    `this package has binaries for no platform, and this is ${platform}`,
  ]
  const error = importIn(folder)
  expect(error).toMatchObject({ name: 'PinfoldError', code: 'ERR_ADDON_LOAD', values: { node: process.version } })
  for (const words of message) expect(error).toMatchObject({ message: expect.stringContaining(words) })
  expect(error).not.toHaveProperty('hint')
  writeFileSync(join(folder, 'CMakeLists.txt'), '')
  expect(importIn(folder)).toMatchObject({ hint: 'npm run build', message: expect.stringContaining('npm run build') })
})

test('if a native part does not load, the library tries the next one', () => {
  const folder = packageWithoutAddon()
  const broken = join(folder, 'build/Release')
  mkdirSync(broken, { recursive: true })
  writeFileSync(join(broken, 'pinfold.node'), 'no shared object')
  expect(importIn(folder)).toMatchObject({
    code: 'ERR_ADDON_LOAD',
    message: expect.stringMatching(/build\/Release\/pinfold\.node: .*(file too short|invalid ELF header)/),
  })
  const prebuilt = join(folder, `prebuilds/${process.platform}-${process.arch}-glibc`)
  mkdirSync(prebuilt, { recursive: true })
  cpSync(join(root, 'build/Release/pinfold.node'), join(prebuilt, 'pinfold.node'))
  expect(importIn(folder)).toEqual({})
})
