import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { createHeap, type Heap, openRegistrySync } from '../../src/index.js'
import { coreOf } from '../../src/memory/region-memory.js'
import { mappedRegions } from '../support/mapped-regions.js'

const memory = openRegistrySync()
const region = memory.allocateSync('heap', { size: '64KiB', pages: 'base' })
// The slice starts at no multiple above 16, so that blocks must be aligned by their addresses.
const slice = region.slice(272, 40_000)

afterAll(() => {
  memory.close()
  expect(mappedRegions()).toEqual([])
})

/** A live block, and the byte that fills it. */
interface Block {
  readonly offset: number
  readonly size: number
  readonly mark: number
}

interface Model {
  /** The length of the red zone behind each block. */
  readonly redZone: number
  blocks: Block[]
  marks: number
  failures: number
}

/** The length of a block of `size` with its red zone. */
const taken = ({ redZone }: Model, size: number) => Math.ceil((size + redZone) / 16) * 16
const isAligned = (offset: number, alignment: number) => (slice.address + BigInt(offset)) % BigInt(alignment) === 0n
const full = expect.objectContaining({ code: 'ERR_HEAP_FULL' })

/** Asserts the conditions that must hold after every step. */
function check(heap: Heap, model: Model): void {
  heap.check()
  const { blocks, failures } = model
  const used = blocks.reduce((sum, { size }) => sum + taken(model, size), 0)
  expect(heap.stats()).toMatchObject({ blocks: blocks.length, used, free: heap.size - used, failures })
  let end = 0
  const live: number[] = []
  for (const { offset, length, free } of heap.walk()) {
    expect(offset).toBe(end)
    end += length
    if (!free) live.push(offset)
  }
  expect(end).toBe(heap.size)
  expect(live).toEqual(blocks.map(({ offset }) => offset).sort((one, other) => one - other))
  for (const { offset, size, mark } of blocks) {
    const view = heap.view(offset)
    expect(view).toHaveLength(size)
    expect(view.every((byte) => byte === mark)).toBe(true)
  }
}

abstract class Step implements fc.Command<Model, Heap> {
  check = () => true
  abstract act(model: Model, heap: Heap): void
  run(model: Model, heap: Heap): void {
    this.act(model, heap)
    check(heap, model)
  }
  toString = () => `${this.constructor.name} ${JSON.stringify(this)}`
}

/** Adds the block to the model, and fills it with the next mark. */
function add(model: Model, heap: Heap, offset: number, size: number): void {
  const mark = ++model.marks & 0xff
  heap.view(offset).fill(mark)
  model.blocks.push({ offset, size, mark })
}

class Allocate extends Step {
  constructor(
    readonly size: number,
    readonly alignment: number,
    readonly how: 'allocate' | 'allocateZeroed',
  ) {
    super()
  }
  act(model: Model, heap: Heap): void {
    // A free block of this length has room for the new block, wherever its aligned offset lies.
    const surely = heap.stats().largestFree >= taken(model, this.size) + this.alignment
    let offset: number
    try {
      offset = heap[this.how](this.size, this.alignment)
    } catch (error) {
      expect(error).toEqual(full)
      expect(surely).toBe(false)
      model.failures += 1
      return
    }
    expect(isAligned(offset, this.alignment)).toBe(true)
    if (this.how === 'allocateZeroed') expect(heap.view(offset).every((byte) => byte === 0)).toBe(true)
    add(model, heap, offset, this.size)
  }
}

class Free extends Step {
  constructor(readonly which: number) {
    super()
  }
  act(model: Model, heap: Heap): void {
    const [block] = model.blocks.splice(this.which % (model.blocks.length || 1), 1)
    if (block === undefined) return
    heap.free(block.offset)
    expect(() => heap.free(block.offset)).toThrowCode('ERR_BLOCK_FREE')
  }
}

class Reallocate extends Step {
  constructor(
    readonly which: number,
    readonly size: number,
    readonly alignment: number,
  ) {
    super()
  }
  act(model: Model, heap: Heap): void {
    const place = this.which % (model.blocks.length || 1)
    const block = model.blocks[place]
    if (block === undefined) return
    let offset: number
    try {
      offset = heap.reallocate(block.offset, this.size, this.alignment)
    } catch (error) {
      expect(error).toEqual(full)
      model.failures += 1
      return
    }
    expect(isAligned(offset, this.alignment)).toBe(true)
    const kept = heap.view(offset).subarray(0, Math.min(block.size, this.size))
    expect(kept.every((byte) => byte === block.mark)).toBe(true)
    model.blocks.splice(place, 1)
    add(model, heap, offset, this.size)
  }
}

class Misuse extends Step {
  constructor(readonly offset: number) {
    super()
  }
  act(model: Model, heap: Heap): void {
    const { blocks } = model
    if (blocks.some(({ offset }) => offset === this.offset)) return
    const isInside = blocks.some(
      ({ offset, size }) => offset < this.offset && this.offset < offset + taken(model, size),
    )
    expect(() => heap.free(this.offset)).toThrowCode(isInside ? 'ERR_BLOCK_UNKNOWN' : 'ERR_BLOCK_FREE')
    expect(() => heap.reallocate(this.offset, 1)).toThrowCode(isInside ? 'ERR_BLOCK_UNKNOWN' : 'ERR_BLOCK_FREE')
  }
}

const size = fc.oneof(
  fc.integer({ min: 1, max: 100 }),
  fc.integer({ min: 1, max: 3000 }),
  fc.integer({ min: 1, max: 45_000 }),
)
const alignment = fc.oneof(
  fc.constant(16),
  fc.integer({ min: 0, max: 13 }).map((log) => 2 ** log),
)
const steps = fc.commands(
  [
    fc.tuple(size, alignment).map(([of, to]) => new Allocate(of, to, 'allocate')),
    fc.tuple(size, alignment).map(([of, to]) => new Allocate(of, to, 'allocateZeroed')),
    fc.nat(50).map((which) => new Free(which)),
    fc.nat(50).map((which) => new Free(which)),
    fc.tuple(fc.nat(50), size, alignment).map(([which, of, to]) => new Reallocate(which, of, to)),
    fc.nat(slice.length - 1).map((offset) => new Misuse(offset)),
  ],
  { maxCommands: 100, size: 'max' },
)

test('blocks that come and go in any order never overlap, keep bytes and alignment, and leave one free block', () => {
  fc.assert(
    fc.property(steps, fc.boolean(), (commands, redZones) => {
      const heap = createHeap(slice, { blocks: 1, redZones })
      const model: Model = { redZone: redZones ? 16 : 0, blocks: [], marks: 0, failures: 0 }
      try {
        fc.modelRun(() => ({ model, real: heap }), commands)
        for (const { offset } of model.blocks) heap.free(offset)
        heap.check()
        expect([...heap.walk()]).toEqual([{ offset: 0, length: slice.length, size: 0, free: true }])
        heap.close()
      } finally {
        heap.close({ force: true })
      }
      expect(coreOf(region).holds.reasons('all').names).toEqual([])
    }),
    { numRuns: 100 },
  )
})
