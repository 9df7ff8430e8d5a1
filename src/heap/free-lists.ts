import { type BlockTable, State, Word } from './block-table.js'

// Sizes are in granules. Each power of two is divided into 32 lists; below 64, every size has its own list.
enum Level {
  bits = 5,
  lists = 32,
  mask = 31,
  /** One for each power of two from 32 on in an int32, one for smaller sizes, one that stays empty. */
  count = 28,
}

/** The list that contains blocks of this size. */
export function listOf(size: number): number {
  if (size < 2 * Level.lists) return size
  const shift = 31 - Level.bits - Math.clz32(size)
  return ((shift + 1) << Level.bits) | ((size >>> shift) & Level.mask)
}

/** The first list in which every block has at least this size. */
export function firstFitting(size: number): number {
  if (size < 2 * Level.lists) return size
  return listOf(size + (1 << (31 - Level.bits - Math.clz32(size))) - 1)
}

/**
 * Free blocks by size, in two levels of lists. A bit for each list says that it contains blocks, a bit for each level
 * says that one of its lists does. Two searches for a lowest bit find the smallest list in which every block fits,
 * however many blocks there are. This is the index of TLSF (Masmano, Ripoll, Crespo, Real: "TLSF: a new dynamic memory
 * allocator for real-time systems", ECRTS 2004).
 */
export class FreeLists {
  readonly table: BlockTable
  /** The first block of each list; 0 when it is empty. */
  readonly heads = new Int32Array(Level.count * Level.lists)
  /** For each level, the bits of its lists that contain blocks. */
  readonly filled = new Int32Array(Level.count)
  /** The bits of the levels that have such a list. */
  levels = 0

  constructor(table: BlockTable) {
    this.table = table
  }

  /** The first list from `list` on that contains blocks; -1 when none does. */
  filledFrom(list: number): number {
    let level = list >>> Level.bits
    let lists = this.filled[level] & (-1 << (list & Level.mask))
    if (lists === 0) {
      const above = this.levels & (-2 << level)
      if (above === 0) return -1
      level = 31 - Math.clz32(above & -above)
      lists = this.filled[level]
    }
    return (level << Level.bits) | (31 - Math.clz32(lists & -lists))
  }

  /** Whether the bits say that a list contains blocks. */
  isFilled(list: number): boolean {
    const level = list >>> Level.bits
    return ((this.levels >>> level) & (this.filled[level] >>> (list & Level.mask)) & 1) === 1
  }

  /** Size of the largest block, which is in the last list that contains any. */
  largest(): number {
    if (this.levels === 0) return 0
    const level = 31 - Math.clz32(this.levels)
    const list = (level << Level.bits) | (31 - Math.clz32(this.filled[level]))
    // All blocks of this list have one size. So a failed allocation of a fragmented heap does not look at each of them.
    if (list < 2 * Level.lists) return list
    const words = this.table.words
    let most = 0
    let block = this.heads[list]
    for (; block !== 0; block = words[block + Word.next]) most = Math.max(most, words[block + Word.size])
    return most
  }

  /** Makes a block free. The block that was freed last is used first, since its bytes may still be in a cache. */
  add(block: number): void {
    const words = this.table.words
    const list = listOf(words[block + Word.size])
    const head = this.heads[list]
    words[block + Word.state] = State.free
    words[block + Word.slackOrList] = list
    words[block + Word.next] = head
    words[block + Word.previous] = 0
    words[head + Word.previous] = block
    this.heads[list] = block
    if (head !== 0) return
    const level = list >>> Level.bits
    this.filled[level] |= 1 << (list & Level.mask)
    this.levels |= 1 << level
  }

  /** Removes a block from its list. The caller sets its state. */
  delete(block: number): void {
    const words = this.table.words
    const next = words[block + Word.next]
    const previous = words[block + Word.previous]
    words[next + Word.previous] = previous
    words[previous + Word.next] = next
    if (previous !== 0) return
    const list = words[block + Word.slackOrList]
    this.heads[list] = next
    if (next !== 0) return
    const level = list >>> Level.bits
    const filled = this.filled[level] & ~(1 << (list & Level.mask))
    this.filled[level] = filled
    if (filled === 0) this.levels &= ~(1 << level)
  }
}
