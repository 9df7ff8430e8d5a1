// One suite, or a part of one, in a process of its own (see measure.ts for why): `run-suite.ts NAME [PART]`, rows to the
// parent as messages.

import { spawnSync } from 'node:child_process'
import { Report } from './suite.js'
import { loadSuite } from './suites.js'

// tsx turns source maps on for its process; they make stack traces dearer, and a user's process has none.
process.setSourceMapsEnabled(false)

// Nobody reads the rows of a parent that was killed, and its hugepages are needed back.
process.on('disconnect', () => process.exit())

const [name = '', part = ''] = process.argv.slice(2)
const suite = await loadSuite(name)
if (suite.oneProcessor) {
  // The main thread alone: the collector's helpers go where they like. Peers inherit it.
  const { stdout } = spawnSync('taskset', ['-pc', `${process.pid}`], { encoding: 'utf8' })
  const first = /list: (\d+)/.exec(stdout ?? '')?.[1]
  if (first !== undefined) spawnSync('taskset', ['-pc', first, `${process.pid}`])
}
await suite.run(new Report(name, (row) => process.send?.(row)), part)
process.disconnect()
