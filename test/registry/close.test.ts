import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { type Hold, type MemoryRegistry, openRegistry, openRegistrySync, type Region } from '../../src/index.js'
import { collected } from '../support/garbage-collection.js'
import { mappedRegions } from '../support/mapped-regions.js'
import { base, kept } from '../support/registries.js'

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
    expect(() => memory.allocateSync('three', base)).toThrowCode('ERR_REGISTRY_CLOSED')
  })

  test('with very many holds is refused, names the first few and counts all', () => {
    const regions = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`r${index}`, base]))
    const memory = kept(openRegistrySync({ regions }))
    const [first, ...others] = memory.list()
    const holds = Array.from({ length: 10 }, (_, index) => first?.hold(`transfer ${index}`))
    holds.push(...others.map((region) => region.hold('dma')))
    const names = Array.from({ length: 8 }, (_, index) => `transfer ${index}`)
    expect(() => first?.close()).toThrowCode('ERR_REGION_HELD', {
      message: `region 'r0' is held: ${names.join(', ')} and 2 more`,
      values: { name: 'r0', holders: names, count: 10 },
    })
    expect(() => memory.close()).toThrowCode('ERR_REGION_HELD', {
      message: expect.stringMatching(/^10 of 10 regions are held: .*; 'r7' by dma; and 2 more$/),
      values: expect.objectContaining({ count: 10 }),
    })
    for (const hold of holds) hold?.release()
    memory.close()
  })

  test('with a region held is refused, names every holder and changes nothing', () => {
    const memory = kept(openRegistrySync({ regions: { one: base, two: base, three: base } }))
    const holds = [
      memory.regions.one.hold('zlib'),
      memory.regions.three.hold('dma'),
      memory.regions.three.hold('disk write'),
    ]

    expect(() => memory.close()).toThrowCode('ERR_REGION_HELD', {
      message: "2 of 3 regions are held: 'one' by zlib; 'three' by dma, disk write",
      values: {
        held: [
          { name: 'one', holders: ['zlib'], count: 1 },
          { name: 'three', holders: ['dma', 'disk write'], count: 2 },
        ],
        count: 2,
      },
    })
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

  test('runs at the end of a using block', () => {
    {
      using memory = openRegistrySync({ regions: { one: base } })
      expect(mappedRegions()).toEqual(['one'])
      memory.regions.one.bytes.fill(1)
    }
    expect(mappedRegions()).toEqual([])
  })

  test('runs at the end of an await using block, which waits for the pages of stopped allocations', async () => {
    let refused: Promise<void> | undefined
    {
      await using memory = await openRegistry({ regions: { one: base } })
      const allocating = memory.allocate('tx', { size: '512MiB', pages: 'base' })
      refused = expect(allocating).rejects.toMatchObject({ code: 'ERR_REGISTRY_CLOSED' })
    }
    expect(mappedRegions()).toEqual([])
    await refused
  })

  const blocks: readonly { readonly block: string; run(memory: MemoryRegistry, why: Error): Promise<void> }[] = [
    {
      block: 'a using block of the registry',
      async run(memory, why) {
        using _ = memory
        throw why
      },
    },
    {
      block: 'an await using block of the registry',
      async run(memory, why) {
        await using _ = memory
        throw why
      },
    },
    {
      block: 'a using block of the region',
      async run(memory, why) {
        using _ = memory.get('one')
        throw why
      },
    },
    {
      block: 'an await using block of the region',
      async run(memory, why) {
        await using _ = memory.get('one')
        throw why
      },
    },
  ]

  test.each(blocks)(
    'at the end of $block that is held is refused, and keeps the error that ended the block',
    async ({ run }) => {
      const memory = kept(openRegistrySync({ regions: { one: base } }))
      const hold = memory.regions.one.hold('a disk write')
      const why = new Error('thrown in the block')
      const thrown = await run(memory, why).catch((error) => error)
      expect(thrown).toMatchObject({
        name: 'SuppressedError',
        suppressed: why,
        error: { code: 'ERR_REGION_HELD', message: expect.stringContaining('a disk write') },
      })
      expect([memory.closed, memory.regions.one.closed]).toEqual([false, false])
      hold.release()
    },
  )
})

describe('closeWhenReleased', () => {
  test('waits until the last hold of every region is released', async () => {
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

  test('refuses new holds and regions while it waits, and allows them again when it is aborted', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base, two: base } }))
    const hold = memory.regions.one.hold('a job')
    const stop = new AbortController()
    const closing = memory.closeWhenReleased({ signal: stop.signal })
    for (const region of memory.list()) {
      expect(() => region.hold()).toThrowCode('ERR_REGION_CLOSED')
    }
    await expect(memory.allocate('three', base)).rejects.toMatchObject({ code: 'ERR_REGISTRY_CLOSED' })

    stop.abort('no time')
    await expect(closing).rejects.toBe('no time')
    expect(memory.list()).toHaveLength(2)
    memory.regions.two.hold().release()
    memory.allocateSync('three', base)
    hold.release()
  })

  test('refuses a hold of a region that arrives while it waits, until the wait is aborted', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base } }))
    const hold = memory.regions.one.hold()
    const stop = new AbortController()
    const arriving = memory.allocate('late', base)
    const closing = memory.closeWhenReleased({ signal: stop.signal })
    const late = await arriving
    expect(() => late.hold()).toThrowCode('ERR_REGION_CLOSED')
    stop.abort('no time')
    await expect(closing).rejects.toBe('no time')
    late.hold().release()
    hold.release()
  })

  test('waits until a stopped allocation has returned its pages', async () => {
    const memory = openRegistrySync()
    const allocating = memory.allocate('tx', { size: '512MiB', pages: 'base' })
    const refused = expect(allocating).rejects.toMatchObject({ code: 'ERR_REGISTRY_CLOSED' })
    await memory.closeWhenReleased()
    expect(mappedRegions()).toEqual([])
    expect(memory.stats().pending).toBe(0)
    await refused
  })

  test('of a closed registry does nothing, and several calls at once are one wait', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base } }))
    const hold = memory.regions.one.hold()
    const closing = Promise.all([memory.closeWhenReleased(), memory.closeWhenReleased()])
    hold.release()
    await closing
    await memory.closeWhenReleased()
    expect(memory.closed).toBe(true)
  })
})

