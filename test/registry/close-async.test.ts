import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { borrowHugepages, readPool } from '../../src/hugepages/index.js'
import { attachRegion, openRegistrySync, registryChannels } from '../../src/index.js'
import { native } from '../../src/native.js'
import { MiB } from '../../src/sizes.js'
import { collected } from '../support/garbage-collection.js'
import { mappedRegions } from '../support/mapped-regions.js'
import { kept } from '../support/registries.js'
import { needs, whyNotPools } from '../support/requirements.js'

const size = 64 * MiB
const options = { size, pages: 'base' } as const

describe.each(['memfd', 'anonymous'] as const)('closeAsync of a region (%s)', (backing) => {
  test.each(['with a view', 'without a view'])(
    '%s closes it at once, and resolves when its pages are free',
    async (how) => {
      const memory = kept(openRegistrySync({ budget: size }))
      const region = memory.allocateSync('one', { ...options, backing })
      const { handle } = region
      const bytes = how === 'with a view' ? region.bytes.fill(1) : new Uint8Array()
      const closing = region.closeAsync()

      expect([region.closed, bytes.length, memory.get('one'), memory.list()]).toEqual([true, 0, undefined, []])
      expect(memory.stats()).toMatchObject({ regions: 0, bytes: 0, closed: 1, budget: { total: { used: size } } })
      expect(() => region.bytes).toThrowCode('ERR_REGION_CLOSED')
      expect(() => attachRegion(handle)).toThrowCode('ERR_REGION_UNKNOWN')
      expect(() => memory.allocateSync('one', options)).toThrowCode('ERR_BUDGET_EXCEEDED')
      await closing
      expect(memory.stats()).toMatchObject({ budget: { total: { used: 0 } } })
      expect(mappedRegions()).toEqual([])
      memory.allocateSync('one', options)
    },
  )
})

describe('closeAsync of a region', () => {
  test('is refused while it is held, and nothing is changed', async () => {
    const memory = kept(openRegistrySync())
    const region = memory.allocateSync('one', options)
    const hold = region.hold('dma')
    await expect(region.closeAsync()).rejects.toMatchObject({
      code: 'ERR_REGION_HELD',
      values: { name: 'one', holders: ['dma'], count: 1 },
    })
    expect([region.closed, region.bytes.length]).toEqual([false, size])
    hold.release()
    await region.closeAsync()
  })

  test('publishes the close once, in the call, and frees the name', async () => {
    const memory = kept(openRegistrySync())
    const region = memory.allocateSync('one', options)
    let heard = 0
    const note = () => {
      heard += 1
    }
    subscribe(registryChannels.close, note)
    const closing = region.closeAsync()
    expect(heard).toBe(1)
    const again = memory.allocateSync('one', options)
    await closing
    expect([heard, again.closed, memory.get('one') === again]).toEqual([1, false, true])
    unsubscribe(registryChannels.close, note)
  })

  test('may be called again, as may close, meanwhile and later', async () => {
    const memory = kept(openRegistrySync({ budget: size }))
    const region = memory.allocateSync('one', options)
    const closing = [region.closeAsync(), region.closeAsync()]
    region.close()
    memory.close()
    await Promise.all(closing)
    await region.closeAsync()
    expect(memory.stats()).toMatchObject({ closed: 1, budget: { total: { used: 0 } } })

    const other = kept(openRegistrySync()).allocateSync('two', options)
    other.close()
    await other.closeAsync()
  })

  test('of many regions at a time frees all of them', async () => {
    const memory = kept(openRegistrySync())
    const regions = Array.from({ length: 200 }, (_, index) =>
      memory.allocateSync(`r${index}`, { ...options, size: MiB }),
    )
    const first = regions.splice(0, 100).map((region) => region.closeAsync())
    await turn()
    await Promise.all([...first, ...regions.map((region) => region.closeAsync())])
    expect(mappedRegions()).toEqual([])
  })

  test('gives hugepages back before it resolves', async (context) => {
    needs(context, whyNotPools())
    using _loan = borrowHugepages({ pageSize: '2MiB', pages: 4 })
    const memory = kept(openRegistrySync())
    const { free } = readPool(2 * MiB)
    const region = memory.allocateSync('one', { size: 8 * MiB, pages: '2MiB' })
    region.bytes.fill(1)
    await region.closeAsync()
    expect(readPool(2 * MiB).free).toBe(free)
  })

  test('leaves the address range to a view that is still there, until it is collected', async () => {
    const closed = () => native.tableCounts().closed
    await collected(() => closed() === 0)
    const memory = kept(openRegistrySync())
    let buffer: ArrayBuffer | undefined = memory.allocateSync('one', options).bytes.buffer
    await memory.get('one')?.closeAsync()
    expect([buffer.byteLength, closed()]).toEqual([0, 1])
    buffer = undefined
    expect(await collected(() => closed() === 0)).toBe(true)
  })
})

describe('await using', () => {
  test('of a region frees its pages, and throws if it is held', async () => {
    const memory = kept(openRegistrySync())
    {
      await using region = memory.allocateSync('one', options)
      region.bytes.fill(1)
    }
    expect(mappedRegions()).toEqual([])
    const region = memory.allocateSync('two', options)
    const hold = region.hold('dma')
    await expect(region[Symbol.asyncDispose]()).rejects.toMatchObject({ code: 'ERR_REGION_HELD' })
    hold.release()
  })

  test('of a registry closes it at once, and frees the pages of all regions', async () => {
    const memory = kept(openRegistrySync())
    const regions = ['one', 'two', 'three'].map((name) => memory.allocateSync(name, options))
    const earlier = regions[0]?.closeAsync()
    const hold = regions[1]?.hold('dma')
    await expect(memory[Symbol.asyncDispose]()).rejects.toMatchObject({ code: 'ERR_REGION_HELD' })
    expect(memory.closed).toBe(false)
    hold?.release()
    const closing = memory[Symbol.asyncDispose]()
    expect([memory.closed, ...regions.map(({ closed }) => closed)]).toEqual([true, true, true, true])
    await closing
    expect(mappedRegions()).toEqual([])
    await earlier
  })

  test('of a registry also waits for a region that was closed before', async () => {
    const memory = kept(openRegistrySync())
    const region = memory.allocateSync('one', options)
    let isFree = false
    region.closeAsync().then(() => {
      isFree = true
    })
    await memory.closeAsync()
    expect([isFree, mappedRegions()]).toEqual([true, []])
  })
})
