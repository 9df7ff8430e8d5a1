import { readdirSync } from 'node:fs'
import { setImmediate } from 'node:timers'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openRegistry, openRegistrySync } from '../../src/index.js'
import { MiB } from '../../src/sizes.js'
import { mappedRegions } from '../support/mapped-regions.js'
import { base, impossible, kept } from '../support/registries.js'

// Four allocations of a thread are under way at a time; the others wait for their turn.

const many = 60
const names = Array.from({ length: many }, (_, index) => `r${index}`)

test('many allocations at a time all arrive, and take few threads', async () => {
  const memory = kept(openRegistrySync())
  await memory.allocate('before', { ...base, threads: 1 })
  const threads = () => readdirSync('/proc/self/task').length
  const before = threads()
  const all = names.map((name) => memory.allocate(name, { size: 2 * MiB, pages: 'base', threads: 1 }))
  let most = 0
  let isDone = false
  const done = Promise.all(all).then((regions) => {
    isDone = true
    return regions
  })
  while (!isDone) {
    most = Math.max(most, threads() - before)
    await turn()
  }
  const regions = await done
  expect(regions.map(({ name }) => name)).toEqual(names)
  for (const region of regions) expect(region.bytes[region.size - 1]).toBe(0)
  // Four, and those that have just ended.
  expect(most).toBeLessThanOrEqual(8)
})

test('an allocation that waits has its name and its part of the budget from the call on', async () => {
  const memory = kept(openRegistrySync({ budget: many * MiB }))
  const all = names.map((name) => memory.allocate(name, base))
  expect(memory.stats()).toMatchObject({ regions: 0, pending: many, budget: { total: { used: many * MiB } } })
  await expect(memory.allocate('r59', base)).rejects.toMatchObject({ code: 'ERR_REGION_EXISTS' })
  await expect(memory.allocate('more', base)).rejects.toMatchObject({ code: 'ERR_BUDGET_EXCEEDED' })
  expect(() => memory.allocateSync('more', base)).toThrowCode('ERR_BUDGET_EXCEEDED')
  await Promise.all(all)
  expect(memory.stats()).toMatchObject({ regions: many, pending: 0, bytes: many * MiB })
})

test('an abort rejects an allocation that waits at once, and gives back its name and budget', async () => {
  const memory = kept(openRegistrySync({ budget: many * MiB }))
  const stop = new AbortController()
  const others = names.slice(1).map((name) => memory.allocate(name, base))
  const stopped = memory.allocate('stopped', { ...base, signal: stop.signal })
  const order: unknown[] = []
  setImmediate(() => order.push('the next turn'))
  stopped.catch((reason) => order.push(reason))
  stop.abort('enough')
  await turn()
  expect(order).toEqual(['enough', 'the next turn'])
  expect(memory.stats()).toMatchObject({ failed: 1, budget: { total: { used: (many - 1) * MiB } } })
  const again = memory.allocate('stopped', base)
  await Promise.all(others)
  expect((await again).name).toBe('stopped')
})

test('a registry that closes rejects the allocations that wait at once, and leaves nothing', async () => {
  const memory = openRegistrySync()
  const all = names.map((name) => memory.allocate(name, base))
  await turn()
  const settled = Promise.allSettled(all)
  const last = all.at(-1)
  const order: unknown[] = []
  setImmediate(() => order.push('the next turn'))
  last?.catch(({ code }) => order.push(code))
  memory.close()
  await turn()
  expect(order).toEqual(['ERR_REGISTRY_CLOSED', 'the next turn'])
  for (const one of await settled) {
    if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'ERR_REGISTRY_CLOSED' })
    else expect(one.value.closed).toBe(true)
  }
  await memory.closeAsync()
  expect(memory.stats()).toMatchObject({ regions: 0, pending: 0, budget: {} })
  expect(mappedRegions()).toEqual([])
})

test.each(['closeAsync', 'closeWhenReleased'] as const)(
  '%s waits for what the stopped allocations had',
  async (way) => {
    const memory = openRegistrySync()
    const settled = Promise.allSettled(names.map((name) => memory.allocate(name, { size: 8 * MiB, pages: 'base' })))
    await turn()
    await memory[way]()
    expect(memory.stats().pending).toBe(0)
    expect(mappedRegions()).toEqual([])
    await settled
  },
)

test('allocations that fail let the next one begin', async () => {
  const memory = kept(await openRegistry())
  const failing = names.slice(0, 20).map((name) => memory.allocate(name, impossible))
  const region = memory.allocate('small', base)
  for (const one of await Promise.allSettled(failing)) {
    expect(one).toMatchObject({ status: 'rejected', reason: { code: 'ERR_MEMORY_SHORT' } })
  }
  expect((await region).size).toBe(MiB)
})

test('options that are the same as the last are still those of the call', async () => {
  const memory = kept(openRegistrySync())
  const options: { size: number; pages: string; guard?: boolean } = { size: MiB, pages: 'base' }
  const first = memory.allocate('first', options)
  options.size = 2 * MiB
  const second = memory.allocate('second', options)
  options.size = MiB
  const wrong = { ...options, sise: 1 }
  await expect(memory.allocate('wrong', wrong)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  const third = memory.allocate('third', options)
  expect((await Promise.all([first, second, third])).map(({ size }) => size / MiB)).toEqual([1, 2, 1])
})
