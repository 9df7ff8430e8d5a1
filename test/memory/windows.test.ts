import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createHeap, openRegistrySync, type Region } from '../../src/index.js'
import { freeMemory } from '../../src/memory/shortage/memory.js'
import { policyKind } from '../../src/native.js'
import { GiB, MiB } from '../../src/sizes.js'
import { mappedRegions } from '../support/mapped-regions.js'
import { needs } from '../support/requirements.js'

// A typed array of Node 20 contains at most 4 GiB. A larger region has windows of 4 GiB, one every 2 GiB.

// The region uses base pages. So many transparent pages may make the kernel compact memory for half a minute.
const size = 4.5 * GiB
const { available } = freeMemory({ policy: policyKind.none, nodes: [] })
const reason = available < size + 2 * GiB ? `needs ${size / GiB} GiB of memory, and 2 GiB to spare` : undefined

describe('a region of more than 4 GiB', () => {
  const memory = openRegistrySync()
  let region: Region

  beforeAll(async () => {
    if (reason !== undefined) return
    region = await memory.allocate('large', { size, pages: 'base', backing: 'anonymous' })
  }, 120_000)
  beforeEach((context) => needs(context, reason))
  afterAll(() => {
    memory.close()
    expect(mappedRegions()).toEqual([])
  })

  test('refuses its bytes as a whole, and a view of more than 2 GiB', () => {
    expect(() => region.bytes).toThrowCode('ERR_REGION_TOO_LARGE')
    expect(() => region.view(0, 2 * GiB + 1)).toThrowCode('ERR_REGION_TOO_LARGE')
  })

  test.each([
    ['at its beginning', 0],
    ['over the end of the first window', 4 * GiB - MiB],
    ['in the second window alone', 4 * GiB + MiB],
    ['at its end', size - 2 * MiB],
  ])('shows the same bytes in every view, %s', (_, offset) => {
    const whole = region.view(offset, 2 * MiB)
    whole.set([7, 8, 9], MiB - 1)
    expect(region.view(offset + MiB - 1, 3)).toEqual(Uint8Array.of(7, 8, 9))
    expect(region.slice(offset, 2 * MiB).view(MiB - 1, 3)).toEqual(Uint8Array.of(7, 8, 9))
  })

  test('gives a view of 2 GiB at any offset, and views of one window share its ArrayBuffer', () => {
    const buffers = new Set<ArrayBuffer>()
    for (let offset = 0; offset + 2 * GiB <= size; offset += 512 * MiB) {
      const view = region.view(offset, 2 * GiB)
      expect(view.length).toBe(2 * GiB)
      expect(region.view(offset, 2 * GiB).buffer).toBe(view.buffer)
      buffers.add(view.buffer)
    }
    expect([...buffers].map(({ byteLength }) => byteLength)).toEqual([4 * GiB, 2.5 * GiB])
  })

  test('gives an empty view at its very end, and no view behind', () => {
    expect(region.view(size, 0).length).toBe(0)
    expect(() => region.view(size, 1)).toThrowCode('ERR_OUT_OF_RANGE')
  })

  test('may contain a heap with blocks in every window, which move from one window to another', () => {
    using heap = createHeap(region)
    const large = heap.allocate(4 * GiB - MiB)
    const over = heap.allocateZeroed(2 * MiB)
    expect(over).toBe(4 * GiB - MiB)
    expect(heap.view(over).every((byte) => byte === 0)).toBe(true)
    heap.view(over).fill(5)
    const behind = heap.allocate(MiB)
    expect(() => heap.view(large)).toThrowCode('ERR_REGION_TOO_LARGE')
    heap.free(large)
    const moved = heap.reallocate(over, 4 * MiB)
    expect(moved).toBe(behind + MiB)
    heap.free(behind)
    const back = heap.reallocate(moved, 4 * MiB, GiB)
    expect(
      heap
        .view(back)
        .subarray(0, 2 * MiB)
        .every((byte) => byte === 5),
    ).toBe(true)
    heap.check()
    heap.free(back)
    expect(heap.stats()).toMatchObject({ size, used: 0, freeBlocks: 1 })
  })

  test('leaves no view with a byte when it is closed', () => {
    const views = [region.view(0, MiB), region.view(4 * GiB, MiB)]
    region.close()
    expect(views.map(({ length }) => length)).toEqual([0, 0])
  })
})
