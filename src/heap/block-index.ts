import { clz32 } from '../builtins.js'
import { Word } from './block-table.js'

/**
 * Finds the live block that starts at a granule. It is a hash table of chains, with at least two chains for each block
 * that the table has room for, so that mostly the first block of a chain is the one.
 *
 * The chain of a granule is given by the upper bits of its number times 2^32 / golden ratio. Numbers in an arithmetic
 * sequence, as those of equal blocks, fall far from each other (Knuth, The Art of Computer Programming vol. 3, 6.4).
 * The number's own upper bits are mixed in first, since the lower bits of a large power of two are all 0: without this,
 * blocks of 2 KiB took 3 steps each.
 *
 * A table with an entry for each granule was no faster, and would take a quarter of the memory that the heap manages.
 * Open addressing has branches that no processor predicts, and made an allocation a third slower.
 */
export class BlockIndex {
  /** The first block of each chain; 0 when it is empty. */
  heads: Int32Array
  shift: number
  count = 0

  /** @throws RangeError when there is no memory for so many blocks */
  constructor(capacity: number) {
    const bits = 32 - clz32(2 * capacity - 1)
    this.heads = new Int32Array(2 ** bits)
    this.shift = 32 - bits
  }

  /** The chain of a granule. */
  chainOf(start: number): number {
    return Math.imul(start ^ (start >>> 14), 0x9e3779b1) >>> this.shift
  }

  /** The live block that starts at granule `start`; 0 when there is none, or `start` is not a whole number. */
  find(start: number, words: Int32Array): number {
    let block = this.heads[this.chainOf(start)]
    while (block !== 0 && words[block + Word.start] !== start) block = words[block + Word.next]
    return block
  }

  add(block: number, words: Int32Array): void {
    const chain = this.chainOf(words[block + Word.start])
    words[block + Word.next] = this.heads[chain]
    this.heads[chain] = block
    this.count += 1
  }

  /** Removes the block that `find` returns, and returns it. */
  take(start: number, words: Int32Array): number {
    const chain = this.chainOf(start)
    const block = this.heads[chain]
    if (block === 0) return 0
    if (words[block + Word.start] !== start) return this.takeBehind(block, start, words)
    this.heads[chain] = words[block + Word.next]
    this.count -= 1
    return block
  }

  private takeBehind(first: number, start: number, words: Int32Array): number {
    let previous = first
    for (;;) {
      const block = words[previous + Word.next]
      if (block === 0) return 0
      if (words[block + Word.start] === start) {
        words[previous + Word.next] = words[block + Word.next]
        this.count -= 1
        return block
      }
      previous = block
    }
  }

  /** Moves all blocks to a larger index, and takes over its chains. */
  grow(larger: BlockIndex, words: Int32Array): void {
    for (const head of this.heads) {
      for (let block = head; block !== 0; ) {
        const next = words[block + Word.next]
        larger.add(block, words)
        block = next
      }
    }
    this.heads = larger.heads
    this.shift = larger.shift
  }
}
