import { expectTypeOf, test } from 'vitest'
import {
  type MemoryRegistry,
  openRegistry,
  openRegistrySync,
  type PoolMemory,
  type Region,
  type RegionOptions,
  type RegistrableMemory,
  type RegistryOptions,
  type Slice,
  type Translation,
} from '../../src/index.js'

// The compiler checks these tests. The functions in them are never called.

test('regions are typed by the names that were declared', () => {
  const opened = () =>
    openRegistry({
      budget: '8GiB',
      regions: {
        rx: { size: '64MiB', pages: ['2MiB', 'transparent', 'base'] },
        control: { size: '1MiB', pages: 'base' },
      },
    })
  expectTypeOf(opened).returns.resolves.toEqualTypeOf<MemoryRegistry<'rx' | 'control'>>()

  const wrongName = async () => {
    const memory = await opened()
    expectTypeOf(memory.regions.rx).toEqualTypeOf<Region>()
    // @ts-expect-error: no region 'rxx' was declared
    memory.regions.rxx
    // @ts-expect-error: the registry keeps what it was opened with
    memory.regions.rx = memory.regions.control
  }
  expectTypeOf(wrongName).toBeFunction()
})

test('a registry without declared regions has none', () => {
  const opened = () => openRegistrySync({ budget: { total: '1GiB', perPageSize: { '2MiB': 0 }, perNode: { 0: 1e9 } } })
  expectTypeOf(opened).returns.toEqualTypeOf<MemoryRegistry<never>>()
  // @ts-expect-error: no region was declared
  const wrongName = () => opened().regions.rx
  expectTypeOf(wrongName).toBeFunction()
})

test('a registry with regions can be passed where any registry is expected', () => {
  expectTypeOf<MemoryRegistry<'rx' | 'tx'>>().toExtend<MemoryRegistry>()
  expectTypeOf<MemoryRegistry<'rx' | 'tx'>>().toExtend<MemoryRegistry<'rx'>>()
  expectTypeOf<MemoryRegistry<'rx'>>().not.toExtend<MemoryRegistry<'rx' | 'tx'>>()
})

test('names that are known only at run time give regions that may be missing', () => {
  const opened = (regions: Record<string, RegionOptions>) => openRegistrySync({ regions })
  const region = (name: string) => opened({}).regions[name]
  expectTypeOf(region).returns.toEqualTypeOf<Region | undefined>()
})

test('unknown options and wrong types do not compile', () => {
  const wrong = (memory: MemoryRegistry) => [
    // @ts-expect-error: there is no such option
    openRegistry({ budgets: 1 }),
    // @ts-expect-error: a budget has no such option
    openRegistry({ budget: { totl: 1 } }),
    // @ts-expect-error: a region has no such option
    openRegistry({ regions: { rx: { size: 1, page: 'base' } } }),
    // @ts-expect-error: there is no such level
    openRegistry({ leaks: 'some' }),
    // @ts-expect-error: nothing could abort it
    openRegistrySync({ signal: new AbortController().signal }),
    // @ts-expect-error: an address is a bigint
    memory.find(4096),
  ]
  expectTypeOf(wrong).toBeFunction()
})

test('options may be read-only and kept apart', () => {
  const options = {
    budget: { perNode: { 0: '1GiB' } },
    regions: { rx: { size: '1MiB', pages: ['2MiB', 'base'], numa: { policy: 'bind', nodes: [0] } } },
  } as const
  expectTypeOf(options).toExtend<RegistryOptions<'rx'>>()
  const opened = () => openRegistry(options)
  expectTypeOf(opened).returns.resolves.toEqualTypeOf<MemoryRegistry<'rx'>>()
})

test('the region of a slice is a Region', () => {
  const translated = (slice: Slice) => slice.region.translate()
  expectTypeOf(translated).returns.toEqualTypeOf<Translation>()
  expectTypeOf<Slice['region']>().toEqualTypeOf<Region>()
  const parts = (region: Region) => [region.slice(1), region.slice(1, 2), region.slice(1).slice(1)]
  expectTypeOf(parts).returns.toEqualTypeOf<Slice[]>()
})

test('regions and slices are memory for rings, pools, packets, heaps and devices', () => {
  expectTypeOf<Region | Slice>().toExtend<PoolMemory>()
  expectTypeOf<PoolMemory>().toEqualTypeOf<RegistrableMemory>()
  // @ts-expect-error: an object that only looks like memory is not memory
  const imitation: PoolMemory = {
    address: 0n,
    bytes: new Uint8Array(1),
    view: () => new Uint8Array(1),
    slice: () => imitation,
  }
  expectTypeOf(imitation).toBeObject()
})
