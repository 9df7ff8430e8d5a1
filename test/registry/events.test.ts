import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, expect, test } from 'vitest'
import { openRegistry, openRegistrySync, registryChannels } from '../../src/index.js'
import { MiB } from '../../src/sizes.js'

const base = { size: '1MiB', pages: 'base' } as const

const heard: [channel: string, message: unknown][] = []
const note = (message: unknown, channel: string | symbol) => {
  heard.push([String(channel), message])
}
const listen = () => {
  for (const channel of Object.values(registryChannels)) subscribe(channel, note)
}

afterEach(() => {
  for (const channel of Object.values(registryChannels)) unsubscribe(channel, note)
  heard.length = 0
})

test('the names of the channels are as documented', () => {
  expect(registryChannels).toEqual({
    allocate: 'pinfold:region:allocate',
    close: 'pinfold:region:close',
    fallback: 'pinfold:region:fallback',
    leak: 'pinfold:region:leak',
  })
})

test('a region is reported when it is allocated and when it is closed', async () => {
  listen()
  const memory = await openRegistry({ regions: { rx: base } })
  const { rx } = memory.regions
  const region = { name: 'rx', address: rx.address, size: MiB, pages: 'base', pageSize: rx.pageSize }
  expect(heard).toEqual([['pinfold:region:allocate', { ...region, nodes: rx.nodes, milliseconds: expect.any(Number) }]])
  memory.close()
  expect(heard.slice(1)).toEqual([['pinfold:region:close', region]])
})

test('a region that is closed by itself is reported once', () => {
  using memory = openRegistrySync()
  const region = memory.allocateSync('rx', base)
  listen()
  region.close()
  memory.close()
  expect(heard.map(([channel]) => channel)).toEqual(['pinfold:region:close'])
})

test('a region that is not on its first preference is reported with the reasons before its allocation', () => {
  listen()
  using memory = openRegistrySync({ budget: { perPageSize: { '2MiB': 0 } } })
  const region = memory.allocateSync('rx', { ...base, pages: ['2MiB', 'base'] })
  expect(heard.map(([channel]) => channel)).toEqual(['pinfold:region:fallback', 'pinfold:region:allocate'])
  expect(heard[0]?.[1]).toMatchObject({ name: 'rx', pages: 'base', passedOver: region.passedOver })
  expect(region.passedOver).toMatchObject([{ pages: '2MiB', code: 'ERR_BUDGET_EXCEEDED' }])
})

test('a failed allocation is not reported, and a failed opening reports that its regions are closed', async () => {
  listen()
  const impossible = { size: '4096GiB', pages: 'base' } as const
  await expect(openRegistry({ regions: { one: base, two: impossible } })).rejects.toThrow()
  expect(heard.map(([channel, message]) => [channel, message])).toEqual([
    ['pinfold:region:allocate', expect.objectContaining({ name: 'one' })],
    ['pinfold:region:close', expect.objectContaining({ name: 'one' })],
  ])
})

test('a listener that closes the registry does no harm', () => {
  const memory = openRegistrySync()
  const close = () => memory.close()
  subscribe(registryChannels.allocate, close)
  try {
    expect(memory.allocateSync('rx', base).closed).toBe(true)
  } finally {
    unsubscribe(registryChannels.allocate, close)
  }
  expect(memory.stats()).toMatchObject({ regions: 0, pending: 0, bytes: 0 })
})
