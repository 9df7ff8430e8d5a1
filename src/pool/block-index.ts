import { Word } from './block-table.js'

/**
 * Which live block starts at a place: chains of blocks, at least two for each block that there is room for, so that mostly
 * the first is the one.
 *
 * A place's chain is its number times 2^32 by the golden ratio, the upper bits: numbers in an arithmetic sequence, as
 * those of equal blocks are, fall far from each other (Knuth, The Art of Computer Programming vol. 3, 6.4). A table by
 * granule was no faster, and would take a quarter of the memory that the heap manages; open addressing has branches that
 * no processor foresees, and was slower by a third of an allocation.
 */
export class BlockIndex {
  /** The first block of each chain; 0 when it is empty. */
  heads: Int32Array
  shift: number
  count = 0

  /** @throws RangeError when there is no memory for so many blocks */
  constructor(capacity: number) {
    const bits = 32 - Math.clz32(2 * capacity - 1)
    this.heads = new Int32Array(2 ** bits)
    this.shift = 32 - bits
  }

  /** The live block that starts at granule `start`; 0 when none does, also when that is no whole number. */
  find(start: number, words: Int32Array): number {
    let block = this.heads[Math.imul(start, 0x9e3779b1) >>> this.shift] ?? 0
    while (block !== 0 && words[block + Word.start] !== start) block = words[block + Word.next] ?? 0
    return block
  }

  add(block: number, words: Int32Array): void {
    const chain = Math.imul(words[block + Word.start] ?? 0, 0x9e3779b1) >>> this.shift
    words[block + Word.next] = this.heads[chain] ?? 0
    this.heads[chain] = block
    this.count += 1
  }

  /** As `find`, and removes it. */
  take(start: number, words: Int32Array): number {
    const chain = Math.imul(start, 0x9e3779b1) >>> this.shift
    const block = this.heads[chain] ?? 0
    if (block === 0) return 0
    if (words[block + Word.start] !== start) return this.takeBehind(block, start, words)
    this.heads[chain] = words[block + Word.next] ?? 0
    this.count -= 1
    return block
  }

  private takeBehind(first: number, start: number, words: Int32Array): number {
    let previous = first
    for (;;) {
      const block = words[previous + Word.next] ?? 0
      if (block === 0) return 0
      if (words[block + Word.start] === start) {
        words[previous + Word.next] = words[block + Word.next] ?? 0
        this.count -= 1
        return block
      }
      previous = block
    }
  }

  /** Makes room for so many blocks. @throws RangeError; nothing is changed then */
  grow(capacity: number, words: Int32Array): void {
    const larger = new BlockIndex(capacity)
    for (const head of this.heads) {
      for (let block = head; block !== 0; ) {
        const next = words[block + Word.next] ?? 0
        larger.add(block, words)
        block = next
      }
    }
    this.heads = larger.heads
    this.shift = larger.shift
  }
}
