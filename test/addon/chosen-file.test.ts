import { spawnSync } from 'node:child_process'
import { chmodSync, constants, copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  addon,
  type ImportOptions,
  type ImportOutcome,
  importOutcome,
  makePackage,
  prebuilt,
  scratchFolder,
} from '../support/addon-package.js'
import { asNobody } from '../support/child-process.js'
import { forMachine } from '../support/machine-code.js'
import { needs, whyNotBuilt, whyNotNobody } from '../support/requirements.js'

// PINFOLD_ADDON=/path names another file.

beforeEach((context) => needs(context, whyNotBuilt))

/** A package that loads without the variable. */
function packageHere(): { folder: string; importWith: (path: string, options?: ImportOptions) => ImportOutcome } {
  const folder = makePackage(scratchFolder(), { [prebuilt]: { copyOf: addon } })
  const importWith = (path: string, options: ImportOptions = {}) =>
    importOutcome(join(folder, 'dist/index.js'), { ...options, env: { PINFOLD_ADDON: path } })
  return { folder, importWith }
}

test('the file that it names is loaded, and no other one', () => {
  const { folder, importWith } = packageHere()
  const path = join(folder, 'elsewhere.node')
  copyFileSync(addon, path)
  expect(importWith(path)).toMatchObject({ loaded: path })
  expect(importWith('')).toMatchObject({ loaded: join(folder, prebuilt) })
})

test('a value that is no absolute path of an addon is refused: the hint is the right value', () => {
  const { importWith } = packageHere()
  expect(importWith('some/pinfold.node')).toMatchObject({
    code: 'ERR_ADDON_LOAD',
    message: "PINFOLD_ADDON is 'some/pinfold.node', and an absolute path is expected",
    values: { reason: 'variable', path: 'some/pinfold.node' },
    hint: 'PINFOLD_ADDON=/some/pinfold.node',
  })
  expect(importWith('/tmp/pinfold.js')).toMatchObject({
    message: "PINFOLD_ADDON is '/tmp/pinfold.js', and a path that ends in '.node' is expected",
    hint: 'cp /tmp/pinfold.js /tmp/pinfold.js.node',
  })
})

test('a wrong file is an error that names the variable and the file; the right one of the package is not loaded', () => {
  const { folder, importWith } = packageHere()
  const hint = 'unset PINFOLD_ADDON'
  const missing = join(folder, 'missing.node')
  expect(importWith(missing)).toMatchObject({
    code: 'ERR_ADDON_LOAD',
    message: `pinfold's native part cannot be loaded from PINFOLD_ADDON: ${missing} does not exist`,
    values: { reason: 'missing', path: missing },
    hint,
  })
  const foreign = forMachine(join(folder, 'foreign.node'), 22)
  expect(importWith(foreign)).toMatchObject({
    message: expect.stringMatching(/from PINFOLD_ADDON: \S+foreign\.node is for s390x, and this process is/),
    values: { reason: 'architecture', path: foreign },
    hint,
  })
})

describe('a program file that gives its process more privileges than the user has', () => {
  /** A copy of Node, which a test may give privileges. */
  function nodeCopy(): string {
    const path = join(scratchFolder(), 'node')
    copyFileSync(process.execPath, path, constants.COPYFILE_FICLONE)
    chmodSync(path, 0o755)
    return path
  }

  const ignored = { exports: expect.any(Number), loaded: expect.any(String) }
  const obeyed = { message: expect.stringContaining('from PINFOLD_ADDON'), values: { reason: 'missing' } }

  test.for([
    ['of the owner', 0o4755],
    ['of the group', 0o2755],
  ] as const)('makes it ignore the variable: by the set-ID bit %s', ([, mode], context) => {
    needs(context, whyNotNobody())
    const { importWith } = packageHere()
    const node = nodeCopy()
    const command = [...asNobody, node]
    expect(importWith('/nowhere/pinfold.node', { command })).toMatchObject(obeyed)
    chmodSync(node, mode)
    expect(importWith('/nowhere/pinfold.node', { command })).toMatchObject(ignored)
  })

  test('makes it ignore the variable: by capabilities', (context) => {
    needs(context, whyNotNobody())
    const { importWith } = packageHere()
    const node = nodeCopy()
    const command = [...asNobody, node]
    expect(importWith('/nowhere/pinfold.node', { command })).toMatchObject(obeyed)
    const { status, error } = spawnSync('setcap', ['cap_sys_admin+ep', node])
    needs(context, status === 0 ? undefined : `needs a setcap(8) that works (${error?.message ?? 'it failed'})`)
    expect(importWith('/nowhere/pinfold.node', { command })).toMatchObject(ignored)
  })

  test('and then an error without a file says that it was ignored', (context) => {
    needs(context, whyNotNobody())
    const folder = makePackage(scratchFolder())
    const node = nodeCopy()
    chmodSync(node, 0o4755)
    const outcome = importOutcome(join(folder, 'dist/index.js'), {
      command: [...asNobody, node],
      env: { PINFOLD_ADDON: addon },
    })
    expect(outcome).toMatchObject({
      message: expect.stringContaining(
        'PINFOLD_ADDON is ignored, since this process has more privileges than its user',
      ),
    })
  })
})

test('under the permission model it needs the file that tells of privileges', () => {
  const { folder, importWith } = packageHere()
  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission'
  const options = [permission, '--allow-addons', `--allow-fs-read=${folder}/*`]
  const path = join(folder, 'pinfold.node')
  copyFileSync(addon, path)
  writeFileSync(join(folder, prebuilt), '')
  expect(importWith(path, { options })).toMatchObject({
    message: expect.stringContaining('PINFOLD_ADDON cannot be used, since /proc/self/auxv cannot be read'),
    hint: 'start Node with --allow-fs-read=/proc/self/auxv',
  })
  const more = '--allow-fs-read=/proc/self/auxv'
  expect(importWith(path, { options: [...options, more] })).toMatchObject({ exports: expect.any(Number) })
})
