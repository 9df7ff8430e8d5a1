/** `npm publish` runs this before it packs (prepublishOnly): an addon or an SBOM that fails the checks is not published. */
import { Checks, printSummary } from './outcome.js'
import { checkPrebuilds } from './suites/prebuilds.js'
import { checkSbom } from './suites/sbom.js'

const checks = new Checks('published')
await checkPrebuilds(checks, '.')
await checkSbom(checks, 'sbom.cdx.json')
const outcome = checks.outcome()
printSummary([outcome])
process.exitCode = outcome.failed.length > 0 ? 1 : 0
