import { freemem } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openRegistrySync } from '../../src/index.js'
import { GiB } from '../../src/sizes.js'
import { mappedRegions } from '../support/mapped-regions.js'

// The kernel takes about a second to zero gigabytes. The event loop of the waiting thread must not stop.

const options = { size: 2 * GiB, pages: 'base' } as const
const memory = openRegistrySync()

beforeEach(({ skip }) => {
  if (freemem() < 2 * options.size) skip('needs 4 GiB of free memory')
})

afterEach(() => {
  for (const region of memory.list()) region.close()
  expect(mappedRegions()).toEqual([])
})

/** Counts how often a timer of a millisecond fires. */
async function beats(until: Promise<unknown>): Promise<number> {
  let running = true
  until.finally(() => {
    running = false
  })
  let count = 0
  for (; running; count++) await wait(1)
  return count
}

test('the event loop stays free while gigabytes are populated', async () => {
  const allocation = memory.allocate('large', options)
  // A blocked loop would count one or two beats.
  expect(await beats(allocation)).toBeGreaterThan(10)
  expect((await allocation).size).toBe(2 * GiB)
})

test('an abort stops populating within a chunk, rejects with its reason, and returns the pages', async () => {
  const begun = performance.now()
  const whole = await memory.allocate('whole', options)
  const took = performance.now() - begun
  whole.close()

  const stop = new AbortController()
  const allocation = memory.allocate('stopped', { ...options, signal: stop.signal })
  const refused = expect(allocation).rejects.toBe('enough')
  await wait(took / 10)
  expect(mappedRegions()).toEqual(['stopped'])
  const aborted = performance.now()
  stop.abort('enough')
  await refused
  expect(performance.now() - aborted).toBeLessThan(took / 2)
  expect(mappedRegions()).toEqual([])
})

test('an abort before an allocation rejects it, and an abort after it changes nothing', async () => {
  const reason = new Error('early')
  await expect(memory.allocate('early', { ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)

  const stop = new AbortController()
  const region = await memory.allocate('late', { size: '1MiB', pages: 'base', signal: stop.signal })
  stop.abort()
  region.bytes.fill(1)
  expect(region.closed).toBe(false)
})
