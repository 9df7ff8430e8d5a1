import { clz32, max } from '../builtins.js'
import { Word } from './block-table.js'
import { GrowingWords } from './growing-words.js'

/** Chains that are divided before a block is added. So all are divided before there are too many blocks again. */
const dividedAtOnce = 8

/**
 * Finds the live block that starts at a granule. It is a hash table of chains, with about two chains for each block
 * that the table has room for, so that mostly the first block of a chain is the one. When the table has grown, the chains
 * are divided a few at a time.
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
  readonly room = new GrowingWords()
  /** How many lower bits of a hash do not count in the number of a chain. */
  shift: number
  /** Chains from this number on have been divided. It is the number of all chains, unless they are being divided. */
  undivided: number
  /** Whether there are fewer chains than there is room for. */
  dividing = false
  count = 0

  /** @throws RangeError when there is no memory for so many blocks */
  constructor(capacity: number) {
    this.undivided = chainsFor(capacity)
    this.heads = this.room.grow(this.undivided)
    this.shift = 1 + clz32(this.undivided)
  }

  /** Makes room for the chains of more blocks. @throws RangeError when there is no memory; nothing is changed then */
  grow(capacity: number): void {
    this.heads = this.room.grow(chainsFor(capacity))
    this.dividing = true
  }

  /** The chain of a granule. */
  chainOf(start: number): number {
    const hash = Math.imul(start ^ (start >>> 14), 0x9e3779b1)
    const chain = hash >>> this.shift
    return chain < this.undivided ? chain : hash >>> (this.shift - 1)
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
    // As in `chainOf`, but as if no chain were divided: a block that is there is right, and mostly it is.
    const chain = Math.imul(start ^ (start >>> 14), 0x9e3779b1) >>> this.shift
    const block = this.heads[chain]
    if (block === 0 || words[block + Word.start] !== start) return this.takeOther(start, words)
    this.heads[chain] = words[block + Word.next]
    this.count -= 1
    return block
  }

  /** Takes a block that is not the first of its chain, or whose chain has been divided. */
  private takeOther(start: number, words: Int32Array): number {
    const chain = this.chainOf(start)
    let previous = 0
    for (let block = this.heads[chain]; block !== 0; block = words[block + Word.next]) {
      if (words[block + Word.start] === start) {
        if (previous === 0) this.heads[chain] = words[block + Word.next]
        else words[previous + Word.next] = words[block + Word.next]
        this.count -= 1
        return block
      }
      previous = block
    }
    return 0
  }

  /**
   * Divides some chains, the last that are not yet divided. The blocks of chain c go to the chains 2c and 2c + 1 of twice as
   * many. These places are empty: if there were chains with these numbers, they have been divided before.
   */
  divideSome(words: Int32Array): void {
    const end = max(0, this.undivided - dividedAtOnce)
    while (this.undivided > end) {
      this.undivided -= 1
      this.divide(this.undivided, words)
    }
    if (end > 0) return
    this.shift -= 1
    this.undivided = 1 << (32 - this.shift)
    this.dividing = 2 * this.undivided <= this.room.length
  }

  private divide(chain: number, words: Int32Array): void {
    let block = this.heads[chain]
    this.heads[chain] = 0
    while (block !== 0) {
      const next = words[block + Word.next]
      const half = this.chainOf(words[block + Word.start])
      words[block + Word.next] = this.heads[half]
      this.heads[half] = block
      block = next
    }
  }
}

/** A power of two, at least two for each block. */
function chainsFor(capacity: number): number {
  // Not 2 ** n, which V8 keeps as a double.
  return 1 << (32 - clz32(2 * capacity - 1))
}
