// Runs one suite, or a part of a suite, in a process of its own (measure.ts says why): `run-suite.ts NAME [PART]`. It
// sends the rows to its parent as messages.

import { spawnSync } from 'node:child_process'
import { Report } from './suite.js'
import { loadSuite } from './suites.js'

// tsx turns source maps on for its process. They make stack traces slower, and a user's process has no source maps.
process.setSourceMapsEnabled(false)

// If the parent was killed, nobody reads the rows, and the hugepages of this process are needed elsewhere.
process.on('disconnect', () => process.exit())

const [name = '', part = ''] = process.argv.slice(2)
const suite = await loadSuite(name)
const { oneProcessor } = suite
if (typeof oneProcessor === 'boolean' ? oneProcessor : oneProcessor.includes(part)) {
  // The binding is of the main thread alone: the garbage collector's helper threads run anywhere. Peers inherit it.
  const { stdout } = spawnSync('taskset', ['-pc', `${process.pid}`], { encoding: 'utf8' })
  const first = /list: (\d+)/.exec(stdout ?? '')?.[1]
  if (first !== undefined) spawnSync('taskset', ['-pc', first, `${process.pid}`])
}
await suite.run(new Report(name, (row) => process.send?.(row)), part)
process.disconnect()
