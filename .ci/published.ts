/** `npm publish` runs this before it packs (prepublishOnly): an addon that fails the checks is not published. */
import { printSummary } from './outcome.js'
import { prebuilds } from './suites/prebuilds.js'

const outcome = await prebuilds()
printSummary([outcome])
process.exitCode = outcome.failed.length > 0 ? 1 : 0
