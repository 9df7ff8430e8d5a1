import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Checks } from '../outcome.js'
import { run, succeed } from '../processes.js'

/** Checks an SBOM by CycloneDX's schema. `checkContents` compares what it names with the package. */
export async function checkSbom(checks: Checks, file: string): Promise<void> {
  await checks.that('its SBOM is valid by the schema of CycloneDX', async () => {
    await succeed('node', ['.ci/sbom/validate.mjs', file])
  })
  await checks.that('the check of the SBOM sees a name that the schema does not have', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pinfold-sbom-'))
    try {
      const misspelt = join(folder, 'sbom.cdx.json')
      writeFileSync(misspelt, readFileSync(file, 'utf8').replace('"purl":', '"purls":'))
      const { status, output } = await run('node', ['.ci/sbom/validate.mjs', misspelt])
      assert.equal(status, 1, output)
      assert.match(output, /additionalProperty: 'purls'/)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
}
