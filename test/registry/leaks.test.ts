import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type MemoryRegistry,
  openRegistry,
  openRegistrySync,
  type RegionLeakMessage,
  registryChannels,
} from '../../src/index.js'
import { collected } from '../support/garbage-collection.js'
import { mappedRegions } from '../support/mapped-regions.js'

// Each allocation is in a function of its own, since objects on the stack of a frame are not collected.

const base = { size: '64KiB', pages: 'base' } as const

const leaks: RegionLeakMessage[] = []
const note = (message: unknown) => {
  leaks.push(message as RegionLeakMessage)
}
beforeEach(() => subscribe(registryChannels.leak, note))
afterEach(() => {
  unsubscribe(registryChannels.leak, note)
  leaks.length = 0
})

function drop(memory: MemoryRegistry, name: string): void {
  memory.allocateSync(name, base).bytes.fill(5)
}

async function dropLater(memory: MemoryRegistry, name: string): Promise<void> {
  await memory.allocate(name, base)
}

test('a region that is dropped while it is open is reported once, with the stack of its allocation', async () => {
  using memory = openRegistrySync({ leaks: 'all' })
  drop(memory, 'dropped')
  await dropLater(memory, 'later')
  await collected(() => leaks.length >= 2)
  await collected(() => true)

  expect(leaks.map(({ name }) => name).sort()).toEqual(['dropped', 'later'])
  const [dropped, later] = ['dropped', 'later'].map((name) => leaks.find((leak) => leak.name === name))
  expect(dropped).toMatchObject({ size: 65536, pages: 'base' })
  expect(dropped?.stack.split('\n')[0]).toMatch(/^ {4}at drop \(.*leaks\.test\.ts:\d+:\d+\)$/)
  expect(later?.stack.split('\n')[0]).toMatch(/^ {4}at dropLater /)
  expect(memory.stats().leaked).toBe(2)
})

test('a dropped region stays open, listed and readable, and is closed with its registry', async () => {
  const memory = openRegistrySync({ leaks: 'all' })
  drop(memory, 'dropped')
  await collected(() => leaks.length > 0)

  expect(mappedRegions()).toEqual(['dropped'])
  const [again] = memory.list()
  expect(again?.bytes[0]).toBe(5)
  expect(memory.get('dropped')).toBe(again)
  expect(memory.find(again?.address ?? 0n)).toBe(again)
  memory.close()
  expect(again?.closed).toBe(true)
  expect(mappedRegions()).toEqual([])
})

test('a view of a dropped region does not hide the leak, but a region with a kept slice is no leak', async () => {
  using memory = openRegistrySync({ leaks: 'all' })
  const bytes = (() => memory.allocateSync('viewed', base).bytes)()
  const slice = (() => memory.allocateSync('sliced', base).slice(0, 16))()
  await collected(() => leaks.length > 0)
  await collected(() => true)
  expect(leaks.map(({ name }) => name)).toEqual(['viewed'])
  expect(bytes.fill(3)[65535]).toBe(3)
  expect(slice.bytes).toHaveLength(16)
})

test('a dropped region that was translated is reported, too', async () => {
  using memory = openRegistrySync({ leaks: 'all' })
  ;(() => {
    memory.allocateSync('translated', base).translate()
  })()
  await collected(() => leaks.length > 0)
  expect(leaks.map(({ name }) => name)).toEqual(['translated'])
})

test('regions that are kept, closed or declared are no leaks, nor are regions of an unwatched registry', async () => {
  using memory = openRegistrySync({ leaks: 'all', regions: { declared: base } })
  using unwatched = openRegistrySync({ leaks: 'off' })
  const kept = memory.allocateSync('kept', base)
  ;(() => memory.allocateSync('closed', base).close())()
  drop(unwatched, 'unwatched')
  drop(memory, 'dropped')
  await collected(() => leaks.length > 0)
  await collected(() => true)
  expect(leaks.map(({ name }) => name)).toEqual(['dropped'])
  expect(kept.closed).toBe(false)
})

test('the default level, sampled, watches one region in 128', async () => {
  using memory = openRegistrySync()
  for (let at = 0; at < 1280; at++) drop(memory, `dropped-${at}`)
  await collected(() => leaks.length >= 10)
  // About 10 are expected, with a standard deviation of 3. More than 45 have a chance of one in 10^12 or less.
  expect(leaks.length).toBeLessThan(45)
})

test('a registry that is dropped while it is open leaks its regions, with the stack of its opening', async () => {
  const addresses: bigint[] = []
  await (async () => {
    const memory = await openRegistry({ regions: { one: base, two: base } })
    addresses.push(...memory.list().map(({ address }) => address))
  })()
  await collected(() => leaks.length >= 2)
  expect(leaks.map(({ name }) => name).sort()).toEqual(['one', 'two'])
  for (const { stack } of leaks) expect(stack).toMatch(/^ {4}at .*leaks\.test\.ts/)
  expect(leaks.map(({ address }) => address).sort()).toEqual(addresses.sort())
})

test('a region outlives its dropped registry, and is no leak until it is dropped itself', async () => {
  const holder: { region?: { close(): void; readonly bytes: Uint8Array } } = {}
  await (async () => {
    const memory = await openRegistry({ leaks: 'sampled', regions: { dropped: base } })
    const { allocated } = { allocated: await memory.allocate('allocated', base) }
    holder.region = allocated
  })()
  await collected(() => leaks.length > 0)
  await collected(() => true)
  expect(leaks.map(({ name }) => name)).toEqual(['dropped'])
  expect(holder.region?.bytes.fill(9)[0]).toBe(9)

  delete holder.region
  await collected(() => leaks.length > 1)
  expect(leaks.map(({ name }) => name)).toEqual(['dropped', 'allocated'])
})

test('a registry that was closed and dropped leaks nothing', async () => {
  ;(() => {
    openRegistrySync({ leaks: 'all', regions: { one: base } }).close()
  })()
  using marker = openRegistrySync({ leaks: 'all' })
  drop(marker, 'marker')
  await collected(() => leaks.length > 0)
  await collected(() => true)
  expect(leaks.map(({ name }) => name)).toEqual(['marker'])
})

test('without a listener a leak is a process warning', async () => {
  unsubscribe(registryChannels.leak, note)
  const warnings: Error[] = []
  const warned = (warning: Error) => {
    warnings.push(warning)
  }
  // Node's own listener prints warnings. This warning is expected, and would confuse a reader of the output.
  const printers = process.listeners('warning')
  process.removeAllListeners('warning').on('warning', warned)
  using memory = openRegistrySync({ leaks: 'all' })
  drop(memory, 'dropped')
  try {
    await collected(() => warnings.length > 0)
  } finally {
    process.off('warning', warned)
    for (const printer of printers) process.on('warning', printer)
  }
  expect(warnings).toMatchObject([
    {
      name: 'PinfoldLeakWarning',
      code: 'PINFOLD_LEAK',
      message: expect.stringMatching(/^region 'dropped' \(64KiB at 0x[0-9a-f]+\) was dropped without being closed$/),
      detail: expect.stringContaining('registry/leaks.test.ts'),
    },
  ])
})
