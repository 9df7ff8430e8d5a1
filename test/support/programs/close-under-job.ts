import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { openRegistrySync } from '../../../src/index.js'
import { assertNoPages, assertReleased } from './free-pages.js'
import { jobs, size } from './jobs.js'

// Closes a region while a job of Node works on its bytes. Does so several times, a little later each time.

const prepare = jobs[process.argv[2] ?? '']

async function round(turns: number): Promise<boolean> {
  const start = await prepare?.()
  assert.ok(start)
  const memory = openRegistrySync({ leaks: 'off' })
  const region = memory.allocateSync('job', { size, pages: ['2MiB', 'base'] })
  const { bytes } = region
  bytes.fill(65)
  let running = true
  const done = start(bytes).finally(() => {
    running = false
  })
  for (let turn = 0; turn < turns; turn++) await setImmediate()
  const closedUnder = running

  memory.close()
  assert.equal(bytes.length, 0)
  assertNoPages()

  await done
  return closedUnder
}

let closedUnder = 0
for (let turns = 0; turns < 5; turns++) closedUnder += Number(await round(turns))
assert.ok(closedUnder > 0)
await assertReleased()
