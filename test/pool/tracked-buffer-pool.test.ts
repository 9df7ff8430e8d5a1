import { beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type BufferPool,
  type BufferPoolOptions,
  bufferPoolBytes,
  createBufferPool,
  type MemoryRegistry,
  openRegistrySync,
} from '../../src/index.js'
import { basePageSize } from '../../src/system/page-sizes.js'
import { kept } from '../support/registries.js'

// The tests imitate another thread that acts during a call: its act runs before one of the call's exchanges.
const beforeExchange = vi.hoisted(() => vi.fn<(memory: unknown) => void>())
vi.mock(import('../../src/builtins.js'), async (load) => {
  const builtins = await load()
  const compareExchange = new Proxy(builtins.compareExchange, {
    apply: (exchange, self, given) => {
      beforeExchange(given[0])
      return Reflect.apply(exchange, self, given)
    },
  })
  return { ...builtins, compareExchange }
})

let memory: MemoryRegistry

beforeEach(() => {
  memory = kept(openRegistrySync({ leaks: 'off' }))
})

function pool(options: Partial<BufferPoolOptions> & { count: number }): BufferPool {
  const wanted = { elementSize: 64, ...options }
  const size = bufferPoolBytes(wanted, basePageSize)
  return createBufferPool(memory.allocateSync('pool', { size, pages: 'base' }), wanted)
}

/** Takes all elements of the pool, and sorts them. */
function drained(from: BufferPool): number[] {
  const all: number[] = []
  for (let index = from.get(); index >= 0; index = from.get()) all.push(index)
  return all.sort((one, other) => one - other)
}

const allOf = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('a buffer pool that tracks', () => {
  test.for([{ tracking: 'all' as const }, { tracking: { oneIn: 2 } }])(
    'refuses to take an element back twice, or to show a free one: %o',
    ({ tracking }) => {
      const from = pool({ count: 100, tracking })
      const [one, other] = [from.get(), from.get()]
      from.view(one).fill(1)
      from.put(one)
      expect(() => from.put(one)).toThrowCode('ERR_ELEMENT_FREE')
      expect(() => from.view(one)).toThrowCode('ERR_ELEMENT_FREE')
      from.put(other)
      expect(from.available).toBe(100)
      const place = from.take(4)
      const [stale] = from.spans.subarray(place, place + 1)
      from.give(4)
      expect(() => from.put(stale ?? -1)).toThrowCode('ERR_ELEMENT_FREE')
      from.room(4)
      expect(() => from.give(4)).toThrowCode('ERR_ELEMENT_FREE')
      expect(from.available).toBe(100)
      expect(drained(from)).toEqual(allOf(100))
    },
  )

  test('refuses a span that contains an element twice, and takes none of it', () => {
    const from = pool({ count: 100, tracking: 'all' })
    const [one, other] = [from.get(), from.get()]
    from.spans.set([one, other, one], from.room(3))
    expect(() => from.give(3)).toThrowCode('ERR_ELEMENT_FREE')
    expect(from.available).toBe(98)
    from.put(one)
    from.put(other)
    expect(drained(from)).toEqual(allOf(100))
  })

  test.for(['put', 'adopt'] as const)('is not misled by a thread that joins in the middle of %s', (call) => {
    const from = pool({ count: 4, tracking: 'all' })
    const index = from.get()
    let joined = 0
    // A thread that gets the line of the element's former holder marks this holder as gone.
    beforeExchange.mockImplementation((states) => {
      if (states instanceof Uint8Array && joined++ === 0) Atomics.store(states, index, 0x7f)
    })
    try {
      from[call](index)
    } finally {
      beforeExchange.mockReset()
    }
    expect(joined).toBeGreaterThan(1)
    if (call === 'adopt') from.put(index)
    expect(from.available).toBe(4)
  })

  test('names the stacks of both calls', () => {
    const from = pool({ count: 100, tracking: 'all' })
    const index = from.get()
    function givesBack() {
      from.put(index)
    }
    function givesBackAgain() {
      from.put(index)
    }
    givesBack()
    expect(givesBackAgain).toThrow(/is free\n {2}it was put back\n.*givesBack [\s\S]*and now\n.*givesBackAgain /)
  })

  test('notices a write to an element after it was put back', () => {
    const from = pool({ count: 1, tracking: 'all' })
    const index = from.get()
    const bytes = from.view(index)
    from.put(index)
    bytes[5] = 1
    expect(() => from.get()).toThrowCode('ERR_ELEMENT_WRITTEN')
    expect(from.available).toBe(1)
  })
})
