import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { openRegistry, openRegistrySync, registryChannels } from '../../src/index.js'
import { KiB, MiB } from '../../src/sizes.js'
import { mappedRegions } from '../support/mapped-regions.js'
import { base, impossible, kept } from '../support/registries.js'

describe('declared regions', () => {
  test('are available by name when the registry opens, with both functions', async () => {
    for (const memory of [
      kept(await openRegistry({ regions: { rx: { size: '4MiB', pages: ['2MiB', 'base'] }, control: base } })),
      kept(openRegistrySync({ regions: { rx: { size: '4MiB', pages: ['2MiB', 'base'] }, control: base } })),
    ]) {
      expect(Object.keys(memory.regions)).toEqual(['rx', 'control'])
      expect(memory.regions.rx.size).toBe(4 * MiB)
      expect(memory.regions.control).toMatchObject({ name: 'control', pages: 'base', size: MiB, closed: false })
      memory.regions.rx.bytes.fill(7)
      expect(memory.regions.rx.view(4 * MiB - 1, 1)[0]).toBe(7)
      memory.close()
    }
  })

  test('are all or nothing: when the third of five fails, the first two are gone when the error arrives', async () => {
    const regions = { one: base, two: base, three: impossible, four: base, five: base }
    await expect(openRegistry({ regions })).rejects.toMatchObject({ code: 'ERR_MEMORY_SHORT' })
    expect(mappedRegions()).toEqual([])

    expect(() => openRegistrySync({ regions })).toThrowCode('ERR_MEMORY_SHORT')
    expect(mappedRegions()).toEqual([])
  })

  test('are checked before the first of them is made', async () => {
    const names: unknown[] = []
    const note = (message: unknown) => names.push(message)
    subscribe(registryChannels.allocate, note)
    // @ts-expect-error: the size is missing
    await expect(openRegistry({ regions: { right: base, wrong: {} } })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      values: { option: 'size' },
    })
    unsubscribe(registryChannels.allocate, note)
    expect(names).toEqual([])
  })

  test('are no longer populated after the signal is aborted, and nothing is left', async () => {
    const stop = new AbortController()
    const opening = openRegistry({ regions: { one: base, two: { ...base, size: '512MiB' } }, signal: stop.signal })
    const reason = new Error('enough')
    stop.abort(reason)
    await expect(opening).rejects.toBe(reason)
    expect(mappedRegions()).toEqual([])
  })

  test('may have the names of properties of every object', () => {
    const memory = kept(openRegistrySync({ regions: { constructor: base, toString: base } }))
    expect(memory.regions.constructor.name).toBe('constructor')
    expect(memory.get('toString')).toBe(memory.regions.toString)
    expect(memory.get('hasOwnProperty')).toBeUndefined()
    expect(kept(openRegistrySync()).regions).toEqual({})
  })
})

describe('the names of a registry', () => {
  test('are unique among its open regions, and free again after a close', () => {
    const memory = kept(openRegistrySync())
    const first = memory.allocateSync('tx', base)
    expect(() => memory.allocateSync('tx', base)).toThrowCode('ERR_REGION_EXISTS', { values: { name: 'tx' } })
    first.close()
    expect(memory.allocateSync('tx', base)).not.toBe(first)
  })

  test('are taken while the allocation is under way, and free again when it has failed', async () => {
    const memory = kept(openRegistrySync())
    const first = memory.allocate('tx', { ...base, size: '64MiB' })
    await expect(memory.allocate('tx', base)).rejects.toMatchObject({ code: 'ERR_REGION_EXISTS' })
    expect(() => memory.allocateSync('tx', base)).toThrowCode('ERR_REGION_EXISTS')
    ;(await first).close()

    await expect(memory.allocate('tx', impossible)).rejects.toMatchObject({ code: 'ERR_MEMORY_SHORT' })
    expect((await memory.allocate('tx', base)).name).toBe('tx')
  })

  test('may also be used by another registry', () => {
    const [one, other] = [kept(openRegistrySync()), kept(openRegistrySync())]
    expect(one.allocateSync('tx', base).address).not.toBe(other.allocateSync('tx', base).address)
  })
})

