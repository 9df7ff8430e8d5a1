import { max } from '../builtins.js'
import { BlockIndex } from './block-index.js'
import { BlockTable, linesAfter, mostLines, State, Word } from './block-table.js'
import { cutShort, noMemoryForBlocks } from './fit-errors.js'
import { FreeLists, firstFitting, listOf } from './free-lists.js'

/** An allocation may use a line for the memory before the block, and one for the memory behind it. */
const fewestSpare = 2

/** The most free blocks that are tried one by one when no list surely fits. */
const mostTried = 32

/**
 * Two-level segregated fit (TLSF) over granules. It works on words beside the memory, and reads or writes no byte of
 * the memory.
 *
 * Why TLSF: allocating and freeing take a bounded number of steps, whatever the number and the sizes of the blocks, and
 * little memory is lost. A buddy system is as quick, but loses up to half of a block to rounding. Here no more than the
 * rounding to a granule is lost, since neighbours of any size are joined as soon as both are free. rte_malloc has lists
 * by size too, but searches a list for the first block that fits. TLSF passes over a free block only if it is less than
 * a 32nd larger than the size that was asked for, and a larger one is there.
 *
 * Blocks are numbers of the table; 0 is no block.
 */
export class SegregatedFit {
  readonly table: BlockTable
  readonly lists: FreeLists
  readonly index: BlockIndex
  /** All granules, live and free. */
  readonly size: number
  /** The address of granule 0 in granules, modulo the largest alignment. Alignment counts from there. */
  readonly skew: number
  /** Granules in live blocks. */
  used = 0
  /** The most that `used` has been. */
  peak = 0
  /** Blocks that were allocated so far. */
  allocations = 0
  /** An allocation calls `prepare` first if fewer lines are unused. */
  fewest = fewestSpare
  /**
   * Whether a change is under way. If it is still set when the next change begins, an exception has interrupted the
   * last one, since the stack was used up. The words of the blocks are then wrong, and every further change is refused.
   */
  changing = false

  /** @throws PinfoldError `ERR_MEMORY_SHORT` when there is no memory for the table of so many blocks */
  constructor(size: number, skew: number, blocks: number) {
    this.size = size
    this.skew = skew
    // At least four: doubling must provide the lines that an allocation may use.
    const lines = max(4, blocks)
    try {
      this.table = new BlockTable(lines)
      this.index = new BlockIndex(lines)
    } catch (error) {
      throw noMemoryForBlocks(lines, error)
    }
    this.lists = new FreeLists(this.table)
    const { words } = this.table
    // Create the first block by splitting sentinel 0. The sentinel's words are scratch space, so this does it no harm.
    const block = this.table.split(0, 0)
    words[block + Word.size] = size
    this.lists.add(block)
  }

  /**
   * Allocates a block of `size` granules at a multiple of `alignment`, a power of two. Returns 0 when there is no room.
   *
   * This function and `free` are not divided further: V8 inlines only so much, and a call costs as much as a step here.
   *
   * @throws PinfoldError `ERR_MEMORY_SHORT` when there is no memory for a larger table; nothing is changed then
   */
  allocate(size: number, alignment: number): number {
    if (size > this.size) return 0 // sizes below are int32
    const { table, lists } = this
    if (table.spare < this.fewest) this.prepare()
    this.begin()
    let block = 0
    if (alignment === 1) {
      const list = lists.filledFrom(firstFitting(size))
      block = list === -1 ? this.fittingByLuck(size, 1) : lists.heads[list]
    } else {
      block = this.aligned(size, alignment)
    }
    if (block === 0) {
      this.changing = false
      return 0
    }
    const words = table.words
    lists.delete(block)
    if (words[block + Word.size] !== size) lists.add(table.split(block, size))
    words[block + Word.state] = State.live
    words[block + Word.slackOrList] = 0
    this.index.add(block, words)
    this.allocations += 1
    const used = this.used + size
    this.used = used
    if (used > this.peak) this.peak = used
    this.changing = false
    return block
  }

  /** Bytes of the words beside the memory. */
  get byteLength(): number {
    const { table, index, lists } = this
    return table.words.byteLength + index.heads.byteLength + lists.heads.byteLength + lists.filled.byteLength
  }

