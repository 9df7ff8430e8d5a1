import { inspect } from 'node:util'
import { PinfoldError } from '../errors.js'
import { OpenOnce } from '../memory/open-once.js'
import { alignedMemory, type MemoryRange, type RegionMemory } from '../memory/region-memory.js'
import { checked } from '../options.js'
import { formatSize, GiB } from '../sizes.js'
import { Granule, Word } from './block-table.js'
import { walkBlocks } from './block-walk.js'
import {
  blockOverrun,
  heapClosed,
  heapDamaged,
  heapFull,
  heapInUse,
  largestAlignment,
  noBlock,
  stepOf,
  wrongSize,
} from './errors.js'
import { firstDamage } from './integrity.js'
import { closeOptions, type HeapCloseOptions, type HeapOptions, heapOptions } from './options.js'
import { firstWritten, markRedZone, redZoneBytes } from './red-zone.js'
import { SegregatedFit } from './segregated-fit.js'
import type { HeapBlock, HeapStats } from './stats.js'

/** Bytes that one view can show. */
const longestView = 2 * GiB
/** So that an int32 can count them. */
const mostGranules = 2 ** 31 - 1
const fewestBlocks = 256

/**
 * Blocks of any size, from 16 bytes up, in a region or slice: as DPDK's rte_malloc.
 *
 * A block is named by its offset in the memory that the heap was opened on, and has no header there. The heap's own
 * table of blocks lies in typed arrays beside the memory. A device or a program that writes past the end of a block
 * damages the bytes of its neighbour, but never the heap.
 *
 * A heap belongs to one thread, as its Region object does. If several threads allocate from one region, each opens a
 * heap on its own slice. A program on several NUMA nodes opens a heap for each node's region.
 *
 * A heap holds its region until it is closed.
 */
export class Heap {
  readonly #part: MemoryRange
  readonly #release: () => void
  /** Bytes behind each block that no program may write to; 0 without red zones. */
  readonly #redZone: number
  #fit: SegregatedFit
  /** A view of all its bytes, if one view can show them. It is kept, since a new one for each call would be garbage. */
  #whole: Uint8Array | undefined
  #closed = false
  #failures = 0

  /** Made by `createHeap()`, which has checked the arguments. */
  constructor(part: MemoryRange, blocks: number, redZone: number, release: () => void) {
    this.#part = part
    this.#redZone = redZone
    const address = part.core.address + BigInt(part.offset)
    const skew = Number((address % BigInt(largestAlignment)) / BigInt(Granule.bytes))
    this.#fit = new SegregatedFit(Math.floor(part.length / Granule.bytes), skew, blocks)
    this.#release = release
  }

  /** Bytes that the heap manages: those of its memory, rounded down to a multiple of 16; 0 when it is closed. */
  get size(): number {
    return this.#fit.size * Granule.bytes
  }

  /** Whether the heap is closed. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Allocates `size` bytes, and leaves their contents as they are. It takes constant time, and makes no garbage.
   *
   * @param size bytes, at least 1
   * @param alignment the block's virtual address is a multiple of it: a power of two, up to 1 GiB; at least 16 is used
   * @returns the block's offset
   * @throws PinfoldError `ERR_HEAP_FULL`, `ERR_OUT_OF_RANGE` for a wrong size or alignment, `ERR_HEAP_CLOSED`,
   *   `ERR_MEMORY_SHORT` when the process has no memory for a larger table. Nothing is changed then.
   */
  allocate(size: number, alignment: number = Granule.bytes): number {
    return this.#allocate('allocate', size, alignment)
  }

  /** As `allocate`, and sets the bytes to zero. @throws PinfoldError as `allocate` and `region.view` */
  allocateZeroed(size: number, alignment: number = Granule.bytes): number {
    const offset = this.#allocate('allocateZeroed', size, alignment)
    try {
      this.#zero(offset, size)
    } catch (error) {
      this.free(offset)
      throw error
    }
    return offset
  }

