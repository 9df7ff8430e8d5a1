import { clz32 } from '../builtins.js'
import { Word } from './block-table.js'

/**
 * Which live block starts at a place: chains of blocks, at least two for each block that there is room for, so that mostly
 * the first is the one.
 *
 * A place's chain is its number times 2^32 by the golden ratio, the upper bits: numbers in an arithmetic sequence, as
 * those of equal blocks are, fall far from each other (Knuth, The Art of Computer Programming vol. 3, 6.4). Its own upper
 * bits are mixed in before, since the lower ones of a large power of two are all 0: without that, blocks of 2 KiB took 3
 * looks each.
 *
 * A table by granule was no faster, and would take a quarter of the memory that the heap manages. Open addressing has
 * branches that no processor foresees, and took a third of an allocation more.
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

  /** The chain of a place. */
  chainOf(start: number): number {
    return Math.imul(start ^ (start >>> 14), 0x9e3779b1) >>> this.shift
  }

  /** The live block that starts at granule `start`; 0 when none does, also when that is no whole number. */
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

  /** As `find`, and removes it. */
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

  /** Moves its blocks to an index with more room, and is that one from now on. */
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
