import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, describe, expect, test } from 'vitest'
import { attachRegion, openRegistry, openRegistrySync, PinfoldError, registryChannels } from '../../src/index.js'
import { Child } from '../support/child-process.js'
import { mappedRegions } from '../support/mapped-regions.js'

// Programs that are wrong in ways that a type cannot forbid. Each of them once crashed, hung or left something behind.

const base = { size: '1MiB', pages: 'base' } as const
const memory = openRegistrySync()

afterEach(() => {
  for (const region of memory.list()) region.close()
  expect(mappedRegions()).toEqual([])
})

describe('a region’s bytes where options are expected are refused at once:', () => {
  const large = { size: '64MiB', pages: 'base' } as const
  const wrong: Readonly<Record<string, (bytes: object) => unknown>> = {
    attachRegion: (bytes) => attachRegion(bytes as never),
    openRegistrySync: (bytes) => openRegistrySync(bytes),
    'openRegistrySync, budget': (bytes) => openRegistrySync({ budget: bytes }),
    'openRegistrySync, a budget by key': (bytes) => openRegistrySync({ budget: { perNode: bytes as never } }),
    'openRegistrySync, regions': (bytes) => openRegistrySync({ regions: bytes as never }),
    allocateSync: (bytes) => memory.allocateSync('wrong', bytes as never),
    'allocateSync, numa': (bytes) => memory.allocateSync('wrong', { size: 1, numa: bytes as never }),
    'allocateSync, backing': (bytes) => memory.allocateSync('wrong', { size: 1, backing: bytes as never }),
    runs: (bytes) => memory.get('bytes')?.translate().runs(bytes),
  }

  test.each(Object.entries(wrong))('%s', (_, call) => {
    const { bytes } = memory.allocateSync('bytes', large)
    for (const given of [bytes, new String('x'.repeat(2 ** 24))]) {
      expect(() => call(given)).toThrowCode('ERR_INVALID_ARGUMENT')
    }
  })
})

test('more runs than V8’s heap has room for are refused before they are made', () => {
  const where = memory.allocateSync('cut', { size: '64MiB', pages: 'base' }).translate()
  expect(() => where.runs({ maxLength: 1 })).toThrowCode(
    process.getuid?.() === 0 ? 'ERR_OUT_OF_RANGE' : 'ERR_PFN_HIDDEN',
  )
})

test('an AbortSignal whose own methods throw stops no call, and delays none', async () => {
  const thrower = () => {
    throw new Error('forged')
  }
  const signal = Object.assign(new AbortController().signal, {
    addEventListener: thrower,
    removeEventListener: thrower,
    throwIfAborted: thrower,
  })
  Object.defineProperty(signal, 'reason', { get: thrower })
  const registry = await openRegistry({ signal, regions: { one: base } })
  const two = await registry.allocate('two', { ...base, signal })
  const hold = two.hold()
  const closing = two.closeWhenReleased({ signal })
  hold.release()
  await closing
  await registry.closeWhenReleased({ signal })
  expect(registry.stats()).toMatchObject({ pending: 0, regions: 0 })
})

/** Calls `attempt` with no stack left, and then again and again with a little more stack. */
function withLittleStack(attempt: () => void): void {
  let attempts = 0
  const dive = () => {
    try {
      dive()
    } catch {
      // the stack is used up
    }
    if (attempts++ < 1500) attempt()
  }
  dive()
}

describe('with a stack that is used up', () => {
  test('a close that failed half-way is completed by the next close', () => {
    using registry = openRegistrySync({ budget: '1GiB', regions: { one: base } })
    const { one } = registry.regions
    const where = one.translate()
    withLittleStack(() => {
      try {
        one.close()
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
      }
    })
    expect(() => where.runs()).toThrowCode('ERR_REGION_CLOSED')
    expect(registry.stats()).toMatchObject({ regions: 0, budget: { total: { used: 0 } } })
  })

  test('an allocation leaves no memory without an owner', async () => {
    const registry = openRegistrySync()
    const made: Promise<unknown>[] = []
    let count = 0
    withLittleStack(() => {
      try {
        made.push(registry.allocate(`region-${count++}`, { size: 1, pages: 'base' }))
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
      }
    })
    await Promise.allSettled(made)
    registry.close()
    expect(mappedRegions()).toEqual([])
    expect(registry.stats()).toMatchObject({ pending: 0, regions: 0 })
  })
})

describe('a subscriber to the closing of regions', () => {
  const heard: unknown[] = []
  let onClose = () => {}
  const listener = () => onClose()

  afterEach(() => unsubscribe(registryChannels.close, listener))

  test('cannot hold another region that is about to be closed', () => {
    subscribe(registryChannels.close, listener)
    const registry = openRegistrySync({ regions: { one: base, two: base } })
    onClose = () => {
      try {
        registry.regions.two.hold()
        heard.push('held')
      } catch (error) {
        heard.push(error instanceof PinfoldError ? error.code : error)
      }
    }
    registry.close()
    expect(heard).toEqual(['ERR_REGION_CLOSED', 'ERR_REGION_CLOSED'])
    expect(registry.list()).toEqual([])
  })

  test('finds no address of the region, and its budget released', () => {
    subscribe(registryChannels.close, listener)
    using registry = openRegistrySync({ budget: '1MiB', regions: { one: base } })
    const where = registry.regions.one.translate()
    onClose = () => {
      expect(() => where.physicalAt(0)).toThrowCode('ERR_REGION_CLOSED')
      heard.push(registry.stats().budget.total?.used)
    }
    registry.close()
    expect(heard.at(-1)).toBe(0)
  })
})

test.each([() => ({}), () => undefined, () => Promise.reject, new Proxy(() => '', { apply: () => Symbol('stack') })])(
  'an Error.prepareStackTrace of the program (%#) does no harm',
  (prepare) => {
    const before = Error.prepareStackTrace
    Error.prepareStackTrace = prepare
    try {
      openRegistrySync({ leaks: 'all', regions: { one: base } }).close()
    } finally {
      Error.prepareStackTrace = before
    }
  },
)

test.each([
  ['takes the cell', { failure: expect.stringMatching(/^(none|ERR_EXTERNAL_BUFFERS|ERR_PFN_HIDDEN)$/) }, 0],
  ['cuts off', { pending: 0, used: 0, again: 'none' }, 0],
  [
    'opens no file',
    {
      openLoans: expect.stringMatching(/^(ERR_SYSTEM|none)$/),
      repairLoans: expect.stringMatching(/^ERR_/),
      borrowHugepages: expect.stringMatching(/^ERR_/),
      allocateSync: 'ERR_DESCRIPTORS_SHORT',
      afterwards: 'none',
    },
    0,
  ],
  ['exits under a lock', 'waiting', 5],
])('a hostile program leaves its process intact: %s', async (way, told, code) => {
  await using child = new Child('hostile.ts', [way], ['prlimit', '--nofile=1000'])
  const line = JSON.parse(await child.line())
  if (typeof told === 'string') expect(line).toBe(told)
  else expect(line).toMatchObject(told)
  expect(await child.ended).toEqual({ code, signal: null, stderr: '' })
})
