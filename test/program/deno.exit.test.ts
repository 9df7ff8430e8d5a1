import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Program, root } from '../support/child-process.js'
import { needs, whyNotBuilt } from '../support/requirements.js'
import { good } from '../support/run-program.js'

// At the end of a thread, Deno frees an addon's data before it finalizes the thread's ArrayBuffers, and Node after it.

const deno = `${root}.ci/nodes/node_modules/deno-${process.arch}/deno`
const whyNoDeno = existsSync(deno) ? undefined : 'no Deno in .ci/nodes: bash .ci/setup platforms'

let cache = ''
beforeAll(() => {
  cache = mkdtempSync(join(tmpdir(), 'pinfold-deno-'))
})
afterAll(() => rmSync(cache, { recursive: true, force: true }))

describe('on Deno a program ends well', () => {
  test.for([
    ['with a view of an open region', 'open'],
    ['with a view of a region that was closed', 'closed'],
    ['with views of several regions, some of them closed', 'several'],
    ['with a view that was moved away', 'moved'],
    ['with views in two threads', 'worker'],
  ] as const)('%s', async ([, way], context) => {
    needs(context, whyNoDeno, whyNotBuilt)
    await using program = new Program([
      ...['env', `DENO_DIR=${cache}`, 'DENO_NO_UPDATE_CHECK=1', 'NO_COLOR=1'],
      ...[deno, 'run', '--allow-all', '--no-lock', '--no-remote', `${root}test/support/programs/view-at-exit.mjs`, way],
    ])
    expect(await program.ended).toEqual(good)
  })
})
