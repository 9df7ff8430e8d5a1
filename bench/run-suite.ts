// One suite in a process of its own (see measure.ts for why): `run-suite.ts NAME`, rows to the parent as messages.

import { Report } from './suite.js'
import { loadSuite } from './suites.js'

// tsx turns source maps on for its process; they make stack traces dearer, and a user's process has none.
process.setSourceMapsEnabled(false)

// Nobody reads the rows of a parent that was killed, and its hugepages are needed back.
process.on('disconnect', () => process.exit())

const [name = ''] = process.argv.slice(2)
const suite = await loadSuite(name)
await suite.run(new Report(name, (row) => process.send?.(row)))
process.disconnect()