describe('allocate', () => {
  test('rejects with the reason of its aborted signal, and leaves nothing', async () => {
    const memory = kept(openRegistrySync({ budget: '1GiB' }))
    const stop = new AbortController()
    const allocating = memory.allocate('tx', { size: '512MiB', pages: 'base', signal: stop.signal })
    expect(memory.stats()).toMatchObject({ pending: 1, regions: 0 })
    stop.abort('enough')
    await expect(allocating).rejects.toBe('enough')

    expect(memory.stats()).toMatchObject({ pending: 0, regions: 0, failed: 1, budget: { total: { used: 0 } } })
    expect(mappedRegions()).toEqual([])
  })

  test('does nothing if its signal was aborted before', async () => {
    const memory = kept(openRegistrySync())
    await expect(memory.allocate('tx', { ...base, signal: AbortSignal.abort('early') })).rejects.toBe('early')
    expect(memory.list()).toEqual([])
  })

  test('removes its listeners from a signal that lives on', async () => {
    const memory = kept(openRegistrySync())
    let listeners = 0
    const { signal } = new AbortController()
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1
      removeEventListener.apply(signal, args)
    }
    await memory.allocate('tx', { ...base, signal })
    await expect(memory.allocate('rx', { ...impossible, signal })).rejects.toThrow()
    expect(listeners).toBe(0)
  })
})

describe('a region', () => {
  test('is found by every address in it, and by no address outside', () => {
    const memory = kept(openRegistrySync({ regions: { one: base, two: base } }))
    const three = memory.allocateSync('three', base)
    for (const region of [memory.regions.one, memory.regions.two, three]) {
      expect(memory.find(region.address)).toBe(region)
      expect(memory.find(region.address + BigInt(region.size - 1))).toBe(region)
      expect(memory.find(region.address + BigInt(region.size))).not.toBe(region)
      expect(memory.find(region.address - 1n)).not.toBe(region)
    }
    const { address } = three
    three.close()
    expect(memory.find(address)).toBeUndefined()
    expect(memory.find(0n)).toBeUndefined()
  })

  test('is listed while it is open, in the order of allocation', () => {
    const memory = kept(openRegistrySync({ regions: { one: base } }))
    const two = memory.allocateSync('two', base)
    expect(memory.list()).toEqual([memory.regions.one, two])
    expect(memory.get('two')).toBe(two)
    memory.regions.one.close()
    expect(memory.list()).toEqual([two])
    expect(memory.get('one')).toBeUndefined()
    expect(memory.regions.one.closed).toBe(true)
  })
})

describe('the reports of a registry', () => {
  test('contain plain numbers in `stats()`', () => {
    const memory = kept(openRegistrySync({ budget: { total: '8MiB', perPageSize: { base: '4MiB' } } }))
    memory.allocateSync('one', base).close()
    memory.allocateSync('two', { size: '2MiB', pages: 'base' })
    expect(() => memory.allocateSync('three', { size: '3MiB', pages: 'base' })).toThrow()

    const stats = memory.stats()
    expect(JSON.parse(JSON.stringify(stats))).toEqual(stats)
    expect(stats).toEqual({
      regions: 1,
      bytes: 2 * MiB,
      peakBytes: 2 * MiB,
      pending: 0,
      registrations: 0,
      pages: { base: { regions: 1, bytes: 2 * MiB } },
      allocated: 2,
      failed: 1,
      fallbacks: 0,
      closed: 1,
      leaked: 0,
      budget: {
        total: { limit: 8 * MiB, used: 2 * MiB },
        perPageSize: { base: { limit: 4 * MiB, used: 2 * MiB } },
        perNode: {},
      },
    })
  })

  test('show a line for the registry and for each region when it is inspected', () => {
    const memory = kept(openRegistrySync({ budget: '1GiB', regions: { one: base, two: base } }))
    const [head, ...lines] = inspect(memory).split('\n')
    expect(head).toBe('MemoryRegistry { 2 regions, 2MiB of 1GiB }')
    expect(lines).toEqual([`  ${inspect(memory.regions.one)}`, `  ${inspect(memory.regions.two)}`])
    expect(inspect({ deep: { deep: { deep: memory } } })).not.toContain('one')
    memory.close()
    expect(inspect(memory)).toBe('MemoryRegistry { closed }')
  })
})

test('a region can be written as JSON, open or closed, by itself or in a slice', () => {
  const memory = kept(openRegistrySync({ regions: { one: base } }))
  const { one } = memory.regions
  const plain = { name: 'one', pages: 'base', size: one.size, pageSize: one.pageSize, closed: false }
  const address = `0x${one.address.toString(16)}`
  const slice = one.slice(16, 32)
  expect(JSON.parse(JSON.stringify({ one, slice }))).toEqual({
    one: { ...plain, address },
    slice: { region: { ...plain, address }, offset: 16, length: 32 },
  })
  one.close()
  expect(JSON.parse(JSON.stringify(one))).toEqual({ ...plain, address, closed: true })
})

