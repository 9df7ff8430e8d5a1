import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildSync } from 'esbuild'
import { beforeEach, describe, expect, test } from 'vitest'
import { addon, importOutcome, makePackage, prebuilt, runHint, scratchFolder } from '../support/addon-package.js'
import { needs, whyNotBuilt } from '../support/requirements.js'

beforeEach((context) => needs(context, whyNotBuilt))

/** A program that has installed pinfold, and its bundle. */
function bundleOf(format: 'esm' | 'cjs'): { folder: string; bundle: string; warnings: string[] } {
  const folder = scratchFolder()
  makePackage(join(folder, 'node_modules/pinfold'), { [prebuilt]: { copyOf: addon } })
  const source = join(folder, 'main.js')
  writeFileSync(source, "export * from 'pinfold'\n")
  const bundle = join(folder, 'out', format === 'esm' ? 'main.mjs' : 'main.cjs')
  const { warnings } = buildSync({
    entryPoints: [source],
    outfile: bundle,
    bundle: true,
    format,
    platform: 'node',
    logLevel: 'silent',
  })
  return { folder, bundle, warnings: warnings.map(({ text }) => text) }
}

describe.each(['esm', 'cjs'] as const)('a bundle by esbuild as %s', (format) => {
  const works = { exports: expect.any(Number) }

  test('is made without a warning, and finds the addon of the package that is installed for it', () => {
    const { folder, bundle, warnings } = bundleOf(format)
    expect(warnings).toEqual([])
    const loaded = join(folder, 'node_modules/pinfold', prebuilt)
    expect(importOutcome(bundle)).toMatchObject({ ...works, loaded })
  })

  test('elsewhere says that it needs the addon beside it: after the hint it works', () => {
    const { folder, bundle } = bundleOf(format)
    const elsewhere = join(scratchFolder(), "a user's app", bundle.replace(/.*\//, ''))
    mkdirSync(dirname(elsewhere))
    copyFileSync(bundle, elsewhere)
    const outcome = importOutcome(elsewhere)
    expect(outcome).toMatchObject({
      ...{ name: 'PinfoldError', code: 'ERR_ADDON_LOAD' },
      message: expect.stringMatching(/pinfold was bundled into a program, and its file for \S+ is not beside it/),
      values: { reason: 'missing' },
      hint: `cp node_modules/pinfold/${prebuilt} '${dirname(elsewhere).replace("'", "'\\''")}'/`,
    })
    expect(importOutcome(elsewhere, { env: { PINFOLD_ADDON: addon } })).toMatchObject({ ...works, loaded: addon })
    runHint('hint' in outcome ? outcome.hint : undefined, folder)
    expect(importOutcome(elsewhere)).toMatchObject({ ...works, loaded: join(dirname(elsewhere), 'pinfold.node') })
  })

  test('with a broken file beside it says what is wrong with that file', () => {
    const { bundle } = bundleOf(format)
    const elsewhere = join(scratchFolder(), bundle.replace(/.*\//, ''))
    copyFileSync(bundle, elsewhere)
    writeFileSync(join(dirname(elsewhere), 'pinfold.node'), 'no machine code')
    expect(importOutcome(elsewhere)).toMatchObject({
      values: { reason: 'corrupt', path: join(dirname(elsewhere), 'pinfold.node') },
      hint: `cp node_modules/pinfold/${prebuilt} ${dirname(elsewhere)}/`,
    })
  })
})