  /** Gives the memory of the words back. No other function may be called any more. */
  release(): void {
    this.table.room.release()
    this.index.room.release()
  }

  /** Frees the live block that starts at granule `start`. Returns false when there is none. */
  free(start: number): boolean {
    const { table, lists } = this
    const words = table.words
    this.begin()
    let block = this.index.take(start, words)
    if (block === 0) {
      this.changing = false
      return false
    }
    this.used -= words[block + Word.size]
    const after = words[block + Word.after]
    if (words[after + Word.state] === State.free) {
      lists.delete(after)
      table.absorb(block, after)
    }
    const before = words[block + Word.before]
    if (words[before + Word.state] === State.free) {
      lists.delete(before)
      table.absorb(before, block)
      block = before
    }
    lists.add(block)
    this.changing = false
    return true
  }

  /**
   * Makes a live block larger or smaller where it is, without slack. Returns false when the memory behind it is not
   * free, or too small; nothing is changed then.
   *
   * @throws PinfoldError as `allocate`
   */
  resize(block: number, size: number): boolean {
    const { table, lists } = this
    if (table.spare < 1) this.grow()
    const words = table.words
    const has = words[block + Word.size]
    const after = words[block + Word.after]
    const isFollowedByFree = words[after + Word.state] === State.free
    if (size > has + (isFollowedByFree ? words[after + Word.size] : 0)) return false
    words[block + Word.slackOrList] = 0
    if (size === has) return true
    this.begin()
    if (isFollowedByFree) {
      lists.delete(after)
      table.absorb(block, after)
    }
    if (words[block + Word.size] > size) lists.add(table.split(block, size))
    this.used += size - has
    if (this.used > this.peak) this.peak = this.used
    this.changing = false
    return true
  }

  /** Granules from the start of a block to the next multiple of `alignment`. */
  toAligned(block: number, alignment: number): number {
    return -(this.table.words[block + Word.start] + this.skew) & (alignment - 1)
  }

  /** A free block that is large enough and starts at a multiple of `alignment`, if need be cut from another. */
  private aligned(size: number, alignment: number): number {
    const { lists, table } = this
    // Try blocks that may fit first. A block that surely fits, wherever it starts, is mostly too large.
    let found = this.fittingByLuck(size, alignment)
    if (found === 0) {
      const list = lists.filledFrom(firstFitting(size + alignment - 1))
      if (list === -1) return 0
      found = lists.heads[list]
    }
    const before = this.toAligned(found, alignment)
    if (before === 0) return found
    lists.delete(found)
    const block = table.split(found, before)
    lists.add(found)
    lists.add(block)
    return block
  }

  /** Tries blocks that may fit or not, so that a heap can be filled to its last granule. Returns 0 when none fits. */
  private fittingByLuck(size: number, alignment: number): number {
    const { lists } = this
    const words = this.table.words
    const end = firstFitting(size + alignment - 1)
    let tried = 0
    for (let list = lists.filledFrom(listOf(size)); list !== -1 && list < end; list = lists.filledFrom(list + 1)) {
      for (let block = lists.heads[list]; block !== 0; block = words[block + Word.next]) {
        if (words[block + Word.size] >= size + this.toAligned(block, alignment)) return block
        if (++tried === mostTried) return 0
      }
    }
    return 0
  }

  /** Called before an allocation that needs unused lines, and as long as chains of the index are divided. */
  private prepare(): void {
    const { table, index } = this
    while (table.spare < fewestSpare) this.grow()
    if (!index.dividing) return
    this.begin()
    index.divideSome(table.words)
    this.fewest = index.dividing ? mostLines : fewestSpare
    this.changing = false
  }

  /** Adds unused lines. @throws PinfoldError `ERR_MEMORY_SHORT`; nothing is changed then */
  private grow(): void {
    const { table, index } = this
    if (table.lines === table.capacity) {
      const blocks = 2 * table.capacity
      try {
        const capacity = linesAfter(table.capacity)
        index.grow(capacity)
        table.grow(capacity)
      } catch (error) {
        throw noMemoryForBlocks(blocks, error)
      }
      this.fewest = mostLines
    }
    this.begin()
    table.hang()
    this.changing = false
  }

  private begin(): void {
    if (this.changing) throw cutShort()
    this.changing = true
  }
}