  /**
   * Makes a block larger or smaller, and keeps its bytes up to the smaller of both sizes. The block stays where it is
   * when it shrinks, or when the memory behind it is free and large enough. Otherwise it moves.
   *
   * @param alignment as of `allocate`; a block whose address is not a multiple of it moves
   * @returns the block's offset. If it is not the old offset, the old block is free
   * @throws PinfoldError as `free`, `allocate` and `region.view`. Nothing is changed then.
   */
  reallocate(offset: number, size: number, alignment: number = Granule.bytes): number {
    const subject = 'reallocate'
    const old = this.#live(subject, offset)
    const granules = granulesOf(subject, size, this.#redZone)
    const step = stepOf(subject, alignment)
    const fit = this.#fit
    if (this.#redZone > 0) this.#requireUnwritten(subject, old)
    if (fit.toAligned(old, step) === 0 && fit.resize(old, granules)) {
      fit.table.words[old + Word.slackOrList] = granules * Granule.bytes - size
      if (this.#redZone > 0) markRedZone(this.#redZoneOf(old))
      return offset
    }
    const kept = Math.min(this.#sizeOf(old), size)
    const moved = this.#allocate(subject, size, alignment)
    try {
      this.#copy(moved, offset, kept)
    } catch (error) {
      this.free(moved)
      throw error
    }
    this.free(offset)
    return moved
  }

  /**
   * Frees a block.
   *
   * @param offset the block's offset, as `allocate` returned it
   * @throws PinfoldError `ERR_BLOCK_FREE` when it is free already, `ERR_BLOCK_UNKNOWN` when it is inside another block,
   *   `ERR_OUT_OF_RANGE` when it is no offset of the heap, `ERR_BLOCK_OVERRUN`, `ERR_HEAP_CLOSED`. Nothing is changed
   *   then.
   */
  free(offset: number): void {
    if (this.#redZone > 0) this.#requireUnwritten('free', this.#live('free', offset))
    // An offset that is not a whole number of granules is not in the index either.
    if (typeof offset !== 'number' || !this.#fit.free(offset / Granule.bytes)) throw this.#noBlock('free', offset)
  }

  /** Bytes that a block was allocated for. @throws PinfoldError as `free` */
  sizeOf(offset: number): number {
    return this.#sizeOf(this.#live('sizeOf', offset))
  }

  /**
   * The bytes of a block, as many as it was allocated for, up to 2 GiB. After the block is freed, the view still shows
   * these bytes, which another block may then use.
   *
   * @throws PinfoldError as `free` and `region.view`
   */
  view(offset: number): Uint8Array<ArrayBuffer> {
    return this.#bytes(offset, this.#sizeOf(this.#live('view', offset)))
  }

  /** Counts of bytes, blocks and calls. @throws PinfoldError `ERR_HEAP_CLOSED` */
  stats(): HeapStats {
    this.#requireOpen('stats')
    const { size, used, peak, allocations, table, index, lists, byteLength } = this.#fit
    return {
      size: size * Granule.bytes,
      used: used * Granule.bytes,
      peak: peak * Granule.bytes,
      free: (size - used) * Granule.bytes,
      largestFree: lists.largest() * Granule.bytes,
      blocks: index.count,
      freeBlocks: table.lines - table.spare - index.count,
      allocations,
      failures: this.#failures,
      overhead: byteLength,
    }
  }

  /**
   * The blocks, live and free, in the order of their offsets. Every byte is in one of them. If blocks change during the
   * walk, it may tell the change or not.
   *
   * @throws PinfoldError `ERR_HEAP_CLOSED`
   */
  walk(): Generator<HeapBlock, void, undefined> {
    this.#requireOpen('walk')
    return walkBlocks(this.#fit, () => !this.#closed)
  }

  /**
   * Checks the heap's own table: the blocks fill the heap without a gap, no block overlaps another, and each is in its
   * list or in the index. A program that writes to the memory cannot change this, so damage is a fault of the heap
   * itself. With red zones, it also checks that no program has written to one. It takes time for every block.
   *
   * @throws PinfoldError `ERR_HEAP_DAMAGED` or `ERR_BLOCK_OVERRUN`, which names the first wrong block;
   *   `ERR_HEAP_CLOSED`
   */
  check(): void {
    this.#requireOpen('check')
    const damage = firstDamage(this.#fit, this.#redZone)
    if (damage !== undefined) throw heapDamaged(this.#name, damage)
    if (this.#redZone === 0) return
    for (const { offset, free } of this.walk()) if (!free) this.#requireUnwritten('check', this.#live('check', offset))
  }

  /**
   * Closes the heap, and gives up its hold on the region. A second call does nothing.
   *
   * @param options `force` closes it also with live blocks, whose offsets the program must not use any more
   * @throws PinfoldError `ERR_HEAP_IN_USE` while there are live blocks, as rte_malloc_heap_destroy has EBUSY; nothing
   *   is changed then. `ERR_INVALID_ARGUMENT`
   */
  close(options?: HeapCloseOptions): void {
    const force = options !== undefined && checked('close', closeOptions, options).force === true
    if (this.#closed) return
    if (this.#fit.index.count > 0 && !force) throw heapInUse(this.#name, this.#fit.index.count)
    const fit = this.#fit
    // An empty fit contains no block, and has no room for one. So the fast path need not ask whether the heap is
    // closed.
    this.#fit = new SegregatedFit(0, 0, 1)
    fit.release()
    this.#closed = true
    this.#whole = undefined
    this.#release()
  }

  /** Closes the heap, also with live blocks: at the end of its scope the program has no more use for their offsets. */
  [Symbol.dispose](): void {
    this.close({ force: true })
  }

  [inspect.custom](): string {
    const { size, used, index } = this.#fit
    const use = `${formatSize(used * Granule.bytes)} of ${formatSize(size * Granule.bytes)} in ${index.count} blocks`
    return `Heap in region '${this.#part.core.name}' { ${this.#closed ? 'closed' : use} }`
  }

  get #name(): string {
    return `the heap in region '${this.#part.core.name}'`
  }

  #allocate(subject: string, size: number, alignment: number): number {
    const granules = granulesOf(subject, size, this.#redZone)
    const fit = this.#fit
    const block = fit.allocate(granules, alignment === Granule.bytes ? 1 : stepOf(subject, alignment))
    if (block === 0) throw this.#noRoom(subject, size, alignment)
    const { words } = fit.table
    words[block + Word.slackOrList] = granules * Granule.bytes - size
    if (this.#redZone > 0) this.#markNew(block)
    return words[block + Word.start] * Granule.bytes
  }

  #markNew(block: number): void {
    try {
      markRedZone(this.#redZoneOf(block))
    } catch (error) {
      this.#fit.free(this.#fit.table.words[block + Word.start])
      throw error
    }
  }

  /** The bytes behind those that the program asked for. */
  #redZoneOf(block: number): Uint8Array {
    return this.#bytes(this.#offsetOf(block) + this.#sizeOf(block), this.#fit.table.words[block + Word.slackOrList])
  }

  #requireUnwritten(subject: string, block: number): void {
    const place = firstWritten(this.#redZoneOf(block))
    if (place !== -1) throw blockOverrun(subject, this.#name, this.#offsetOf(block), this.#sizeOf(block), place)
  }

  /** The live block at `offset`. @throws PinfoldError */
  #live(subject: string, offset: number): number {
    const { index, table } = this.#fit
    const block = typeof offset === 'number' ? index.find(offset / Granule.bytes, table.words) : 0
    if (block === 0) throw this.#noBlock(subject, offset)
    return block
  }

  #offsetOf(block: number): number {
    return this.#fit.table.words[block + Word.start] * Granule.bytes
  }

  #sizeOf(block: number): number {
    const { words } = this.#fit.table
    return words[block + Word.size] * Granule.bytes - words[block + Word.slackOrList]
  }

  #bytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    return this.#part.core.view(this.#part.offset + offset, length)
  }

  #zero(offset: number, length: number): void {
    const whole = this.#allBytes()
    if (whole !== undefined) {
      whole.fill(0, offset, offset + length)
      return
    }
    for (let done = 0; done < length; done += longestView) {
      this.#bytes(offset + done, Math.min(longestView, length - done)).fill(0)
    }
  }

  #copy(to: number, from: number, length: number): void {
    const whole = this.#allBytes()
    if (whole !== undefined) {
      whole.copyWithin(to, from, from + length)
      return
    }
    for (let done = 0; done < length; done += longestView) {
      const step = Math.min(longestView, length - done)
      this.#bytes(to + done, step).set(this.#bytes(from + done, step))
    }
  }

  #allBytes(): Uint8Array | undefined {
    if (this.size > longestView) return undefined
    // Its length is 0 when a program has transferred its ArrayBuffer away.
    if (this.#whole === undefined || this.#whole.length === 0) this.#whole = this.#bytes(0, this.size)
    return this.#whole
  }

  #requireOpen(subject: string): void {
    if (this.#closed) throw heapClosed(subject, this.#name)
  }

  #noBlock(subject: string, offset: number): Error {
    this.#requireOpen(subject)
    return noBlock(subject, this.#name, this.#fit, offset)
  }

  #noRoom(subject: string, size: number, alignment: number): Error {
    this.#requireOpen(subject)
    this.#failures += 1
    return heapFull(subject, this.#name, this.#fit, size, alignment)
  }
}

/** @throws PinfoldError `ERR_OUT_OF_RANGE` */
function granulesOf(subject: string, size: number, redZone: number): number {
  // V8 keeps whole numbers of 31 bits as integers.
  if (typeof size === 'number' && (size & 0x7fffffff) === size && size !== 0) {
    return (size + redZone + Granule.bytes - 1) >>> Granule.bits
  }
  return largeGranulesOf(subject, size, redZone)
}

function largeGranulesOf(subject: string, size: number, redZone: number): number {
  if (Number.isSafeInteger(size) && size >= 1) return Math.ceil((size + redZone) / Granule.bytes)
  throw wrongSize(subject, size)
}

const open = new OpenOnce<Heap>()

/**
 * Opens a heap on a region, or on a slice of one. It is one free block of all bytes, none of which is read or written.
 *
 * @param memory from 16 bytes to 32 GiB; a slice starts at a multiple of 16
 * @throws PinfoldError `ERR_INVALID_ARGUMENT`, `ERR_REGION_CLOSED`; `ERR_POOL_OPEN` when this thread has a heap open
 *   that starts there; `ERR_RANGE_IN_USE`; `ERR_MEMORY_SHORT` when there is no memory for the table of so many blocks
 */
export function createHeap(memory: RegionMemory, options: HeapOptions = {}): Heap {
  const range = alignedMemory('createHeap', memory, Granule.bytes)
  const most = mostGranules * Granule.bytes
  if (range.length < Granule.bytes || range.length > most) {
    throw new PinfoldError(
      `createHeap: memory: expected from ${Granule.bytes} to ${most} bytes, received ${range.length}`,
      { code: 'ERR_INVALID_ARGUMENT', values: { length: range.length } },
    )
  }
  const { blocks = fewestBlocks, redZones = false } = checked('createHeap', heapOptions, options)
  // Two heaps would allocate the same bytes, since each has its own table beside the memory.
  if (open.find(range) !== undefined) {
    throw new PinfoldError('createHeap: this thread has a heap open in this memory; close it first', {
      code: 'ERR_POOL_OPEN',
    })
  }
  const wanted = { subject: 'createHeap', kind: 'heap', ...range } as const
  return range.core.claims.claim(wanted, (release) =>
    open.add(range, new Heap(range, blocks, redZones ? redZoneBytes : 0, release)),
  )
}