describe('the stack of a hold', () => {
  test('may call code of the program that closes the region, and then no hold is given', () => {
    const memory = kept(openRegistrySync({ regions: { one: base } }))
    const { prepareStackTrace } = Error
    try {
      Error.prepareStackTrace = () => memory.regions.one.close()
      expect(() => memory.regions.one.hold('a job')).toThrow(/region 'one' is closed/)
    } finally {
      Object.assign(Error, { prepareStackTrace })
    }
  })

  test('does not keep the object that made the hold', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base } }))
    class Maker {
      hold(): Hold {
        return memory.regions.one.hold('a job')
      }
    }
    let isCollected = false
    const makers = new FinalizationRegistry(() => {
      isCollected = true
    })
    // This is a function of its own, since objects on the stack of a frame are not collected.
    function made(): Hold {
      const maker = new Maker()
      makers.register(maker, undefined)
      return maker.hold()
    }
    const hold = made()
    expect(await collected(() => isCollected)).toBe(true)
    hold.release()
  })
})

describe('a wait for holds', () => {
  async function nextWarning(): Promise<unknown> {
    const [warning] = await once(process, 'warning', { signal: AbortSignal.timeout(30_000) })
    return warning
  }

  function saveTo(region: Region): Hold {
    return region.hold('a disk write')
  }

  test('of a registry reports once, after a second, the holders with the stack of each hold', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base, two: base, three: base } }))
    const holds = [saveTo(memory.regions.one), memory.regions.three.hold('dma')]
    const seen: unknown[] = []
    const listener = (warning: unknown) => seen.push(warning)
    process.on('warning', listener)
    const begun = performance.now()
    const warned = nextWarning()
    // Several calls at once are one wait.
    const closing = Promise.all([memory.closeWhenReleased(), memory.closeWhenReleased()])
    expect(await warned).toMatchObject({
      name: 'PinfoldHeldWarning',
      code: 'PINFOLD_HELD',
      message:
        "closeWhenReleased: still waiting after 1 second: 2 of 3 regions are held: 'one' by a disk write; 'three' by dma",
      detail: expect.stringMatching(
        /^Release the hold of region 'one' by a disk write. It was made\n +at saveTo .*close\.test[\s\S]*\nRelease the hold of region 'three' by dma. It was made\n +at .*close\.test/,
      ),
    })
    expect(performance.now() - begun).toBeGreaterThan(990)
    for (const hold of holds) hold.release()
    await closing
    process.off('warning', listener)
    expect(seen).toHaveLength(1)
  })

  test('of a region reports the same', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base } }))
    const hold = saveTo(memory.regions.one)
    const warned = nextWarning()
    const closing = memory.regions.one.closeWhenReleased()
    expect(await warned).toMatchObject({
      code: 'PINFOLD_HELD',
      message: "closeWhenReleased: still waiting after 1 second: region 'one' is held: a disk write",
      detail: expect.stringMatching(/\n +at saveTo .*close\.test/),
    })
    hold.release()
    await closing
  })

  test('in a worker keeps it alive, until it is terminated', async () => {
    const worker = new Worker(
      `
        const { parentPort } = require('node:worker_threads')
        import('pinfold').then(({ openRegistrySync }) => {
          const memory = openRegistrySync({ regions: { one: { size: '64KiB', pages: 'base' } } })
          memory.regions.one.hold('a job')
          process.on('warning', ({ code }) => parentPort.postMessage(code))
          return memory.closeWhenReleased()
        })
      `,
      { eval: true },
    )
    let isThere = true
    worker.once('exit', () => {
      isThere = false
    })
    const [message] = await once(worker, 'message')
    expect([message, isThere]).toEqual(['PINFOLD_HELD', true])
    expect(await worker.terminate()).toBe(1)
  })

  test('names holds without stacks, if too many were made', async () => {
    const memory = kept(openRegistrySync({ regions: { one: base } }))
    const holds = Array.from({ length: 300 }, (_, index) => memory.regions.one.hold(`job ${index}`))
    for (const hold of holds.splice(0, 290)) hold.release()
    const warned = nextWarning()
    const closing = memory.closeWhenReleased()
    expect(await warned).toMatchObject({
      detail: expect.stringMatching(
        /by job 290. It was made\n +\(unknown: this thread made more than 100 holds a second at that time\)\n[\s\S]*\nand 2 more$/,
      ),
    })
    for (const hold of holds) hold.release()
    await closing
  })
})