describe('bad input is refused with its value and changes nothing', () => {
  const wrongRegistries: [unknown, string][] = [
    [null, ''],
    ['8GiB', ''],
    [{ budgets: 1 }, 'budgets'],
    [{ budget: '8 gigs' }, ''],
    [{ budget: -1 }, ''],
    [{ budget: Number.NaN }, ''],
    [{ budget: 1.5 }, ''],
    [{ budget: null }, ''],
    [{ budget: { totl: 1 } }, 'totl'],
    [{ budget: { total: 'x' } }, 'total'],
    [{ budget: { perNode: { 0: [] } } }, 'perNode.0'],
    [{ leaks: 'some' }, 'leaks'],
    [{ signal: {} }, 'signal'],
    [{ regions: [] }, 'regions'],
    [{ regions: { rx: null } }, ''],
    [{ regions: { rx: { size: '1MiB', page: 'base' } } }, 'page'],
    [{ regions: { 'r/x': base } }, ''],
    [{ regions: { '': base } }, ''],
  ]
  test.each(wrongRegistries)('openRegistry(%j)', async (options, option) => {
    // @ts-expect-error: a program without types may pass this
    await expect(openRegistry(options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', values: { option } })
  })

  test('openRegistrySync takes no signal, since nothing could abort it', () => {
    // @ts-expect-error: a program without types may pass this
    const open = () => openRegistrySync({ signal: AbortSignal.abort() })
    expect(open).toThrowCode('ERR_INVALID_ARGUMENT')
    expect(open).toThrow('signal: there is no such option')
  })

  test.each([
    [{ perPageSize: { '3MiB': '1GiB' } }, '3MiB'],
    [{ perPageSize: { huge: '1GiB' } }, 'huge'],
    [{ perPageSize: { '2MiB': '1GiB', '2048KiB': '1GiB' } }, '2048KiB'],
    [{ perNode: { first: '1GiB' } }, 'first'],
    [{ perNode: { '-1': '1GiB' } }, '-1'],
    [{ perNode: { 1024: '1GiB' } }, '1024'],
  ])('budget %j', (budget, key) => {
    expect(() => openRegistrySync({ budget })).toThrowCode('ERR_INVALID_ARGUMENT', { values: { key } })
  })

  const wrongNames = ['', 'a b', 'a/b', 'é', '\n', 'x'.repeat(201), 7, null, undefined, Symbol('rx'), {}]
  test.each(wrongNames)('allocate(%o)', async (name) => {
    const memory = kept(openRegistrySync())
    // @ts-expect-error: a program without types may pass this
    await expect(memory.allocate(name, base)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    // @ts-expect-error: a program without types may pass this
    expect(() => memory.allocateSync(name, base)).toThrowCode('ERR_INVALID_ARGUMENT')
    expect(memory.stats()).toMatchObject({ regions: 0, allocated: 0, pending: 0 })
  })

  const wrongOptions = [null, undefined, 7, 'base', {}, { size: 0 }, { size: 1, signal: 'now' }, { size: 1, sized: 2 }]
  test.each(wrongOptions)('allocate(name, %j)', async (options) => {
    const memory = kept(openRegistrySync({ budget: '1MiB' }))
    // @ts-expect-error: a program without types may pass this
    await expect(memory.allocate('rx', options)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    // @ts-expect-error: a program without types may pass this
    expect(() => memory.allocateSync('rx', options)).toThrowCode('ERR_INVALID_ARGUMENT')
    expect(memory.stats()).toMatchObject({ regions: 0, pending: 0, budget: { total: { used: 0 } } })
    memory.allocateSync('rx', { size: 64 * KiB, pages: 'base' })
  })

  test('allocateSync takes no signal, since nothing could abort it', () => {
    const memory = kept(openRegistrySync())
    const options = { ...base, signal: new AbortController().signal }
    expect(() => memory.allocateSync('rx', options)).toThrowCode('ERR_INVALID_ARGUMENT')
  })

  test('closeWhenReleased(options)', async () => {
    const memory = kept(openRegistrySync())
    // @ts-expect-error: a program without types may pass this
    await expect(memory.closeWhenReleased({ timeout: 5 })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    expect(memory.closed).toBe(false)
  })
})
