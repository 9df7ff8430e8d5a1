import { closeSync, openSync, writeSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openDevice } from '../../../src/rdma/devices/open-device.js'
import { judge } from './judge.js'
import { suite } from './suite.js'

// Runs the suite without a test runner. `main --device rxe0 --json FILE` runs all cases, or those whose names contain
// the text of `--only`, and writes a line of JSON for each. The exit code is 0 if all cases were run, even if some
// failed.

const { values } = parseArgs({
  options: { device: { type: 'string' }, json: { type: 'string' }, only: { type: 'string' } },
})
const { device, json, only = '' } = values
const output = json === undefined ? 1 : openSync(json, 'w')

for (const one of suite) {
  if (!`${one.group}: ${one.name}`.includes(only)) continue
  const started = performance.now()
  const verdict = await judge(one, () => openDevice(device))
  const milliseconds = Math.round(performance.now() - started)
  writeSync(output, `${JSON.stringify({ ...verdict, milliseconds })}\n`)
}
if (json !== undefined) closeSync(output)
