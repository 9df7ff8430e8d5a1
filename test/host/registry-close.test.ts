import { describe, expect, test } from 'vitest'
import { openRegistry, openRegistrySync } from '../../src/index.js'
import { mappedRegions } from '../mappings.js'
import { base, kept } from '../registries.js'

describe('close', () => {
  test('closes every region, once', () => {
    const memory = openRegistrySync({ regions: { one: base } })
    const two = memory.allocateSync('two', base)
    const { bytes } = two
    memory.close()
    memory.close()
    expect([memory.closed, memory.regions.one.closed, two.closed, bytes.length]).toEqual([true, true, true, 0])
    expect(memory.list()).toEqual([])
    expect(mappedRegions()).toEqual([])
    expect(() => memory.allocateSync('three', base)).toThrow(expect.objectContaining({ code: 'ERR_REGISTRY_CLOSED' }))
  })

  test('with a region held is refused, names every holder and changes nothing', () => {
    const memory = kept(openRegistrySync({ regions: { one: base, two: base, three: base } }))
    const holds = [
      memory.regions.one.hold('zlib'),
      memory.regions.three.hold('dma'),
      memory.regions.three.hold('disk write'),
    ]

    expect(() => memory.close()).toThrow(
      expect.objectContaining({
        code: 'ERR_REGION_HELD',
        message: "2 of 3 regions are held: 'one' by zlib; 'three' by dma, disk write",
        values: {
          held: [
            { name: 'one', holders: ['zlib'] },
            { name: 'three', holders: ['dma', 'disk write'] },
          ],
        },
      }),
    )
    expect(memory.closed).toBe(false)
    expect(memory.list()).toHaveLength(3)
    memory.regions.two.bytes.fill(1)
    memory.allocateSync('four', base)

    for (const hold of holds) hold.release()
    memory.close()
  })

  test('stops an allocation that is under way', async () => {
    const memory = openRegistrySync({ budget: '1GiB' })
    const allocating = memory.allocate('tx', { size: '512MiB', pages: 'base' })
    memory.close()
    await expect(allocating).rejects.toMatchObject({ code: 'ERR_REGISTRY_CLOSED', values: { name: 'tx' } })
    expect(mappedRegions()).toEqual([])
    expect(memory.stats().budget.total?.used).toBe(0)
  })

  test('runs at the end of a using block', async () => {
    {
      using memory = openRegistrySync({ regions: { one: base } })
      expect(mappedRegions()).toEqual(['one'])
      memory.regions.one.bytes.fill(1)
    }
    expect(mappedRegions()).toEqual([])
    {
      await using memory = await openRegistry({ regions: { one: base } })
      const hold = memory.regions.one.hold('a job')
      setImmediate(() => hold.release())
    }
    expect(mappedRegions()).toEqual([])
  })
})

describe('closeWhenReleased', () => {
  test('waits until the last hold of every region is gone', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base, two: base } }))
    const [first, second] = [memory.regions.one.hold(), memory.regions.two.hold()]
    let closed = false
    const closing = memory.closeWhenReleased().then(() => {
      closed = true
    })
    second.release()
    await new Promise(setImmediate)
    expect([closed, memory.regions.two.closed]).toEqual([false, false])
    first.release()
    await closing
    expect(memory.closed).toBe(true)
  })

  test('gives no new hold and makes no region meanwhile; aborted, leaves all as it was', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base, two: base } }))
    const hold = memory.regions.one.hold('a job')
    const stop = new AbortController()
    const closing = memory.closeWhenReleased({ signal: stop.signal })
    for (const region of memory.list()) {
      expect(() => region.hold()).toThrow(expect.objectContaining({ code: 'ERR_REGION_CLOSED' }))
    }
    await expect(memory.allocate('three', base)).rejects.toMatchObject({ code: 'ERR_REGISTRY_CLOSED' })

    stop.abort('no time')
    await expect(closing).rejects.toBe('no time')
    expect(memory.list()).toHaveLength(2)
    memory.regions.two.hold().release()
    memory.allocateSync('three', base)
    hold.release()
  })

  test('gives no hold of a region that arrives meanwhile, until the wait is given up', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base } }))
    const hold = memory.regions.one.hold()
    const stop = new AbortController()
    const arriving = memory.allocate('late', base)
    const closing = memory.closeWhenReleased({ signal: stop.signal })
    const late = await arriving
    expect(() => late.hold()).toThrow(expect.objectContaining({ code: 'ERR_REGION_CLOSED' }))
    stop.abort('no time')
    await expect(closing).rejects.toBe('no time')
    late.hold().release()
    hold.release()
  })

  test('waits until what it stopped has given back its pages', async () => {
    const memory = openRegistrySync()
    const allocating = memory.allocate('tx', { size: '512MiB', pages: 'base' })
    const refused = expect(allocating).rejects.toMatchObject({ code: 'ERR_REGISTRY_CLOSED' })
    await memory.closeWhenReleased()
    expect(mappedRegions()).toEqual([])
    expect(memory.stats().pending).toBe(0)
    await refused
  })

  test('of a closed registry does nothing, and several at once are one', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base } }))
    const hold = memory.regions.one.hold()
    const closing = Promise.all([memory.closeWhenReleased(), memory.closeWhenReleased()])
    hold.release()
    await closing
    await memory.closeWhenReleased()
    expect(memory.closed).toBe(true)
  })
})
